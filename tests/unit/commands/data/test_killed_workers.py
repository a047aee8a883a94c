"""In every command that has workers one is killed in the middle of its work: the result is that of one process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import majolica
from majolica import cli
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from picture_files import encoded

# Python reads it as it starts. The first spawned worker that opens a file of the kind named dies, once.
KILLER = """
import os, signal, sys
kind, mark = os.environ["DIES_AT"], os.environ["DIED"]
def watch(event, args):
    if event == "open" and isinstance(args[0], (str, os.PathLike)) and os.fspath(args[0]).endswith(kind):
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
if "--multiprocessing-fork" in sys.orig_argv:
    sys.addaudithook(watch)
"""


def picture(i: int) -> bytes:
    return encoded(Image.linear_gradient("L").resize((48, 40)).rotate(20 * i).convert("RGB"), "PNG")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with tars, pictures and metadata, and the killer armed."""
    monkeypatch.chdir(tmp_path)
    write_shards(tmp_path / "set", (Record(picture(i), "png", f"number {i}", {}) for i in range(8)), per_shard=2)
    (tmp_path / "photos").mkdir()
    for i in range(8):
        (tmp_path / f"photos/{i}.png").write_bytes(picture(i))
    columns = {"url": [f"http://h/{i}" for i in range(400)], "text": [f"words {i}" for i in range(400)]}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet", row_group_size=100)
    (tmp_path / "killer").mkdir()
    (tmp_path / "killer/sitecustomize.py").write_text(KILLER)
    source = Path(majolica.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "killer"), str(source)]))
    monkeypatch.setenv("DIED", str(tmp_path / "died"))
    return tmp_path


def made(folder: str, kinds: tuple[str, ...]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir()) if path.name.endswith(kinds)}


@contextmanager
def serving() -> Iterator[int]:
    """A port on loopback where /N is picture N."""
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=picture(int(request.match_info["n"])), content_type="image/png")

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/{n:[0-9]+}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    loop = asyncio.new_event_loop()
    runner = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield runner.addresses[0][1]
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


COMMANDS = {
    "filter": ("filter c.yaml --inputs rows.parquet", ".tmp", (".parquet",)),
    "fetch": ("fetch --input urls.parquet --per-shard 2 --web.allow-private --open-shards 1", ".parquet", (".tar",)),
    "shard": ("shard photos --caption name --per-shard 2", ".png", (".tar",)),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_made_is_the_same(command: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, kind, results = COMMANDS[command]
    monkeypatch.setenv("DIES_AT", kind)
    (here / "c.yaml").write_text("work: {rows_at_once: 100, rows_per_bucket: 100}")
    with serving() as port:
        urls = {"url": [f"http://127.0.0.1:{port}/{i}" for i in range(8)], "caption": ["words"] * 8}
        pq.write_table(pa.table(urls), "urls.parquet")
        words += f" --web.ports {port}" * (command == "fetch")
        assert cli.main(["data", *words.split(), "--out", "one"]) == 0
        assert not (here / "died").exists()
        assert cli.main(["data", *words.split(), "--out", "two", "--workers", "2"]) == 0
    assert (here / "died").exists()
    assert made("one", results) == made("two", results) != {}
    assert not [path for path in (here / "two").iterdir() if path.name.endswith(".tmp")]


def test_index_and_inspect(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from majolica.data.inspect import look

    monkeypatch.setattr(look, "_TOGETHER", 2)
    monkeypatch.setenv("DIES_AT", ".tar")
    assert cli.main(["data", "index", "set", "--workers", "2"]) == 0
    assert (here / "died").exists()
    assert len(made("set", (".mjidx",))) == 4
    (here / "died").unlink()
    assert cli.main(["data", "inspect", "set", "--out", "one.html", "--workers", "1"]) == 0
    assert not (here / "died").exists()
    assert cli.main(["data", "inspect", "set", "--out", "two.html", "--workers", "2"]) == 0
    assert (here / "died").exists()
    assert (here / "one.html").read_bytes() == (here / "two.html").read_bytes()
