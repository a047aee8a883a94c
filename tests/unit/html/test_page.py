"""A page is whole, safe and stands by itself, whatever it is made of."""

from __future__ import annotations

from majolica.html.elements import (
    ShareBar,
    bullet_list,
    code,
    collapsible,
    heading,
    note,
    numbered_list,
    paragraph,
    table,
)
from majolica.html.escape import escape, escape_lines, shorten
from majolica.html.page import Card, Page, Section, render_page
from pages import read_page

EVIL = '</title></style></pre></figure><script>alert("1")</script>\x00\udcff'


def test_nothing_that_is_given_becomes_markup() -> None:
    texts = (
        paragraph(EVIL)
        + note(EVIL)
        + heading(EVIL)
        + bullet_list([EVIL])
        + numbered_list([EVIL], 99, EVIL)
        + code(EVIL)
    )
    body = texts + collapsible(EVIL, table([[EVIL, EVIL]], [EVIL, EVIL]))
    page = render_page(Page(EVIL, [Section(EVIL, body, EVIL)], EVIL, EVIL, [Card(EVIL, EVIL, EVIL, 0.5, 0.1)], EVIL))
    assert read_page(page).tags["section"] == 1
    assert "<script" not in page and "\x00" not in page and "\\udcff" in page


def test_links_lead_to_the_sections_that_have_something_to_show() -> None:
    sections = [Section("One", "<p>1</p>"), Section("Empty", ""), Section("One", "<p>2</p>"), Section("…", "<p>3</p>")]
    page = render_page(Page("Title", sections, "Kind"))
    found = read_page(page)  # compares links and anchors
    assert (found.tags["section"], found.tags["a"]) == (3, 3)
    assert "Empty" not in page and "<title>Title · Kind</title>" in page


def test_an_empty_page_is_still_a_page() -> None:
    assert "<h1>Nothing</h1>" in render_page(Page("Nothing", []))
    read_page(render_page(Page("Nothing", [])))


def test_cards_have_bars_where_there_are_shares() -> None:
    page = render_page(Page("t", [], cards=[Card("It sees", "43.2%", "of all", 0.432, 0.25), Card("Time", "1 s")]))
    assert page.count('class="card"') == 2 and page.count('class="bar"') == 1
    assert "width:43.2%" in page and "left:25.0%" in page


def test_tables() -> None:
    html = table([("fox", "3", ShareBar(0.25, 0.5))], ("name", "number", ""), numeric=[1])
    assert '<th>name</th><th class="n">number</th>' in html
    assert '<tr><th>fox</th><td class="n">3</td><td class="bars"><i style="width:25.00%">' in html
    assert table([], ("name",)) == "" and "<thead>" not in table([("a", "b")])


def test_long_and_foreign_text() -> None:
    assert escape("a\n b\tc") == "a  b c" and escape_lines("a\n\tb\r") == "a\n\tb "
    assert shorten("abcdef", 3) == "abc ..." and shorten("abc", 3) == "abc" and shorten("abcdef", None) == "abcdef"
    assert shorten("\x00" * 50 + "abc", 3) == "..."  # most of it is control characters, and not all is read
    assert len(shorten("long " * 1_000_000, 100)) <= 104
    assert escape("'\"&<>") == "&#x27;&quot;&amp;&lt;&gt;"
