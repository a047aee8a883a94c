"""Shards in a real S3 server on loopback: the same samples as from the folder they were copied from."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from majolica.config.data import DataConfig, SourceConfig
from majolica.data.loading import sources
from majolica.data.loading.loader import Loader, LoaderSizes
from majolica.data.pictures.faults import BadSample
from majolica.data.store import blocks, remote
from majolica.data.store.fingerprint import hash_content, hash_stamps
from majolica.data.store.pack import write_shards
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError

Write = Callable[..., Path]
fsspec = pytest.importorskip("fsspec")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = pytest.importorskip("moto.server")
    thread = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    thread.start()
    host, port = thread.get_host_and_port()
    yield f"http://{host}:{port}"
    thread.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "ENDPOINT_URL": server}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    store = fsspec.filesystem("s3")
    store.mkdir("pictures")
    yield "pictures"
    store.rm("pictures", recursive=True)


def uploaded(folder: Path, bucket: str, indexes: bool) -> str:
    store = fsspec.filesystem("s3")
    for path in folder.iterdir():
        if path.suffix == ".tar" or indexes:
            store.put(str(path), f"{bucket}/set/{path.name}")
    return f"s3://{bucket}/set"


@pytest.mark.parametrize("indexes", [True, False])
def test_remote_samples_are_the_local_ones(write: Write, bucket: str, indexes: bool, tmp_path: Path) -> None:
    folder = write(100, bad=frozenset({7}))
    local = ShardSet(folder)  # which indexes it
    url = uploaded(folder, bucket, indexes)
    far = ShardSet(url, tmp_path / "cache")
    assert far.manifest == local.manifest and len(far) == 100
    for i in (0, 7, 39, 40, 99):
        assert far.read(i) == local.read(i) and far.caption(i) == local.caption(i)
    assert (far.dimensions() == local.dimensions()).all()
    held = far._tars._blocks.bytes  # type: ignore[union-attr]
    assert hash_content(far) == hash_content(local)
    assert far._tars._blocks.bytes == held  # type: ignore[union-attr]  # a few bytes of each, not blocks
    assert hash_stamps(far) != hash_stamps(local)
    far.close()
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_loader_reads_ahead_and_gives_the_same_batches(write: Write, bucket: str, tmp_path: Path) -> None:
    folder = write(100)
    url = uploaded(folder, bucket, True)

    def rows(shards: str) -> list[tuple[str, int]]:
        config = DataConfig(shards=shards, remote_cache=str(tmp_path / "cache"), remote_ahead=30)
        with Loader(config, 12, LoaderSizes(8), seed=1) as loader:
            batches = [next(loader) for _ in range(10)]
        return [(c, int(p)) for b in batches for c, p in zip(b.captions, b.positions_B, strict=True)]

    assert rows(url) == rows(str(folder))


def test_what_is_not_there_is_one_clear_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError("Forbidden")

    with pytest.raises(UserError, match=r"s3://pictures/nothing holds no \.tar files"):
        ShardSet("s3://pictures/nothing")
    with pytest.raises(UserError, match=r"s3://no-such-bucket/x holds no \.tar files"):
        ShardSet("s3://no-such-bucket/x")
    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "find", forbidden)
    with pytest.raises(UserError, match=r"memory://a cannot be listed \(Forbidden\)"):
        ShardSet("memory://a")
    with pytest.raises(UserError, match="quux://a cannot be reached"):
        ShardSet("quux://a")


class Busy(Exception):
    """What a store raises that is no OSError."""


def test_a_store_that_is_busy_for_a_moment_is_asked_again(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "PATIENCE", 0.0)
    store, asked = fsspec.get_filesystem_class("memory"), Counter[str]()
    real = store.cat_file

    def cat_file(self: object, path: str, **options: object) -> bytes:
        asked[path] += 1
        if asked[path] <= fails:
            raise Busy("503")
        return bytes(real(self, path, **options))

    monkeypatch.setattr(store, "cat_file", cat_file)
    fails = 2
    with ShardSet(memory) as shards:
        assert [shards.caption(i) for i in (0, 99)] == ["number 0", "number 99"]
    fails = 100
    asked.clear()
    with pytest.raises(UserError, match=r"cannot be read \(503\): is the store up and are you let in\?"):
        ShardSet(memory)


def test_what_a_store_raises_where_it_is_listed_or_streamed_is_one_line(
    memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Busy("403")

    store = fsspec.get_filesystem_class("memory")
    for path in fsspec.filesystem("memory").ls("/set", detail=False):
        if not path.endswith(".tar"):
            fsspec.filesystem("memory").rm(path)
    with monkeypatch.context() as patch:
        patch.setattr(store, "open", refuse)
        with pytest.raises(UserError, match=r"\.tar cannot be read \(403\)"):
            ShardSet(memory)
    monkeypatch.setattr(store, "find", refuse)
    with pytest.raises(UserError, match=r"memory://set cannot be listed \(403\)"):
        ShardSet(memory)


def test_what_is_remote() -> None:
    assert remote.is_remote("s3://a/b") and not remote.is_remote("/a/b") and not remote.is_remote("file:///a")


@pytest.fixture
def memory(write: Write) -> Iterator[str]:
    """A folder of 100 samples with its indexes and its catalogue, in a store in memory."""
    folder = write(100)
    ShardSet(folder)
    store = fsspec.filesystem("memory")
    for path in folder.iterdir():
        store.pipe(f"/set/{path.name}", path.read_bytes())
    yield "memory://set"
    store.rm("/set", recursive=True)


def test_opening_again_is_cheap(memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One listing and one small file: an index is brought when its tar is read."""
    asked: list[str] = []
    store = fsspec.get_filesystem_class("memory")
    real = store.cat_file
    monkeypatch.setattr(store, "cat_file", lambda self, path, **k: asked.append(path) or real(self, path, **k))
    with ShardSet(memory, tmp_path / "cache") as shards:
        assert len(shards) == 100 and [Path(path).name for path in asked] == [".catalogue.json"]
        assert shards.caption(41) == "number 41" and sum(path.endswith(".mjidx") for path in asked) == 1
    fsspec.filesystem("memory").rm("/set/.catalogue.json")
    asked.clear()
    with ShardSet(memory, tmp_path / "cache") as shards:
        assert len(shards) == 100 and len(asked) == 3


def test_nothing_is_left_behind(memory: str, tmp_path: Path) -> None:
    """Whether captions are read to their end or not, and where a source cannot be opened."""
    cache = tmp_path / "cache"
    config = DataConfig(sources=(SourceConfig(memory), SourceConfig(memory)), remote_cache=str(cache))
    assert len(list(sources.read_captions(config))) == 200
    some = sources.read_captions(config)
    assert next(some) == "number 0" and len(list(cache.iterdir())) == 1
    del some  # let go of before its end
    broken = DataConfig(sources=(SourceConfig(memory), SourceConfig("memory://nowhere")), remote_cache=str(cache))
    with pytest.raises(UserError, match=r"memory://nowhere holds no \.tar files"):
        sources.open_sources(broken)
    assert list(cache.iterdir()) == []


def test_an_index_of_another_version_is_made_again(memory: str) -> None:
    store = fsspec.filesystem("memory")
    store.rm("/set/.catalogue.json")
    old = store.cat_file("/set/00001.mjidx")
    store.pipe("/set/00001.mjidx", b"MJLIDX02" + old[8:])
    store.pipe("/set/more.tar.gz", b"")
    with ShardSet(memory) as shards:
        assert shards.caption(41) == "number 41" and "more.tar.gz" in shards.notices[0]


def _rewritten(folder: Path) -> bytes:
    """The bytes of the second tar with other captions: as many bytes, but other members have them."""
    from dataclasses import replace

    with ShardSet(folder) as shards:
        records = [replace(shards.read(i), caption="x" * (1 + i % 7)) for i in range(40, 80)]
    write_shards(folder.parent / "other", records, 40)
    data = (folder.parent / "other" / "00000.tar").read_bytes()
    assert len(data) == (folder / "00001.tar").stat().st_size
    return data


def test_a_sample_is_not_cut_by_the_index_of_another_tar(write: Write, memory: str) -> None:
    fsspec.filesystem("memory").pipe("/set/00001.tar", _rewritten(write(100)))
    with ShardSet(memory) as shards:
        assert shards.caption(39) == "number 39"
        with pytest.raises(BadSample, match="index is that of another tar"):
            shards.caption(40)
        with pytest.raises(BadSample, match="index is that of another tar"):
            shards.read_pair(40)


def test_an_index_that_is_older_than_its_tar_and_does_not_fit_is_made_anew(write: Write, memory: str) -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/set/00001.tar", _rewritten(write(100)))
    store.rm("/set/.catalogue.json")
    store.store["/set/00001.tar"].created += timedelta(minutes=1)
    with ShardSet(memory) as shards:
        assert shards.caption(39) == "number 39"
        assert [shards.caption(i) for i in (40, 41, 79)] == ["x" * (1 + i % 7) for i in (40, 41, 79)]


@pytest.fixture
def plain_server(write: Write) -> Iterator[str]:
    """Python's own server of files, whose listing tells no sizes, and which knows no parts of files."""
    folder = write(100)
    ShardSet(folder)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_server_whose_listing_tells_no_sizes(plain_server: str) -> None:
    """Sizes are asked for one by one; a server that gives whole files where parts are asked for is refused."""
    with ShardSet(plain_server) as shards:
        assert len(shards) == 100 and shards.caption(99) == "number 99"
        with pytest.raises(UserError, match="gives whole files where a part is asked for") as refused:
            hash_content(shards)
        assert "\n" not in str(refused.value)


def test_a_store_that_tells_no_size_at_all(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fsspec.get_filesystem_class("memory")
    real = store.find
    monkeypatch.setattr(
        store, "find", lambda *a, **k: {name: info | {"size": None} for name, info in real(*a, **k).items()}
    )
    monkeypatch.setattr(store, "info", lambda self, path, **k: {"name": path, "size": None})
    with pytest.raises(UserError, match=r"memory://set/00000\.tar: the store does not say how large it is"):
        ShardSet(memory)
