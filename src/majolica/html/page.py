"""The skeleton of a page: what it is, its headline numbers, its sections, and links between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from majolica.html.escape import escape
from majolica.html.style import CSS


@dataclass(frozen=True)
class Card:
    """A headline number: what it is, its value, and a line about it."""

    what: str
    value: str
    note: str = ""
    share: float | None = None
    """Draws a bar that is filled so far, from 0 to 1."""
    mark: float | None = None
    """A mark on that bar, such as chance."""


@dataclass(frozen=True)
class Section:
    """A titled part of the page."""

    title: str
    body: str
    """HTML, as the other modules of the kit make it; a section without any is left out."""
    note: str = ""
    """What the section shows, in plain text."""


@dataclass(frozen=True)
class Page:
    """All that a page shows; everything but the bodies of sections is plain text."""

    title: str
    sections: Sequence[Section]
    kind: str = ""
    """What sort of page this is, in a word or two above the title."""
    lead: str = ""
    """The sentence below the title."""
    cards: Sequence[Card] = ()
    footer: str = ""


def render_page(page: Page) -> str:
    """The page as HTML: no script, no link to the outside, everything embedded."""
    named = [(f"s{number}-{_slug(section.title)}", section) for number, section in enumerate(page.sections, 1)]
    shown = [(anchor, section) for anchor, section in named if section.body]
    links = "".join(f'<a href="#{anchor}">{escape(section.title)}</a>' for anchor, section in shown)
    body = "".join(
        f'<section id="{anchor}"><h2>{escape(section.title)}</h2>{_lead(section.note, "note")}{section.body}</section>'
        for anchor, section in shown
    )
    cards = f'<div class="cards">{"".join(map(_card, page.cards))}</div>' if page.cards else ""
    tab = f"{page.title} · {page.kind}" if page.kind else page.title
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(tab)}</title><style>{CSS}</style></head><body>"
        f"<header>{_lead(page.kind, 'kind')}<h1>{escape(page.title)}</h1>{_lead(page.lead, 'lead')}"
        f"{cards}<nav>{links}</nav></header><main>{body}</main>"
        f"<footer>{_lead(page.footer, 'note')}</footer></body></html>\n"
    )


def _lead(text: str, kind: str) -> str:
    return f'<p class="{kind}">{escape(text)}</p>' if text else ""


def _card(card: Card) -> str:
    bar = ""
    if card.share is not None:
        tick = f'<u style="left:{card.mark:.1%}"></u>' if card.mark is not None else ""
        bar = f'<div class="bar"><i style="width:{card.share:.1%}"></i>{tick}</div>'
    head = f'<span class="what">{escape(card.what)}</span><b>{escape(card.value)}</b>'
    return f'<div class="card">{head}{bar}<span>{escape(card.note)}</span></div>'


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
