"""Compare the losses and the last weights of two runs: `python scripts/compare_runs.py runs/before runs/after`.

It prints both losses at every step that both runs logged, and whether the weights of the last common checkpoint are
the same to the bit. The exit code is 0 where no loss differs by more than `--within` of its size, else 1; so
`--within 0`, the default, asks for equal losses.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

LOSSES = ("loss", "flow", "fine", "contrastive")


def read_log(run: Path) -> dict[int, dict[str, Any]]:
    """The lines of a run's log with losses of training, by step; those of held-out pictures are lines of their own."""
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["step"]: row for row in map(json.loads, lines) if any(name in row for name in LOSSES)}


def last_digests(runs: list[Path]) -> tuple[str, list[str]]:
    """The last checkpoint that both runs have, and the SHA-256 of its weights in each; "" where there is none."""
    names = [{path.parent.name for path in (run / "checkpoints").glob("*/manifest.json")} for run in runs]
    if not (common := set.intersection(*names)):
        return "", []
    name = max(common)
    manifests = [json.loads((run / "checkpoints" / name / "manifest.json").read_text()) for run in runs]
    return name, [manifest["model.safetensors"] for manifest in manifests]


def relative(first: float, second: float) -> float:
    """How far two losses differ, over the larger of their sizes."""
    return abs(first - second) / max(abs(first), abs(second), 1e-30)


def compare(runs: list[Path], within: float) -> int:
    """Print the comparison; 0 where the losses agree, else 1."""
    before, after = map(read_log, runs)
    largest, steps = 0.0, sorted(before.keys() & after.keys())
    if not steps:
        print("the runs have no logged step in common")
        return 1
    for step in steps:
        names = [name for name in LOSSES if name in before[step] and name in after[step]]
        largest = max([largest, *(relative(before[step][name], after[step][name]) for name in names)])
        print(f"step {step:>7}", *(f"{name} {before[step][name]:.6g} {after[step][name]:.6g} " for name in names))
    name, digests = last_digests(runs)
    if name:
        print(f"weights at step {int(name)}: {'equal to the bit' if len(set(digests)) == 1 else 'different'}")
    print(f"largest relative difference of a loss: {largest:.3g}")
    return int(largest > within)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs=2, type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--within", type=float, default=0.0, help="largest relative difference that is accepted")
    options = parser.parse_args()
    for folder in options.runs:
        if not (folder / "log.jsonl").is_file():
            parser.error(f"there is no log in {folder}: name two run folders")
    sys.exit(compare(options.runs, options.within))
