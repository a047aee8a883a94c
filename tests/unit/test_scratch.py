"""What a process keeps on the disk for a while is gone when the process is, however that ends."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

from majolica.scratch import ScratchFolder
from processes import ENVIRONMENT, is_running, wait_for


def test_it_goes_when_told_and_when_nobody_refers_to_it(tmp_path: Path) -> None:
    first, second = ScratchFolder("scratch-", tmp_path / "in"), ScratchFolder("scratch-", tmp_path / "in")
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
        "import os, sys; from pathlib import Path; from majolica.scratch import ScratchFolder\n"
        "kept = ScratchFolder('scratch-', Path(sys.argv[1])); (kept.path / 'block').write_bytes(b'x')\n"
        "sys.argv[2] == 'ends' or os.kill(os.getpid(), 9)"
    )
    (tmp_path / "scratch-of-somebody-else").mkdir()
    mine = ScratchFolder("scratch-", tmp_path)
    subprocess.run([sys.executable, "-c", code, tmp_path, "ends"], check=True, env=ENVIRONMENT)
    assert len(list(tmp_path.iterdir())) == 2
    subprocess.run([sys.executable, "-c", code, tmp_path, "is killed"], check=False, env=ENVIRONMENT)
    assert len(list(tmp_path.iterdir())) == 3
    again = ScratchFolder("scratch-", tmp_path)
    assert set(tmp_path.iterdir()) == {mine.path, again.path, tmp_path / "scratch-of-somebody-else"}


def test_a_folder_whose_owner_was_killed_is_its_childrens_until_they_end(tmp_path: Path) -> None:
    """As the ranks of a launcher go on to save after it is gone."""
    code = (
        "import os, subprocess, sys; from pathlib import Path; from majolica.scratch import ScratchFolder\n"
        "kept = ScratchFolder('scratch-', Path(sys.argv[1]))\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], pass_fds=[kept.lock], stdin=0)\n"
        "print(child.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT
    )
    assert owner.stdout and owner.stdin
    child = int(owner.stdout.readline())
    owner.wait()
    [left] = tmp_path.iterdir()
    with ScratchFolder("scratch-", tmp_path) as mine:
        assert set(tmp_path.iterdir()) == {left, mine.path}
    owner.stdin.close()
    assert wait_for(lambda: not is_running(child))
    with ScratchFolder("scratch-", tmp_path) as mine:
        assert list(tmp_path.iterdir()) == [mine.path]
    assert list(tmp_path.iterdir()) == []
