"""funnel.html: the funnel as one self-contained page with inline pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import yaml

WIDTH, HEIGHT = 340, 190
LEFT, TOP, BOTTOM = 10, 30, 32

CSS = """
:root { color-scheme: light dark; --paper: #fbf8f1; --card: #fffdf8; --ink: #22262e; --soft: #6a6d73;
  --line: #e4ddcd; --blue: #1f4f9c; --pale: #c9d5ea; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181e; --card: #1c2028; --ink: #e9e5da; --soft: #9a9ca2;
  --line: #30353f; --blue: #85aef0; --pale: #344665; } }
body { margin: 0 auto; max-width: 68rem; padding: 2rem 1.25rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font: 600 2.1rem/1.2 Palatino, Georgia, serif; color: var(--blue); margin: 0 0 .3rem; }
h2 { font: 600 1.4rem/1.2 Palatino, Georgia, serif; margin: 2.2rem 0 .6rem; }
p, .soft { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; }
td.n { text-align: right; white-space: nowrap; } thead th { color: var(--soft); font-weight: 500; font-size: .8rem; }
td.bar { width: 34%; min-width: 8rem; padding-right: 0; }
.bar i, .bar u { display: inline-block; height: .7rem; vertical-align: middle; text-decoration: none; }
.bar i { background: var(--blue); } .bar u { background: var(--pale); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 1rem; }
svg { width: 100%; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; } svg .t { fill: var(--ink); font-weight: 600; }
.before { fill: var(--pale); } .after { fill: var(--blue); }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem; overflow-x: auto;
  font-size: .8rem; } summary { cursor: pointer; color: var(--blue); margin: .6rem 0; }
"""


def render(found: Mapping[str, Any]) -> str:
    """The page for what funnel.json holds: no script, no link to the outside."""
    rows_in, rows_out = found["rows_in"], found["rows_out"]
    share = rows_out / rows_in if rows_in else 0
    title = f"Filtered: {found['config']['recipe']}"
    charts = "".join(map(_chart, found["histograms"].values()))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body><h1>{escape(title)}</h1>"
        f"<p>{rows_out:,} of {rows_in:,} rows stay ({share:.2%}), from {len(found['inputs']):,} files.</p>"
        f"<h2>Why rows went</h2><p>Each row is counted once, under the first reason, in this order.</p>"
        f"{_steps(found['steps'], rows_in)}{_notes(found)}<h2>Before and after</h2>"
        "<p>Pale: all rows read. Blue: rows that stay. Each to the scale of its own highest bar.</p>"
        f'<div class="charts">{charts}</div><h2>How it was made</h2>{_made(found)}</body></html>\n'
    )


def _steps(steps: Sequence[Mapping[str, Any]], rows: int) -> str:
    body = "".join(
        f"<tr><th>{escape(step['rule'])}</th><td>{escape(step['why'])}</td><td class=n>{step['before']:,}</td>"
        f"<td class=n>{step['gone']:,}</td><td class=n>{_percent(step['gone'], step['before'])}</td>"
        f"<td class=n>{step['after']:,}</td><td class=bar>"
        f'<i style="width:{100 * step["after"] / max(rows, 1):.2f}%"></i>'
        f'<u style="width:{100 * step["gone"] / max(rows, 1):.2f}%"></u></td></tr>'
        for step in steps
    )
    head = "".join(f"<th>{name}</th>" for name in ("rule", "reason", "before", "gone", "", "after", ""))
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else ""


def _notes(found: Mapping[str, Any]) -> str:
    notes = [
        f"{column}: {rows:,} values make no sense (NaN, wrong type, out of range, not UTF-8) and count as unknown"
        for column, rows in found["unusable_values"].items()
    ]
    notes += found["warnings"][:20]
    return f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>" if notes else ""


def _chart(histogram: Mapping[str, Any]) -> str:
    """Bars before (pale) and after (blue), each scaled to its highest, and the share of unknown values."""
    edges, before, after = histogram["edges"], histogram["before"], histogram["after"]
    step = (WIDTH - 2 * LEFT) / (len(edges) - 1)
    ground = HEIGHT - BOTTOM
    bars = _bars(before[:-1], "before", step, step - 0.6) + _bars(after[:-1], "after", step, step * 0.5)
    unknown = (
        f"unknown: {_percent(before[-1], sum(before)) or '0%'} before, {_percent(after[-1], sum(after)) or '0%'} after"
    )
    labels = "".join(
        f'<text x="{LEFT + step * i:.0f}" y="{ground + 13}" text-anchor="middle">{_short(edges[i])}</text>'
        for i in range(5, len(edges) - 1, 10)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><text class="t" x="{LEFT}" y="17">{escape(histogram["title"])}'
        f'</text>{bars}{labels}<text x="{LEFT}" y="{HEIGHT - 5}">{escape(unknown)}</text></svg>'
    )


def _bars(counts: Sequence[int], kind: str, step: float, width: float) -> str:
    most, ground = max([*counts, 1]), HEIGHT - BOTTOM
    out = []
    for i, number in enumerate(counts):
        tall = (ground - TOP) * number / most
        if tall > 0:
            place = f'x="{LEFT + step * i:.1f}" y="{ground - tall:.1f}" width="{width:.1f}" height="{tall:.1f}"'
            out.append(f'<rect class="{kind}" {place}/>')
    return "".join(out)


def _short(number: float) -> str:
    if number == 0:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(abs(number))))
    return f"{round(number, digits):g}"


def _made(found: Mapping[str, Any]) -> str:
    inputs = "\n".join(f"{file['rows']:>12,}  {file['path']}" for file in found["inputs"])
    files = "\n".join(f"{rows:>12,}  {name}" for name, rows in found["files"].items())
    config = yaml.safe_dump(found["config"], sort_keys=False, allow_unicode=True)
    parts = {"Configuration": config, f"Input, {len(found['inputs'])} files": inputs, "Output": files}
    order = f"order(url) = {found['hash']['order']}, seed {found['hash']['seed']}"
    return f"<p>Rows stand in ascending order of <code>{escape(order)}</code>.</p>" + "".join(
        f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"
        for title, text in parts.items()
    )
