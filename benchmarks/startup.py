"""Seconds until the command line answers, alone and beside a busy process: `python -m benchmarks.startup --json`.

Times `majolica --help`, `generate` (the first picture) and `classify` (one picture), each as a new process, as a user
sees it: Python, imports, weights, work, file. They take turns, alone and beside a process that keeps one core busy,
so that a slow minute hurts all alike. `--run DIR` names a trained run; without it a run of untrained weights of the
demo's size is made first, which takes as long to use.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from majolica.cli import run_and_explain
from majolica.config import io
from majolica.config.run import RunConfig
from majolica.machine import THREAD_SETTINGS, WAIT_SETTINGS, cores
from majolica.recipes import recipe

PROMPT = "a fox on a teal background"
LABELS = ("dolphin", "red apple", "fox", "guitar")
BUSY = "while True: pass"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--run", type=Path, help="a trained run; untrained weights of the demo's size when not given")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--size", type=int, help="side of the painted picture in pixels; the run's own when not given")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="majolica-startup-") as folder:
        run = (options.run or make_run(Path(folder) / "run")).resolve()
        found = measure(commands(run, options.size), options.repeats, Path(folder))
    found |= {"repeats": options.repeats, "cores": cores(), "run": "trained" if options.run else "untrained"}
    for place in ("alone", "beside_a_busy_process"):
        print(f"{place:22} " + "  ".join(f"{name} {seconds:.2f} s" for name, seconds in found[place].items()))
    if options.json:
        print(json.dumps(found))


def commands(run: Path, size: int | None) -> dict[str, list[str]]:
    """What is timed; `classify` looks at what `generate` painted."""
    sized = ["--size", str(size)] if size else []
    return {
        "help": ["--help"],
        "generate": ["generate", PROMPT, "--run", str(run), "--out", "painted.png", *sized],
        "classify": ["classify", "painted.png", "--run", str(run), "--labels", *LABELS],
    }


def measure(timed: dict[str, list[str]], repeats: int, folder: Path) -> dict[str, object]:
    """Median seconds of each command, alone and beside a busy process; a first round fills the file cache."""
    seconds: dict[str, dict[str, list[float]]] = {"alone": {}, "beside_a_busy_process": {}}
    for turn in range(repeats + 1):
        for place, found in seconds.items():
            for name, words in timed.items():
                with busy_process(place != "alone"):
                    took = seconds_of(words, folder)
                if turn:
                    found.setdefault(name, []).append(took)
    return {
        place: {name: round(statistics.median(each), 2) for name, each in found.items()}
        for place, found in seconds.items()
    }


def seconds_of(words: list[str], folder: Path) -> float:
    """Seconds of one command line; what it says when it fails is shown."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "majolica", *words], cwd=folder, env=environment(), capture_output=True
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"majolica {' '.join(words)} failed:\n{done.stderr.decode(errors='replace')}")
    return seconds


def environment() -> dict[str, str]:
    """That of a user who has set nothing about threads."""
    kept = {name: value for name, value in os.environ.items() if name not in (*WAIT_SETTINGS, *THREAD_SETTINGS)}
    path = [str(Path(io.__file__).parents[2]), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(path)}


@contextmanager
def busy_process(wanted: bool) -> Iterator[None]:
    """A process that keeps one core busy, if it is wanted; it has run for a moment when this begins."""
    if not wanted:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        time.sleep(0.3)
        yield
    finally:
        process.kill()
        process.wait()


def make_run(folder: Path) -> Path:
    """A run folder with the demo's model, untrained, and a vocabulary of a few words."""
    import torch

    from majolica.models.majolica import Majolica
    from majolica.run.checkpoint import Saved, save_checkpoint
    from majolica.text.tokenizer import Tokenizer, train_tokenizer

    config: RunConfig = recipe("demo")
    train_tokenizer([PROMPT, *LABELS], folder / "tokenizer.model", config.model.text.vocab)
    text = replace(config.model.text, vocab=Tokenizer(folder / "tokenizer.model").vocab)
    torch.manual_seed(0)
    model = Majolica(replace(config.model, text=text))
    save_checkpoint(folder, 1, Saved({"ema": dict(model.state_dict())}, {"step": 1}), keep=1)
    io.save_config(config, folder / "config.yaml")
    return folder


if __name__ == "__main__":
    sys.exit(run_and_explain(main))
