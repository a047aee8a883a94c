"""funnel.html: what became of the rows of metadata, as one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from majolica.html.axes import Axis
from majolica.html.charts import charts
from majolica.html.elements import ShareBar, bullet_list, code, collapsible, paragraph, table
from majolica.html.histogram import Bars, histogram
from majolica.html.numbers import share
from majolica.html.page import Card, Page, Section, render_page
from majolica.plurals import counted, plural


def render_funnel(found: Mapping[str, Any]) -> str:
    """The page for what funnel.json holds: no script, no link to the outside."""
    rows_in, rows_out = found["rows_in"], found["rows_out"]
    kept = rows_out / rows_in if rows_in else 0
    files, stay = counted(len(found["inputs"]), "file"), plural(rows_out, "stays", "stay")
    return render_page(
        Page(
            title=f"Filtered: {found['config']['recipe']}",
            kind="Funnel",
            lead=f"{rows_out:,} of {counted(rows_in, 'row')} {stay} ({kept:.2%}), from {files}.",
            cards=[
                Card("Rows read", f"{rows_in:,}", f"in {files}"),
                Card("Rows that stay", f"{rows_out:,}", f"{kept:.2%} of all", kept),
                *_largest(found["steps"]),
            ],
            sections=[
                Section(
                    "Why rows went",
                    _steps(found["steps"], rows_in),
                    "Each row is counted once, under the first reason, in this order.",
                ),
                Section("Notes", bullet_list(_notes(found))),
                Section(
                    "Before and after",
                    charts([_chart(values) for values in found["histograms"].values()]),
                    "Pale: all rows read. Blue: rows that stay. Each to the scale of its own highest bar.",
                ),
                Section("How it was made", _describe_origin(found)),
            ],
        )
    )


def _largest(steps: Sequence[Mapping[str, Any]]) -> list[Card]:
    """The reason for which most rows went, where any went."""
    step = max(steps, key=lambda step: int(step["gone"]), default=None)
    if step is None or not step["gone"]:
        return []
    return [Card("Most went for", step["rule"], f"{step['why']}: {counted(step['gone'], 'row')}")]


def _steps(steps: Sequence[Mapping[str, Any]], rows: int) -> str:
    whole = max(rows, 1)
    lines = [
        (
            step["rule"],
            step["why"],
            f"{step['before']:,}",
            f"{step['gone']:,}",
            share(step["gone"], step["before"]),
            f"{step['after']:,}",
            ShareBar(step["after"] / whole, step["gone"] / whole),
        )
        for step in steps
    ]
    return table(lines, ("rule", "reason", "before", "gone", "", "after", ""), numeric=[2, 3, 4, 5])


def _notes(found: Mapping[str, Any]) -> list[str]:
    notes = [
        f"{column}: {counted(rows, 'value')} {plural(rows, 'makes', 'make')} no sense (NaN, wrong type, out of range,"
        f" not UTF-8) and {plural(rows, 'counts', 'count')} as unknown"
        for column, rows in found["unusable_values"].items()
    ]
    return [*notes, *found["warnings"][:20]]


def _chart(values: Mapping[str, Any]) -> str:
    """A histogram of all rows and of those that stay.

    Below it stands the share of rows whose value is not known.
    """
    before, after = values["before"], values["after"]
    unknown = [share(counts[-1], sum(counts)) or "0%" for counts in (before, after)]
    axis = Axis(values["edges"][0], values["edges"][-1], values["log"])
    bars = [Bars(before[:-1], "read", pale=True), Bars(after[:-1], "that stay")]
    below = f"unknown: {unknown[0]} before, {unknown[1]} after"
    unit, form = values["unit"] and f" {values['unit']}", ",.0f" if values["whole"] else ".3g"

    def label(value: float) -> str:
        return f"{value:{form}}{unit}"

    return histogram(axis, bars, values["title"], label, below, whole=values["whole"], open_ended=True)


def _describe_origin(found: Mapping[str, Any]) -> str:
    inputs = "\n".join(f"{file['rows']:>12,}  {file['path']}" for file in found["inputs"])
    files = "\n".join(f"{rows:>12,}  {name}" for name, rows in found["files"].items())
    config = yaml.safe_dump(found["config"], sort_keys=False, allow_unicode=True)
    parts = {"Configuration": config, f"Input, {counted(len(found['inputs']), 'file')}": inputs, "Output": files}
    order = paragraph("Rows stand in ascending order of this hash of their URL:")
    order += code(f"order(url) = {found['hash']['order']}, seed {found['hash']['seed']}")
    return order + "".join(collapsible(title, code(text)) for title, text in parts.items())
