"""Writes report.html, a self-contained page about a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from majolica.config.logged import GRADIENT_NORM, HELD_OUT, LEARNING_RATE, SAMPLES, SAMPLES_PER_SECOND
from majolica.eval.protocol import Figure, Result, Table
from majolica.files import write_atomic
from majolica.html.charts import Points, charts, line_chart
from majolica.html.elements import code, collapsible, heading, note, paragraph, table
from majolica.html.numbers import abbreviate_count, duration
from majolica.html.page import Card, Page, Section, render_page
from majolica.plurals import plural

CURVES = {
    "loss": "Loss",
    "flow": "Flow-matching loss",
    "fine": "Flow-matching loss of larger pictures",
    "contrastive": "Contrastive loss",
    "consistency": "Consistency of properties",
    f"{HELD_OUT}/flow": "Flow-matching loss, held out",
    f"{HELD_OUT}/contrastive": "Contrastive loss, held out",
    f"{HELD_OUT}/zero_shot_top1": "Zero-shot accuracy, held out",
    GRADIENT_NORM: "Gradient norm",
    LEARNING_RATE: "Learning rate",
    SAMPLES_PER_SECOND: "Samples per second",
}
"""The columns of log.jsonl that are drawn, and the titles of their charts."""
_LOGARITHMIC = ("loss", "flow", "fine", "contrastive", f"{HELD_OUT}/flow", f"{HELD_OUT}/contrastive", GRADIENT_NORM)


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    title: str
    metrics: Mapping[str, float]
    results: Sequence[Result]
    log: Sequence[Mapping[str, Any]] = ()
    """Rows of log.jsonl."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Facts about the run and its machine, as label and value."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """The seconds that each part took."""
    config: str = ""
    """The whole configuration as YAML."""
    commands: Sequence[tuple[str, str]] = ()
    """Pairs of what a command does and the command itself, for what can be done next."""
    credits: str = ""


def write_report(path: Path, report: Report) -> None:
    """Write the page atomically. Raises UserError if it cannot be written."""
    write_atomic(path, render_report(report))


def render_report(report: Report) -> str:
    """Return the page as HTML. It embeds everything, and has no script and no external link."""
    return render_page(
        Page(
            title=report.title,
            kind="Report",
            lead=f"One set of weights that names pictures and paints them. {_summary(report.metrics)}",
            cards=_cards(report.metrics),
            sections=[
                *map(_result, report.results),
                Section("How it learned", _curves(report.log)),
                Section("What was run", _run(report)),
                Section("How to go on", _next(report.commands)),
            ],
            footer=report.credits,
        )
    )


def _summary(metrics: Mapping[str, float]) -> str:
    parts = []
    if "parameters" in metrics:
        parts.append(f"{abbreviate_count(metrics['parameters'])} parameters")
    if "samples_seen" in metrics:
        parts.append(f"{abbreviate_count(metrics['samples_seen'])} {plural(metrics['samples_seen'], 'sample')} seen")
    if "train_seconds" in metrics:
        parts.append(f"{duration(metrics['train_seconds'])} of training")
    return f"{', '.join(parts)}." if parts else ""


def _cards(metrics: Mapping[str, float]) -> list[Card]:
    cards = []
    if "zero_shot_top1" in metrics:
        share, chance = metrics["zero_shot_top1"], metrics.get("chance", 0.0)
        words = f"of the pictures named; chance {chance:.0%}"
        cards.append(Card("It sees", f"{share:.1%}", words, share, chance))
    if "prompt_fidelity" in metrics:
        share = metrics["prompt_fidelity"]
        words = f"of prompts: two judges see the thing (in real pictures {metrics['prompt_fidelity_real']:.1%})"
        cards.append(Card("It paints", f"{share:.1%}", words, share))
    if "fd" in metrics:
        words = f"Frechet distance to real pictures; {metrics['fd_real_halves']:.1f} between two halves of them"
        cards.append(Card("It looks real", f"{metrics['fd']:.1f}", words))
    if "control_rho" in metrics:
        what = "brightness" if "control_rho_brightness" in metrics else "value"
        words = f"rank correlation, requested and measured {what}"
        cards.append(Card("It follows the properties", f"{metrics['control_rho']:.2f}", words))
    if "train_seconds" in metrics:
        cards.append(Card("Training", duration(metrics["train_seconds"]), "from nothing"))
    return cards


def _result(result: Result) -> Section:
    return Section(result.title, paragraph(result.note) + "".join(map(_part, result.parts)))


def _part(part: Figure | Table) -> str:
    body = part.html if isinstance(part, Figure) else table(part.rows, part.header)
    return heading(part.title) + note(part.note) + body


def _curves(log: Sequence[Mapping[str, Any]]) -> str:
    pieces = []
    for key, title in CURVES.items():
        rows = [row for row in log if _number(row.get(key))]
        x_key = SAMPLES if rows and all(_number(row.get(SAMPLES)) for row in rows) else "step"
        rows = [row for row in rows if _number(row.get(x_key))]
        points = Points([float(row[x_key]) for row in rows], [float(row[key]) for row in rows])
        if not any(points.y):  # the run does not use this loss
            continue
        log_axis = key in _LOGARITHMIC and all(y > 0 for y in points.y)
        label = "samples seen" if x_key == SAMPLES else "step"
        pieces.append(line_chart(points, title, label, log_axis))
    return charts(pieces)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _run(report: Report) -> str:
    html = table(list(report.facts.items()))
    if report.seconds:
        html += heading("How long each part took")
        html += table([(part, duration(seconds)) for part, seconds in report.seconds.items()])
    html += collapsible("All metrics", table([(name, f"{value:.6g}") for name, value in report.metrics.items()]))
    if report.config:
        html += collapsible("The whole configuration", code(report.config))
    return html


def _next(commands: Sequence[tuple[str, str]]) -> str:
    lines = "\n\n".join(f"# {what}\n{command}" for what, command in commands)
    return code(lines) if commands else ""
