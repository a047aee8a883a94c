"""The page about a folder of shards: one HTML file that can be sent to somebody."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from majolica.data.inspect.figures import size_map, value_histogram
from majolica.data.inspect.summary import Summary
from majolica.html.charts import charts
from majolica.html.elements import bullet_list, heading, note, numbered_list, paragraph, table
from majolica.html.escape import shorten
from majolica.html.figures import FigurePicture, picture_wall
from majolica.html.numbers import aspect_ratio, byte_size
from majolica.html.page import Card, Page, Section, render_page
from majolica.plurals import counted, plural

_NO_WORDS = "no words"
"""What stands in place of an empty caption."""


@dataclass(frozen=True)
class Content:
    """All that the page shows."""

    summary: Summary
    columns: dict[str, NDArray[np.float64]]
    width: NDArray[np.float64]
    height: NDArray[np.float64]
    wall: list[FigurePicture]
    captions: list[str]
    common: list[tuple[str, int]]
    exact: list[list[FigurePicture]]
    near: list[list[FigurePicture]]
    broken: list[tuple[str, list[str]]]


def render_inspection(content: Content) -> str:
    """The page as HTML."""
    summary = content.summary
    names = (Path(one).resolve().name if "://" not in one else one for one in summary.folders)
    drawn = f"{len(content.wall)} at random, in the order of the set."
    return render_page(
        Page(
            title=", ".join(names),
            kind="Shards",
            lead=_lead(summary),
            cards=_cards(summary),
            sections=[
                Section("What stands out", _remarks(summary)),
                Section("Pictures", picture_wall(content.wall, _NO_WORDS), drawn),
                Section("Sizes", _sizes(content)),
                Section("Captions", _captions(content)),
                Section("Seen twice", _groups(content)),
                Section("Not usable", _faults(content)),
                Section("Metadata", _fields(summary), "What the .json of each readable sample says."),
            ],
            footer=f"Seed {summary.seed}. Perceptual hash: 64-bit DCT; alike means at most"
            f" {counted(summary.distance, 'bit')} apart. All numbers are in the .json file beside this page.",
        )
    )


def _lead(summary: Summary) -> str:
    if summary.measured == summary.tars.samples:
        return f"Every sample was read and decoded, {summary.measured:,} in all."
    share = f"{summary.measured:,} of {counted(summary.tars.samples, 'sample')}, drawn at random,"
    return f"{share} {plural(summary.measured, 'was', 'were')} read and decoded."


def _cards(summary: Summary) -> list[Card]:
    middle = {name: known.get("median", 0.0) for name, known in summary.quantiles.items()}
    copies = sum(len(group) - 1 for group in summary.exact) + sum(len(group) - 1 for group in summary.near)
    readable = sum(summary.formats.values())
    lost = 1 - readable / max(1, summary.measured)
    return [
        Card("Samples", f"{summary.tars.samples:,}", f"in {counted(summary.tars.count, 'tar')}"),
        Card("On disk", byte_size(summary.tars.bytes), f"{byte_size(middle.get('bytes', 0))} a picture, median"),
        Card("Shorter side", f"{middle.get('shorter_side', 0):,.0f} px", "median"),
        Card("A caption", counted(round(middle.get("caption_words", 0)), "word"), "median"),
        Card("Copies or look-alikes", f"{copies / max(1, readable):.1%}", f"{copies:,} of {readable:,}"),
        Card("Cannot be read", f"{lost:.1%}", f"of {summary.measured:,}"),
    ]


def _remarks(summary: Summary) -> str:
    if not summary.remarks:
        return paragraph("Nothing: no damage, no copies, no empty captions, no small pictures.")
    return bullet_list(summary.remarks)


def _sizes(content: Content) -> str:
    columns = content.columns
    drawings = [
        value_histogram(columns["shorter_side"], "Shorter side", lambda x: f"{x:,.0f} px", whole=True),
        value_histogram(columns["aspect"], "Width to height", aspect_ratio),
        value_histogram(columns["bytes"], "Bytes of a picture", byte_size),
        size_map(content.width, content.height),
    ]
    formats = ", ".join(f"{count:,} {name}" for name, count in content.summary.formats.items())
    return charts(drawings) + note(f"Formats: {formats}.")


def _captions(content: Content) -> str:
    drawings = [
        value_histogram(content.columns[f"caption_{what}"], title, lambda x: f"{x:,.0f}", whole=True)
        for what, title in (("characters", "Characters of a caption"), ("words", "Words of a caption"))
    ]
    body = charts(drawings) + heading(f"{len(content.captions)} at random")
    body += numbered_list(content.captions, 300, _NO_WORDS)
    if content.common:
        rows = [(shorten(text, 200), f"{count:,}") for text, count in content.common]
        body += heading("Most frequent") + table(rows, numeric=[1])
    return body


def _groups(content: Content) -> str:
    out = []
    for title, groups, total in (
        ("The same picture, byte for byte", content.exact, len(content.summary.exact)),
        ("Pictures that look alike", content.near, len(content.summary.near)),
    ):
        if groups:
            more = f" ({len(groups)} of {counted(total, 'group')})" if total > len(groups) else ""
            walls = "".join(f'<div class="group">{picture_wall(group, _NO_WORDS)}</div>' for group in groups)
            out.append(f'{heading(title + more)}<div class="groups">{walls}</div>')
    return "".join(out)


def _faults(content: Content) -> str:
    tars = content.summary.tars
    rows = [(reason, f"{content.summary.broken[reason]:,}", "; ".join(where)) for reason, where in content.broken]
    rows += [(f"{reason} (left out by the index)", f"{count:,}", "") for reason, count in tars.left_out.items()]
    if tars.truncated:
        names = ", ".join(tars.truncated[:8]) + (", ..." if len(tars.truncated) > 8 else "")
        rows.append(("tar ends early or is damaged", f"{len(tars.truncated):,}", names))
    cells = [(shorten(what, 100), times, shorten(where, 1000)) for what, times, where in rows]
    return table(cells, ("What", "How often", "Where, for example"), numeric=[1])


def _fields(summary: Summary) -> str:
    readable = max(1, sum(summary.formats.values()))
    rows = []
    for name, known in list(summary.fields.items())[:60]:
        span = f"{known['min']:g} to {known['max']:g}" if "min" in known else ""
        rows.append((shorten(name, 60), f"{known['count'] / readable:.0%}", span, shorten(known["example"], 80)))
    return table(rows, ("Field", "Samples that have it", "Range", "Example"))
