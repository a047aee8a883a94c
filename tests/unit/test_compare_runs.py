"""scripts/compare_runs.py tells equal runs from others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_runs.py"


def write_run(folder: Path, loss: float, digest: str) -> Path:
    rows = [{"step": step, "loss": loss / step, "flow": loss} for step in (1, 2)]
    (folder / "checkpoints" / "00000002").mkdir(parents=True)
    (folder / "checkpoints" / "00000002" / "manifest.json").write_text(json.dumps({"model.safetensors": digest}))
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def compare(*words: str | Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_equal_runs_are_equal(tmp_path: Path) -> None:
    code, said = compare(write_run(tmp_path / "a", 1.5, "x"), write_run(tmp_path / "b", 1.5, "x"))
    assert code == 0 and "weights at step 2: equal to the bit" in said and "step       2 loss 0.75 0.75" in said


def test_losses_that_differ_fail_unless_that_is_accepted(tmp_path: Path) -> None:
    runs = write_run(tmp_path / "a", 1.0, "x"), write_run(tmp_path / "b", 1.001, "y")
    code, said = compare(*runs)
    assert code == 1 and "weights at step 2: different" in said
    assert compare(*runs, "--within", "0.01")[0] == 0


def test_held_out_lines_of_the_same_steps_do_not_hide_the_losses(tmp_path: Path) -> None:
    runs = write_run(tmp_path / "a", 1.0, "x"), write_run(tmp_path / "b", 1.5, "y")
    for run in runs:
        with (run / "log.jsonl").open("a") as file:
            file.writelines(f'{{"step": {step}, "heldout/flow": 0.5}}\n' for step in (1, 2))
    code, said = compare(*runs)
    assert code == 1 and "step       2 loss 0.5 0.75" in said


def test_runs_that_share_steps_but_no_loss_are_not_equal(tmp_path: Path) -> None:
    runs = write_run(tmp_path / "a", 1.0, "x"), write_run(tmp_path / "b", 1.0, "x")
    (runs[1] / "log.jsonl").write_text('{"step": 1, "heldout/flow": 0.5}\n')
    code, said = compare(*runs)
    assert code == 1 and "no logged step in common" in said


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    words = [sys.executable, SCRIPT, write_run(tmp_path / "a", 1.0, "x"), tmp_path / "gone"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"there is no log in {tmp_path / 'gone'}" in done.stderr


def test_runs_without_a_common_step_are_not_equal(tmp_path: Path) -> None:
    first, second = write_run(tmp_path / "a", 1.0, "x"), write_run(tmp_path / "b", 1.0, "x")
    (second / "log.jsonl").write_text('{"step": 7, "loss": 1.0}\n')
    assert compare(first, second)[0] == 1
