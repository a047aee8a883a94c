"""Reads what a run folder and its data say of themselves: log, summary, names, held-out splits."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from majolica.config.checks import derive_values
from majolica.config.run import RunConfig
from majolica.data.loading.names import read_names
from majolica.data.loading.split import load_split
from majolica.data.pictures.frame import Fit
from majolica.errors import UserError
from majolica.eval.protocol import EvalData, Split
from majolica.text.articles import with_article


def read_log(run: Path) -> list[dict[str, Any]]:
    """The rows of log.jsonl, in order of their steps.

    A line that is cut short, because the run was killed while it was written, is left out. Numbers
    that have a cadence of their own stand in lines of their own; the lines of one step become one
    row. A run that was resumed repeats steps: of each number, the last one counts.
    """
    path = run / "log.jsonl"
    rows: dict[Any, dict[str, Any]] = {}
    for line in path.read_text("utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows[row["step"]] = rows.get(row["step"], {}) | row
    return [rows[step] for step in sorted(rows)]


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, or an empty one where there is no file.

    Raises UserError where the file cannot be read, or holds something else than an object.
    """
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    if not isinstance(found, dict):
        raise UserError(f"cannot read {path}: an object was expected")
    return found


def training_metrics(config: RunConfig, summary: Mapping[str, Any], log: list[dict[str, Any]]) -> dict[str, float]:
    """The metrics `train_seconds`, `samples_seen` and `parameters`.

    They are taken from summary.json; where it lacks one, from the log, or by formula.
    """
    last = log[-1] if log else {}
    return {
        "train_seconds": float(summary.get("train_seconds", last.get("seconds", 0.0))),
        "samples_seen": int(summary.get("samples_seen", last.get("samples", 0))),
        "parameters": int(summary.get("parameters", derive_values(config)["parameters"])),
    }


def data_folder(config: RunConfig) -> Path:
    """The folder of names.json, heldout/ and combinations/, beside the shards of training."""
    folder = Path(config.data.shards).parent
    if not (folder / "names.json").is_file():
        raise UserError(f"{folder} has no names.json: evaluation needs the data of `majolica data openmoji`")
    return folder


def load_data(folder: Path, resolution: int, limit: int = 1024, how: Fit = "crop") -> EvalData:
    """Names and held-out splits of a data set.

    At most `limit` pictures of each split are read, fitted to `resolution` pixels as `how` says.
    """
    names = read_names(folder)
    splits = [_split(folder / split, resolution, limit, how) for split in ("heldout", "combinations")]
    return EvalData(tuple(names), splits[0], splits[1])


def _split(folder: Path, resolution: int, limit: int, how: Fit) -> Split:
    if not any(folder.glob("*.tar")):  # the data were made without held-out samples
        return Split(torch.zeros(0, 3, resolution, resolution, dtype=torch.uint8), (), ())
    return Split(*load_split(folder, limit, resolution, how))


def run_facts(config: RunConfig, data: EvalData, metrics: Mapping[str, float], machine: Any) -> dict[str, str]:
    """What was run and on what, as label and value, for the report."""
    model, train = config.model, config.train
    follows = derive_values(config)
    rate = metrics["samples_seen"] / metrics["train_seconds"] if metrics["train_seconds"] else 0.0
    facts = {
        "Recipe": config.recipe,
        "Names": f"{len(data.names)}: {', '.join(data.names[:40])}{' …' if len(data.names) > 40 else ''}",
        "Model": f"{int(metrics['parameters']):,} parameters; width {model.width}; {model.perception_depth}"
        f" blocks that see, {model.synthesis_depth} that paint; {follows['tokens']} tokens",
        "Base resolution": f"{model.resolution} px, in patches of {model.patch} px",
        "Properties": ", ".join(model.properties) or "none",
        "Batch": f"{follows['global_batch']} rows a step, {_share(config)} of them clean",
        "Samples seen": f"{int(metrics['samples_seen']):,}" + (f" ({rate:.0f} per second)" if rate else ""),
        "Optimiser": f"peak learning rate {config.optim.lr:g}"
        + (f", Muon {config.optim.muon_lr:g}" if config.optim.muon_lr else "")
        + f", {train.precision}, seed {train.seed}",
    }
    if machine:
        facts["Machine"] = describe_machine(machine)
    return facts


def _share(config: RunConfig) -> str:
    start, end = config.loss.clean_share, config.loss.clean_share_end
    return f"{start:.0%}" if start == end else f"{start:.0%} falling to {end:.0%}"


def describe_machine(machine: Any) -> str:
    """The machine in one line.

    In summary.json it is a string, or an object with an entry for each of its parts.
    """
    if isinstance(machine, Mapping):
        return "; ".join(f"{str(key).replace('_', ' ')} {value}" for key, value in machine.items())
    return str(machine)


def next_commands(run: Path, config: RunConfig, data: EvalData) -> list[tuple[str, str]]:
    """What can be done with the run next: what a command does, and the command to copy."""
    prompt = f"{with_article(data.names[0])} on a teal background"
    size = 2 * config.model.resolution
    dial = " --set brightness=0.8" if "brightness" in config.model.properties else ""
    folder = shlex.quote(str(run))
    labels = " ".join(f'"{name}"' if " " in name else name for name in data.names[:3])
    commands = [
        (
            "Paint a picture",
            f'majolica generate "{prompt}" --run {folder}{dial} --size {size} --out picture.png',
        ),
        ("Name a picture", f"majolica classify picture.png --run {folder} --labels {labels}"),
        ("Measure it all again", f"majolica eval {folder}"),
    ]
    if config.recipe == "demo":
        commands.append(("Train longer: it gets better", "majolica demo --minutes 40 --out runs/demo-40"))
    return commands
