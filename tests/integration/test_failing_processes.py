"""What several processes refuse or fail at is said once, and without a traceback."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

from majolica.config.io import save_config
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.launch.start import train
from processes import ENVIRONMENT
from tiny import tiny_run


def test_what_all_processes_refuse_is_said_once(shards: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny_run(shards, steps=3), recipe="nano")
    train(config, tmp_path / "run")
    before = (tmp_path / "run" / "config.yaml").read_bytes()
    write_shards(tmp_path / "other", [Record(b"p", "jpg", "a fox", {})] * 20, per_shard=20)
    words = [sys.executable, "-m", "majolica", "train", "--resume", str(tmp_path / "run")]
    words += ["--data.shards", str(tmp_path / "other")]
    words += ["--train.processes", "2", "--train.batch", "4"]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert done.stderr.count("are not those of the saved run") == 1
    assert (tmp_path / "run" / "config.yaml").read_bytes() == before


def test_a_process_that_fails_says_why_and_there_is_no_traceback(shards: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny_run(shards), recipe="nano")
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, properties=())
    )  # none is measured first
    job = dataclasses.replace(config.train, processes=2, batch=4)
    save_config(dataclasses.replace(config, train=job), tmp_path / "c.yaml")
    words = [sys.executable, "-m", "majolica", "train", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "run")]
    words += ["--data.shards", str(tmp_path / "broken")]
    (tmp_path / "broken").mkdir()
    for tar in sorted(shards.glob("*.tar")):  # captions can be read, pictures cannot
        data = bytearray(tar.read_bytes())
        for at in (found.start() for found in re.finditer(rb"\x89PNG|\xff\xd8\xff", bytes(data))):
            data[at + 4 : at + 60] = bytes(56)
        (tmp_path / "broken" / tar.name).write_bytes(data)
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and "cannot be read" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("majolica: the training stopped early")
