"""report.html: one self-contained page about a run that a person wants to look at."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from majolica.config.logged import GRADIENT_NORM, HELD_OUT, LEARNING_RATE, SAMPLES, SAMPLES_PER_SECOND
from majolica.eval.protocol import Figure, Result, Table
from majolica.files import write_atomic
from majolica.html.charts import Points, charts, line_chart
from majolica.html.style import CSS

CURVES = {
    "loss": "Loss",
    "flow": "Flow-matching loss",
    "fine": "Flow-matching loss of larger pictures",
    "contrastive": "Contrastive loss",
    f"{HELD_OUT}/flow": "Flow-matching loss, held out",
    f"{HELD_OUT}/contrastive": "Contrastive loss, held out",
    f"{HELD_OUT}/zero_shot_top1": "Zero-shot accuracy, held out",
    GRADIENT_NORM: "Gradient norm",
    LEARNING_RATE: "Learning rate",
    SAMPLES_PER_SECOND: "Samples per second",
}
"""Which columns of log.jsonl are drawn, and what they are called."""
SPACE = "\N{NO-BREAK SPACE}"
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
    """What was run and on what, as label and value."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each part took."""
    config: str = ""
    """The whole configuration as YAML."""
    commands: Sequence[tuple[str, str]] = ()
    """How to go on: what a command does, and the command."""
    credits: str = ""


def write_report(path: Path, report: Report) -> None:
    """Write the page, atomically; `UserError` where the disk refuses."""
    write_atomic(path, render_report(report))


def render_report(report: Report) -> str:
    """The page as HTML: no script, no link to the outside, everything embedded."""
    sections: list[tuple[str, str] | None] = [_result(result) for result in report.results]
    sections += [_curves(report.log), _run(report), _next(report.commands)]
    present = [section for section in sections if section]
    anchors = "".join(f'<a href="#{_slug(title)}">{escape(title)}</a>' for title, _ in present)
    body = "".join(f'<section id="{_slug(title)}"><h2>{escape(title)}</h2>{html}</section>' for title, html in present)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{CSS}</style></head><body>"
        f'<header><h1>{escape(report.title)}</h1><p class="lead">One set of weights that names pictures and'
        f" paints them. {escape(_summary(report.metrics))}</p>{_cards(report.metrics)}<nav>{anchors}</nav>"
        f"</header><main>{body}</main><footer><p>{escape(report.credits)}</p></footer></body></html>\n"
    )


def duration(seconds: float) -> str:
    """Such as 41 s, 9 min 58 s, 3 h 20 min, 9 d 17 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole if seconds >= 10 else format(seconds, '.1f')}{SPACE}s"
    for size, name, part, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size}{SPACE}{name}" + (f"{SPACE}{rest}{SPACE}{small}" if rest else "")
    raise AssertionError  # 60 s and more are all above


def count(number: float) -> str:
    """Such as 845, 12.3 k, 3.2 M, 2.5 G."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            value = number / (1e3 if unit == "k" else size)
            return f"{value:.3g}{SPACE}{unit}"
    return f"{number:g}"


def _summary(metrics: Mapping[str, float]) -> str:
    parts = []
    if "parameters" in metrics:
        parts.append(f"{count(metrics['parameters'])} parameters")
    if "samples_seen" in metrics:
        parts.append(f"{count(metrics['samples_seen'])} samples seen")
    if "train_seconds" in metrics:
        parts.append(f"{duration(metrics['train_seconds'])} of training")
    return f"{', '.join(parts)}." if parts else ""


def _cards(metrics: Mapping[str, float]) -> str:
    cards = []
    if "zero_shot_top1" in metrics:
        chance = metrics.get("chance", 0.0)
        share = metrics["zero_shot_top1"]
        cards.append(_share_card("It sees", share, f"of unseen renderings named; chance {chance:.0%}", chance))
    if "prompt_fidelity" in metrics:
        note = f"of prompts: a judge sees the thing (itself {metrics['classifier_accuracy']:.1%} right)"
        cards.append(_share_card("It paints", metrics["prompt_fidelity"], note, None))
    if "control_rho" in metrics:
        rho = f"{metrics['control_rho']:.2f}"
        what = "brightness" if "control_rho_brightness" in metrics else "value"
        cards.append(_card("It obeys the dial", rho, f"rank correlation, requested and measured {what}"))
    if "train_seconds" in metrics:
        cards.append(_card("Training", duration(metrics["train_seconds"]), "from nothing"))
    return f'<div class="cards">{"".join(cards)}</div>'


def _share_card(what: str, share: float, note: str, mark: float | None) -> str:
    tick = f'<u style="left:{mark:.1%}"></u>' if mark is not None else ""
    bar = f'<div class="bar"><i style="width:{share:.1%}"></i>{tick}</div>'
    return _card(what, f"{share:.1%}", note, bar)


def _card(what: str, value: str, note: str, bar: str = "") -> str:
    head = f'<span class="what">{escape(what)}</span><b>{escape(value)}</b>'
    return f'<div class="card">{head}{bar}<span>{escape(note)}</span></div>'


def _result(result: Result) -> tuple[str, str]:
    note = f"<p>{escape(result.note)}</p>" if result.note else ""
    return result.title, note + "".join(map(_part, result.parts))


def _part(part: Figure | Table) -> str:
    note = f'<p class="note">{escape(part.note)}</p>' if part.note else ""
    body = part.html if isinstance(part, Figure) else _table(part)
    return f"<h3>{escape(part.title)}</h3>{note}{body}"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.header)
    rows = "".join(
        f"<tr><th>{escape(row[0])}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in table.rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _curves(log: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    pieces = []
    for key, title in CURVES.items():
        rows = [row for row in log if _number(row.get(key))]
        x_key = SAMPLES if rows and all(_number(row.get(SAMPLES)) for row in rows) else "step"
        rows = [row for row in rows if _number(row.get(x_key))]
        points = Points([float(row[x_key]) for row in rows], [float(row[key]) for row in rows])
        if not any(points.y):  # a loss that this run has not
            continue
        log_axis = key in _LOGARITHMIC and all(y > 0 for y in points.y)
        label = "samples seen" if x_key == SAMPLES else "step"
        pieces.append(line_chart(points, title, label, log_axis))
    drawn = [piece for piece in pieces if piece]
    return ("How it learned", charts(drawn)) if drawn else None


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _run(report: Report) -> tuple[str, str] | None:
    html = ""
    if report.facts:
        html += _table(Table("", ("", ""), [list(row) for row in report.facts.items()]))
    if report.seconds:
        rows = [[part, duration(seconds)] for part, seconds in report.seconds.items()]
        html += "<h3>How long each part took</h3>" + _table(Table("", ("", ""), rows))
    numbers = [[name, f"{value:.6g}"] for name, value in report.metrics.items()]
    html += f"<details><summary>All metrics</summary>{_table(Table('', ('', ''), numbers))}</details>"
    if report.config:
        config = f"<pre>{escape(report.config)}</pre>"
        html += f"<details><summary>The whole configuration</summary>{config}</details>"
    return "What was run", html


def _next(commands: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    lines = "\n\n".join(f"# {what}\n{command}" for what, command in commands)
    return ("How to go on", f"<pre>{escape(lines)}</pre>") if commands else None


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
