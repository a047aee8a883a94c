"""What a process keeps on the disk for a while is gone when the process is, however that ends."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

from majolica.data.store import cache_folder
from majolica.data.store.cache_folder import CacheFolder


def test_it_goes_when_told_and_when_nobody_refers_to_it(tmp_path: Path) -> None:
    first, second = CacheFolder("cache-", tmp_path / "in"), CacheFolder("cache-", tmp_path / "in")
    assert first.path.is_dir() and first.path != second.path
    (first.path / "block").write_bytes(b"x")
    first.remove()
    first.remove()
    assert [path for path in (tmp_path / "in").iterdir()] == [second.path]
    del second
    gc.collect()
    assert list((tmp_path / "in").iterdir()) == []


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from majolica.data.store.cache_folder import CacheFolder\n"
        "kept = CacheFolder('cache-', Path(sys.argv[1])); (kept.path / 'block').write_bytes(b'x')\n"
        "sys.argv[2] == 'ends' or os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(cache_folder.__file__).parents[2])}
    (tmp_path / "cache-of-somebody-else").mkdir()
    mine = CacheFolder("cache-", tmp_path)
    subprocess.run([sys.executable, "-c", code, tmp_path, "ends"], check=True, env=environment)
    assert len(list(tmp_path.iterdir())) == 2
    subprocess.run([sys.executable, "-c", code, tmp_path, "is killed"], check=False, env=environment)
    assert len(list(tmp_path.iterdir())) == 3
    again = CacheFolder("cache-", tmp_path)
    assert set(tmp_path.iterdir()) == {mine.path, again.path, tmp_path / "cache-of-somebody-else"}
