"""The page: one HTML file without scripts or links, fit to be sent to somebody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from majolica.data.inspect.figures import Values, histogram, size_map
from majolica.data.inspect.look_css import CSS
from majolica.data.inspect.summary import Summary

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True)
class Picture:
    """A thumbnail, its full size in pixels, its caption, and where it lies."""

    uri: str
    width: int
    height: int
    caption: str
    place: str


@dataclass(frozen=True)
class Page:
    """All that is shown."""

    summary: Summary
    columns: dict[str, Values]
    width: Values
    height: Values
    wall: list[Picture]
    captions: list[str]
    common: list[tuple[str, int]]
    exact: list[list[Picture]]
    near: list[list[Picture]]
    broken: list[tuple[str, list[str]]]


def page(content: Page) -> str:
    """The page as HTML."""
    summary = content.summary
    name = escape(", ".join(Path(one).resolve().name if "://" not in one else one for one in summary.folders))
    sections = [
        _section("What stands out", _remarks(summary)),
        _section("Pictures", _wall(content.wall), f"{len(content.wall)} at random, in the order of the set."),
        _section("Sizes", _sizes(content)),
        _section("Captions", _captions(content)),
        _section("Seen twice", _groups(content)),
        _section("Not usable", _faults(content)),
        _section("Metadata", _fields(summary), "What the .json of each readable sample says."),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}: a look at the shards</title><style>{CSS}</style></head><body>"
        f"<header><p class='kind'>Shards</p><h1>{name}</h1>{_lead(summary)}{_cards(summary)}</header>"
        f"<main>{''.join(sections)}</main>"
        f"<footer>Seed {summary.seed}. Perceptual hash: 64-bit DCT; alike means at most {summary.distance} bits"
        " apart. All numbers are in the .json file beside this page.</footer></body></html>"
    )


def _section(title: str, body: str, note: str = "") -> str:
    lead = f"<p class='note'>{note}</p>" if note else ""
    return f"<section><h2>{title}</h2>{lead}{body}</section>" if body else ""


def _lead(summary: Summary) -> str:
    if summary.measured == summary.tars.samples:
        return f"<p class='lead'>All {summary.measured:,} samples were read and decoded.</p>"
    share = f"{summary.measured:,} of {summary.tars.samples:,}"
    return f"<p class='lead'>{share} samples, drawn at random, were read and decoded.</p>"


def _cards(summary: Summary) -> str:
    middle = {name: known.get("median", 0.0) for name, known in summary.quantiles.items()}
    copies = sum(len(group) - 1 for group in summary.exact) + sum(len(group) - 1 for group in summary.near)
    readable = sum(summary.formats.values())
    cards = [
        (f"{summary.tars.samples:,}", "samples", f"in {summary.tars.count:,} tars"),
        (size(summary.tars.bytes), "on disk", f"{size(middle.get('bytes', 0))} a picture, median"),
        (f"{middle.get('shorter_side', 0):,.0f} px", "shorter side", "median"),
        (f"{middle.get('caption_words', 0):,.0f} words", "a caption", "median"),
        (f"{copies / max(1, readable):.1%}", "copies or look-alikes", f"{copies:,} of {readable:,}"),
        (f"{1 - readable / max(1, summary.measured):.1%}", "cannot be read", f"of {summary.measured:,}"),
    ]
    inner = "".join(f"<div><b>{value}</b><i>{what}</i><span>{note}</span></div>" for value, what, note in cards)
    return f"<div class='cards'>{inner}</div>"


def _remarks(summary: Summary) -> str:
    if not summary.remarks:
        return "<p>Nothing: no damage, no copies, no empty captions, no small pictures.</p>"
    return f"<ul>{''.join(f'<li>{_text(remark, 400)}</li>' for remark in summary.remarks)}</ul>"


def _wall(pictures: Sequence[Picture]) -> str:
    return f"<div class='wall'>{''.join(map(_figure, pictures))}<s></s></div>"


def _figure(picture: Picture) -> str:
    ratio = min(max(picture.width / max(1, picture.height), 0.4), 3.0)
    known = f"{picture.width:,} x {picture.height:,} px, {escape(picture.place)}"
    words = _text(picture.caption, 300) or "<em>no words</em>"
    return (
        f"<figure style='--r:{ratio:.3f}'><img loading='lazy' src='{picture.uri}' alt='' title='{known}'>"
        f"<figcaption title='{known}'>{words}</figcaption></figure>"
    )


def _sizes(content: Page) -> str:
    columns = content.columns
    charts = [
        histogram(columns["shorter_side"], "Shorter side", lambda x: f"{x:,.0f} px"),
        histogram(columns["aspect"], "Width to height", ratio),
        histogram(columns["bytes"], "Bytes of a picture", size),
        size_map(content.width, content.height),
    ]
    formats = ", ".join(f"{count:,} {name}" for name, count in content.summary.formats.items())
    return f"<div class='charts'>{''.join(charts)}</div><p class='note'>Formats: {escape(formats)}.</p>"


def _captions(content: Page) -> str:
    chart = histogram(content.columns["caption_characters"], "Characters of a caption", lambda x: f"{x:,.0f}")
    words = histogram(content.columns["caption_words"], "Words of a caption", lambda x: f"{x:,.0f}")
    lines = "".join(f"<li>{_text(caption, 300) or '<em>no words</em>'}</li>" for caption in content.captions)
    common = ""
    if content.common:
        rows = "".join(f"<tr><td>{_text(text, 200)}</td><td>{count:,}</td></tr>" for text, count in content.common)
        common = f"<h3>Most frequent</h3><table>{rows}</table>"
    heading = f"<h3>{len(content.captions)} at random</h3>"
    return f"<div class='charts'>{chart}{words}</div>{heading}<ol class='lines'>{lines}</ol>{common}"


def _groups(content: Page) -> str:
    out = []
    for title, groups, total in (
        ("The same picture, byte for byte", content.exact, len(content.summary.exact)),
        ("Pictures that look alike", content.near, len(content.summary.near)),
    ):
        if groups:
            more = f" ({len(groups)} of {total:,} groups)" if total > len(groups) else ""
            twins = "".join(f"<div class='twin'>{_wall(group)}</div>" for group in groups)
            out.append(f"<h3>{title}{more}</h3><div class='twins'>{twins}</div>")
    return "".join(out)


def _faults(content: Page) -> str:
    tars = content.summary.tars
    rows = [(reason, f"{content.summary.broken[reason]:,}", "; ".join(where)) for reason, where in content.broken]
    rows += [(f"{reason} (left out by the index)", f"{count:,}", "") for reason, count in tars.left_out.items()]
    if tars.truncated:
        names = ", ".join(tars.truncated[:8]) + (", ..." if len(tars.truncated) > 8 else "")
        rows.append(("tar ends early or is damaged", f"{len(tars.truncated):,}", names))
    cells = "".join(f"<tr><td>{_text(a, 100)}</td><td>{b}</td><td>{_text(c, 1000)}</td></tr>" for a, b, c in rows)
    return f"<table><tr><th>What</th><th>How often</th><th>Where, for example</th></tr>{cells}</table>" if rows else ""


def _fields(summary: Summary) -> str:
    readable = max(1, sum(summary.formats.values()))
    rows = []
    for name, known in list(summary.fields.items())[:60]:
        span = f"{known['min']:g} to {known['max']:g}" if "min" in known else ""
        cells = (_text(name, 60), f"{known['count'] / readable:.0%}", span, _text(known["example"], 80))
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "<tr><th>Field</th><th>Samples that have it</th><th>Range</th><th>Example</th></tr>"
    return f"<div class='scroll'><table>{head}{''.join(rows)}</table></div>" if rows else ""


def _text(text: str, longest: int) -> str:
    """Foreign text, safe and short."""
    text = _UNSEEN.sub(" ", text[: 2 * longest]).strip()
    return escape(text if len(text) <= longest else text[:longest] + " ...")


def size(count: float) -> str:
    """Bytes for people: 1.2 MB is 1,200,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def ratio(value: float) -> str:
    """Width to height for people: 3:2 is 1.5:1."""
    return f"{value:.3g}:1" if value >= 1 else f"1:{1 / value:.3g}"
