"""Reads a run folder for the report: log and summary, and what follows from them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from majolica.config.checks import derive_values
from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.eval.protocol import EvalData
from majolica.plurals import counted
from majolica.text.articles import with_article


def read_log(run: Path) -> list[dict[str, Any]]:
    """Return the rows of log.jsonl, ordered by step.

    An incomplete line, which a run leaves if it is killed while it writes, is left out. All lines
    of one step become one row, because values that are logged at other intervals have lines of
    their own. If a value occurs twice, as steps that a resumed run repeats do, the last one counts.
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
    """Return the object in a JSON file, or an empty one if there is no file.

    Raises UserError if the file cannot be read, or holds anything but an object.
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


def training_metrics(
    config: RunConfig, summary: Mapping[str, Any], log: list[dict[str, Any]], state: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """Return the metrics `train_seconds`, `samples_seen` and `parameters`.

    The first two are those of `state`, the state.json of the checkpoint whose weights are evaluated, if there is one.
    Otherwise they are taken from summary.json. If it lacks one, or is of an earlier step than the log, because the run
    went on and was killed, they are taken from the log. Without a summary the number of parameters is computed by a
    formula.
    """
    nothing: dict[str, Any] = {}
    last = next((row for row in reversed(log) if {"seconds", "samples"} <= row.keys()), nothing)
    end = {"train_seconds": last.get("seconds", 0.0), "samples_seen": last.get("samples", 0)}
    if not last or last["step"] <= summary.get("step", last["step"]):
        end |= {name: summary[name] for name in end if name in summary}
    if state and {"seconds", "samples"} <= state.keys():
        end = {"train_seconds": round(state["seconds"], 1), "samples_seen": state["samples"]}
    return {
        "train_seconds": float(end["train_seconds"]),
        "samples_seen": int(end["samples_seen"]),
        "parameters": int(summary.get("parameters", derive_values(config)["parameters"])),
    }


def run_facts(config: RunConfig, data: EvalData, metrics: Mapping[str, float], machine: Any) -> dict[str, str]:
    """Return facts about the run and its machine for the report, as label and value."""
    model, train = config.model, config.train
    follows = derive_values(config)
    rate = metrics["samples_seen"] / metrics["train_seconds"] if metrics["train_seconds"] else 0.0
    facts = {
        "Recipe": config.recipe,
        "Model": f"{counted(int(metrics['parameters']), 'parameter')}; width {model.width};"
        f" {counted(model.perception_depth, 'block')} to see, {model.synthesis_depth} to paint;"
        f" {counted(int(follows['tokens']), 'token')}",
        "Evaluated on": f"{counted(len(data.heldout), 'picture')} {'of training' if data.trained_on else 'held out'}",
        "Base resolution": f"{model.resolution} px, in patches of {model.patch} px",
        "Properties": ", ".join(model.properties) or "none",
        "Batch": f"{counted(int(follows['global_batch']), 'row')} a step, {_share(config)} of them clean",
        "Samples seen": f"{int(metrics['samples_seen']):,}" + (f" ({rate:.0f} per second)" if rate else ""),
        "Optimiser": f"peak learning rate {config.optim.lr:g}"
        + (f", Muon {config.optim.muon_lr:g}" if config.optim.muon_lr else "")
        + f", {train.precision}, seed {train.seed}",
    }
    if data.names:
        facts["Names"] = f"{len(data.names)}: {', '.join(data.names[:40])}{' …' if len(data.names) > 40 else ''}"
    if machine:
        facts["Machine"] = describe_saved_machine(machine)
    return facts


def _share(config: RunConfig) -> str:
    start, end = config.loss.clean_share, config.loss.clean_share_end
    return f"{start:.0%}" if start == end else f"{start:.0%} falling to {end:.0%}"


def describe_saved_machine(machine: Any) -> str:
    """Describe the machine in one line.

    The entry of summary.json is a string, or an object with an entry for each part of the machine.
    """
    if isinstance(machine, Mapping):
        return "; ".join(f"{str(key).replace('_', ' ')} {value}" for key, value in machine.items())
    return str(machine)


def quote_shell(text: str) -> str:
    """Return a text in double quotes where a shell reads it as it is, and quoted as `shlex.quote` does elsewhere."""
    return f'"{text}"' if not set(text) & set('"$`\\!') else shlex.quote(text)


def next_commands(run: Path, config: RunConfig, data: EvalData) -> list[tuple[str, str]]:
    """Return the commands that can be run next, each with a description before it.

    Without a name or a caption of the data, words in capital letters stand in their places.
    """
    lacks = not data.names and bool(data.explain_no_captions())
    prompt = "PROMPT" if lacks else data.plain_prompts(1)[0]
    if data.drawn:
        prompt = f"{with_article(data.names[0])} on a teal background"
    size = 2 * config.model.resolution
    setting = " --set brightness=0.8" if "brightness" in config.model.properties else ""
    folder = shlex.quote(str(run))
    shown = ["LABEL", "ANOTHER"] if lacks else data.names[:3] or data.plain_prompts(3)
    labels = " ".join(quote_shell(name) if " " in name else shlex.quote(name) for name in shown)
    commands = [
        (
            "Paint a picture",
            f"majolica generate {quote_shell(prompt)} --run {folder}{setting} --size {size} --out picture.png",
        ),
        ("Name a picture", f"majolica classify picture.png --run {folder} --labels {labels}"),
        ("Measure it all again", f"majolica eval {folder}"),
    ]
    if config.recipe == "demo":
        commands.append(("Train longer: it gets better", "majolica demo --minutes 40 --out runs/demo-40"))
    return commands
