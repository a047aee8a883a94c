"""What `majolica data fetch` asks for and says."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from majolica import cli
from majolica.config.fetch import RECIPES, FetchConfig, check_fetch
from majolica.config.io import read_config
from majolica.data.fetch import run
from majolica.data.fetch.totals import Totals


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", RECIPES)
def test_printed_configuration_is_read_back(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "fetch", name, "--print-config", "--polite.per-host", "3", "--input", "a", "b"]) == 0
    printed = capsys.readouterr().out
    Path("c.yaml").write_text(printed)
    config = read_config(Path("c.yaml"), FetchConfig())
    check_fetch(config)
    assert config.polite.per_host == 3 and config.input == ("a", "b")
    assert config.picture == RECIPES[name]().picture
    assert cli.main(["data", "fetch", "c.yaml", "--print-config"]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "say where to with --out DIR"),
        ("--out x", "nothing to fetch: give parquet files with --input"),
        ("--out x --input none.parquet", "there is no none.parquet"),
        ("web265", "unknown recipe 'web265': did you mean 'web256'?"),
        ("none.yaml", "cannot read the configuration none.yaml"),
        ("--per-shard 0", "per_shard is 0: it must be at least 1"),
        ("--web.deadline 0", "web.deadline is 0: it must be above 0"),
        ("--web.deadline nan", "web.deadline is nan: it must be above 0"),
        ("--picture.quality 101", "picture.quality is 101: it must be at most 100"),
        ("original --out x --picture.max-megapixels 65", "above 64 needs --picture.resize shorter: the loader refuses"),
        ("--polite.user-agent my/bot", "robots.txt knows only names of letters"),
        ("--polite.contact é", "it must be printable ASCII"),
    ],
)
def test_mistakes_are_one_line(words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "fetch", *words.split()]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_a_missing_package_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from majolica.commands.data import fetch

    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None if name == "aiohttp" else True)
    assert cli.main(["data", "fetch", "--out", "x"]) == 2
    assert "fetching needs aiohttp: pip install 'majolica[data]'" in capsys.readouterr().err


def test_the_last_word_and_the_plain_progress_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def fetch(config: FetchConfig, report: Any, say: Any, retry_failed: bool) -> Totals:
        asked.append((config, retry_failed))
        now = time.monotonic()
        totals = Totals(1000, 400, 80_000_000, Counter(success=300, http_404=80, timeout=20), started=now)
        monkeypatch.setattr("time.monotonic", lambda: now + 20)
        report(totals)
        say("a word")
        return totals

    monkeypatch.setattr(run, "fetch", fetch)
    assert cli.main(["data", "fetch", "--out", "x", "--input", "y", "--retry-failed"]) == 0
    config, retry = asked[0]
    assert (config.out, config.input, retry) == ("x", ("y",), True)
    said = capsys.readouterr()
    assert "300 pictures of 1,000 URLs in x; 80 http_404, 20 timeout" in said.out
    assert (
        "400 of 1,000 URLs" in said.err
        and "20/s, 75.0% good, 4.0 MB/s" in said.err
        and "http_404 80, timeout 20" in said.err
    )
    assert "a word" in said.err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\ntry:\n from majolica.cli import main; main(['data', 'fetch', '--help'])\nexcept SystemExit: pass\n"
        "sys.exit(' '.join({'torch', 'numpy', 'pyarrow', 'aiohttp', 'PIL'} & set(sys.modules)) or 0)"
    )
    source = str(Path(cli.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={"PYTHONPATH": source}
    )
    assert done.returncode == 0, done.stderr
