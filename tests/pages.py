"""Reading a page as a browser would: is it whole, and does it stand by itself?"""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

VOID = {"meta", "img", "br"}


class ReadPage(HTMLParser):
    """Counts tags, follows opening and closing ones, and collects whatever could load something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.classes: set[str] = set()
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "xlink:href")]
        self.classes |= {word for name, value in attrs if name == "class" for word in (value or "").split()}
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read_page(page: str) -> ReadPage:
    """Assert that the page is whole, runs nothing, and links to nothing outside; return its tags."""
    found = ReadPage(page)
    assert found.open == []
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(found.tags)
    assert all(re.match("data:image/(png|jpeg);base64,|#", link) for link in found.links)
    assert "@import" not in page and "url(" not in page.split("</style>")[0]
    assert found.classes <= set(re.findall(r"\.([a-z]+)", page.split("</style>")[0])), "a class without a style"
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in found.links if link.startswith("#")} == set(ids)
    page.encode()  # a page with half a character could not be written
    return found
