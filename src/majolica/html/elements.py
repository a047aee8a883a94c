"""Text and tables of a page. All that is given is plain text and is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from majolica.html.escape import escape, escape_lines


@dataclass(frozen=True)
class ShareBar:
    """A cell of a table that shows two shares of a whole: one in full colour, one in pale.

    Each lies from 0 to 1.
    """

    full: float
    pale: float = 0.0


Cell = str | ShareBar


def paragraph(text: str) -> str:
    """Running text; nothing where there is none."""
    return f"<p>{escape(text)}</p>" if text else ""


def note(text: str) -> str:
    """Smaller text that explains what follows; nothing where there is none."""
    return f'<p class="note">{escape(text)}</p>' if text else ""


def heading(text: str) -> str:
    """The heading of a part of a section."""
    return f"<h3>{escape(text)}</h3>"


def bullet_list(lines: Sequence[str], longest: int = 1000) -> str:
    """A list of sentences; nothing where there are none."""
    return f"<ul>{''.join(f'<li>{escape(line, longest)}</li>' for line in lines)}</ul>" if lines else ""


def numbered_list(lines: Sequence[str], longest: int, empty: str) -> str:
    """Numbered lines in columns; `empty` stands for those that say nothing."""
    items = "".join(f"<li>{escape(line, longest) or f'<em>{escape(empty)}</em>'}</li>" for line in lines)
    return f'<ol class="lines">{items}</ol>'


def code(text: str) -> str:
    """Lines to read or to copy as they are."""
    return f"<pre>{escape_lines(text)}</pre>"


def collapsible(summary: str, content: str) -> str:
    """HTML that is hidden until the reader asks for it."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def table(rows: Sequence[Sequence[Cell]], header: Sequence[str] = (), numeric: Sequence[int] = ()) -> str:
    """A table: the first cell of a row names the row.

    Numbers in the columns `numeric` stand to the right.

    Without rows there is no table.
    """
    if not rows:
        return ""
    kinds = [' class="n"' if column in numeric else "" for column in range(len(rows[0]))]
    head = "".join(f"<th{kind}>{escape(cell)}</th>" for kind, cell in zip(kinds, header, strict=False))
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    body = "".join(f"<tr>{_cells(row, kinds)}</tr>" for row in rows)
    return f'<div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'


def _cells(row: Sequence[Cell], kinds: Sequence[str]) -> str:
    out = []
    for place, (cell, kind) in enumerate(zip(row, kinds, strict=True)):
        if isinstance(cell, ShareBar):
            bars = f'<i style="width:{cell.full:.2%}"></i><u style="width:{cell.pale:.2%}"></u>'
            out.append(f'<td class="bars">{bars}</td>')
        elif place == 0:
            out.append(f"<th{kind}>{escape(cell)}</th>")
        else:
            out.append(f"<td{kind}>{escape(cell)}</td>")
    return "".join(out)
