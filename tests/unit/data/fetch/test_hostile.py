"""Every case has one right answer; the whole table is fetched at once, as it would be in life."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from majolica.config.fetch import FetchConfig
from majolica.data.fetch import address, download
from majolica.data.fetch.run import fetch
from majolica.data.store.shards import ShardSet
from picture_files import encoded
from web_files import photo

Table = Callable[..., str]

# Path, or a whole URL with {port}; the status it must get.
CASES: dict[str, str] = {
    # What came
    "good.jpg": "success",
    "copy.jpg": "duplicate",
    "to-good": "duplicate",
    "moves.gif": "success",
    "moves.webp": "success",
    "cmyk.jpg": "success",
    "deep.png": "success",
    "turned.jpg": "success",
    "clear.png": "success",
    "grün.jpg": "success",
    "gr%C3%BCn.jpg": "duplicate",
    "packed.jpg": "duplicate",
    "huge.png": "too_many_pixels",
    "small.jpg": "too_small",
    "page.jpg": "not_a_picture",
    "drawing.svg": "not_a_picture",
    "cut.jpg": "damaged",
    "scans.jpg": "damaged",
    "empty.jpg": "empty",
    "bomb": "too_large",
    "endless": "too_large",
    "promises-much": "too_large",
    "brotli": "bad_response",
    # The way there
    "drip": "timeout",
    "slow-headers": "timeout",
    "reset": "connection",
    "short": "connection",
    "404": "http_404",
    "403": "http_403",
    "410": "http_410",
    "204": "http_204",
    "busy": "success",
    "http://busy.test:{port}/very-busy": "http_429",
    "flaky": "success",
    "always-500": "http_500",
    "http://nowhere.invalid:{port}/a.jpg": "no_such_host",
    "http://a..b:{port}/a.jpg": "no_such_host",
    "https://127.0.0.1:{port}/good.jpg": "tls",
    # What is allowed
    "noai.jpg": "opted_out",
    "noml.jpg": "opted_out",
    "our-noai.jpg": "opted_out",
    "other-noai.jpg": "duplicate",
    "none.jpg": "opted_out",
    "reserved.jpg": "opted_out",
    "http://closed.test:{port}/good.jpg": "robots",
    "http://packed.test:{port}/good.jpg": "robots",
    "http://unknown.test:{port}/good.jpg": "robots_unreachable",
    "http://partly.test:{port}/secret.jpg": "robots",
    "http://partly.test:{port}/photo/77": "success",
    "http://hangs.test:{port}/good.jpg": "robots_unreachable",
    "http://breaks.test:{port}/good.jpg": "robots_unreachable",
    "to-closed-host": "robots",
    # Where it leads
    "to-other-host": "success",
    "to-other-port": "port",
    "to-private": "private_address",
    "to-metadata": "private_address",
    "to-inside": "private_address",
    "to-file": "scheme",
    "to-nothing": "bad_response",
    "to-password": "credentials",
    "loop": "redirects",
    "http://inside.test:{port}/good.jpg": "private_address",
    "http://127.0.0.2:{port}/good.jpg": "private_address",
    "http://2130706434:{port}/good.jpg": "bad_url",
    "http://0x7f.0.0.2:{port}/good.jpg": "bad_url",
    "http://[::1]:{port}/good.jpg": "private_address",
    "http://[::ffff:127.0.0.1]:{port}/good.jpg": "private_address",
    "http://169.254.169.254:{port}/latest/meta-data/": "private_address",
    "http://me:secret@127.0.0.1:{port}/good.jpg": "credentials",
    "http://127.0.0.1:22/": "port",
    # The row itself
    "file:///etc/passwd": "scheme",
    "ftp://127.0.0.1/good.jpg": "scheme",
    "data:image/png;base64,iVBORw0KGgo=": "scheme",
    "javascript:alert(1)": "scheme",
    "//127.0.0.1/good.jpg": "scheme",
    "good picture": "scheme",
    "http://": "bad_url",
    "http://127.0.0.1:99999/a.jpg": "bad_url",
    "http://127.0.0.1:{port}/a\nb.jpg": "bad_url",
    "": "bad_url",
    "http://127.0.0.1:{port}/" + "x" * 100_000: "bad_url",
}


def full(case: str, port: int) -> str:
    """The URL that a case stands for."""
    whole = not case or any(sign in case for sign in (":", "//", " "))
    return case.replace("{port}", str(port)) if whole else f"http://127.0.0.1:{port}/{case}"


@pytest.fixture
def answers(names: None, server: Any, table: Table, config: FetchConfig) -> tuple[dict[str, Any], float]:
    """The statistics of every case, and the seconds that all took."""
    cases = list(CASES)
    config = replace(config, input=(table([full(case, server.port) for case in cases]),))
    config = replace(config, polite=replace(config.polite, per_host=64), web=replace(config.web, connections=100))
    began = time.monotonic()
    fetch(config)
    seconds = time.monotonic() - began
    rows = pq.read_table(Path(config.out) / "00000.parquet").to_pylist()
    return dict(zip(cases, rows, strict=True)), seconds


def test_every_case_has_its_answer(answers: tuple[dict[str, Any], float], server: Any, tmp_path: Path) -> None:
    rows, seconds = answers
    assert {case: row["status"] for case, row in rows.items()} == CASES
    assert seconds < 20, "a drip, or a host that hangs, held the shard"
    # Nobody was asked who should not have been.
    assert not [path for path in server.asked if path.startswith(("127.0.0.2", "inside.test", "2130706434"))]
    assert server.asked["closed.test/good.jpg"] == 0 and server.asked["closed.test/robots.txt"] == 1
    assert server.asked["partly.test/secret.jpg"] == 0
    assert server.asked["127.0.0.1/robots.txt"] == 1
    # Once more for what may pass, and only for that.
    asked = {path: server.asked[f"127.0.0.1/{path}"] for path in ("flaky", "busy", "always-500", "404", "drip")}
    assert asked == {"flaky": 2, "busy": 2, "always-500": 3, "404": 1, "drip": 1}
    assert rows["copy.jpg"]["duplicate_of"] == rows["good.jpg"]["key"]
    assert rows["flaky"]["attempts"] == 2 and not rows["404"]["retry"] and rows["always-500"]["retry"]
    statistics = json.loads((tmp_path / "out" / "00000_stats.json").read_text())
    assert statistics["count"] == len(CASES) and statistics["successes"] == list(CASES.values()).count("success")
    _check_pictures(rows, tmp_path)


def test_a_name_that_changes_its_address_gains_nothing(
    names: None, server: Any, table: Table, config: FetchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: public when robots.txt is asked for, this machine's own when the picture is."""
    asked: list[str] = []

    def lookup(host: str, port: int, family: int) -> list[tuple[int, str]]:
        asked.append(host)
        return [(2, "127.0.0.1" if len(asked) == 1 else "127.0.0.2")]

    def forgetful(**options: Any) -> Any:
        return connector(**{**options, "force_close": True, "use_dns_cache": False, "keepalive_timeout": None})

    connector = download.aiohttp.TCPConnector
    monkeypatch.setattr(address, "lookup", lookup)
    monkeypatch.setattr(download.aiohttp, "TCPConnector", forgetful)
    fetch(replace(config, input=(table([f"http://rebinds.test:{server.port}/good.jpg"]),)))
    (row,) = pq.read_table(Path(config.out) / "00000.parquet").to_pylist()
    assert (row["status"], asked) == ("private_address", ["rebinds.test"] * 2)
    assert server.asked == {"rebinds.test/robots.txt": 1}


def _check_pictures(rows: dict[str, Any], tmp_path: Path) -> None:
    """Each stored picture shows what its file showed."""
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        found = {
            case: np.asarray(Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB"), int)  # type: ignore[union-attr]
            for case, row in rows.items()
            for member in tar.getmembers()
            if member.name.startswith(row["key"]) and member.name.endswith(("jpg", "png", "webp"))
        }
    assert set(found) == {case for case, status in CASES.items() if status == "success"}
    assert found["good.jpg"].shape == (48, 72, 3)
    assert found["turned.jpg"].shape == (72, 48, 3)  # upright
    clear = found["clear.png"]
    assert np.abs(clear[10:40, 5:15] - (255, 0, 0)).max() < 12 and clear[10:40, 35:45].min() > 243  # over white
    deep = found["deep.png"].mean((1, 2))
    assert deep[0] < 10 and deep[-1] > 245 and 110 < deep[len(deep) // 2] < 145  # a ramp, neither black nor clipped
    gif = np.asarray(Image.open(io.BytesIO(encoded(photo(6), "PNG"))).convert("RGB").resize((72, 48)), int)
    assert np.abs(found["moves.gif"] - gif).mean() < 12  # the first frame
    assert len(ShardSet(tmp_path / "out")) == len(found)
