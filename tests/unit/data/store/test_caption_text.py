"""When a caption says nothing, and which of several says something."""

from __future__ import annotations

import json
import sys

import pytest

from majolica.data.store.caption_text import is_blank, is_blank_utf8, json_caption
from majolica.text.clean import clean_caption


def test_whatever_cleaning_empties_is_blank() -> None:
    for code in range(0x20000):
        if not clean_caption(chr(code)):
            assert is_blank(chr(code)), hex(code)
    assert is_blank(" " * 100_000 + "words")  # which cleaning cuts off


@pytest.mark.parametrize("text", ["a", " a ", "\0a", "日", "!", "1", "🦩", "\u200da", "\ufffd"])
def test_what_can_be_read_is_not_blank(text: str) -> None:
    assert not is_blank(text) and not is_blank_utf8(lambda n: text.encode()[:n], len(text.encode()))


@pytest.mark.parametrize(
    ("data", "blank"),
    [
        (b"", True),
        (b" \r\n\t", True),
        ("\u3000\u200b\ufeff\u00a0".encode(), True),
        (b"\xff", False),
        ("\u3000".encode() * 300, True),
        ("\u3000".encode() * 300 + b"a", False),
        (b" " * 511 + "é".encode(), False),
        (b" " * 511 + "\u3000".encode(), True),
    ],
)
def test_bytes(data: bytes, blank: bool) -> None:
    assert is_blank_utf8(lambda n: data[:n], len(data)) == blank


def test_a_long_caption_is_not_read_to_its_end() -> None:
    asked: list[int] = []
    assert not is_blank_utf8(lambda n: asked.append(n) or b"words", sys.maxsize) and asked == [512]


@pytest.mark.parametrize(
    ("known", "caption"),
    [
        ({"caption": "", "text": "four"}, "four"),
        ({"caption": " \u200b", "text": "four"}, "four"),
        ({"caption": "one", "text": "four"}, "one"),
        ({"caption": None, "text": "four"}, "four"),
        ({"caption": ["a"], "text": ""}, ""),
        ({"caption": ""}, ""),
        ({"caption": 7}, None),
        ([1], None),
    ],
)
def test_fields_of_metadata(known: object, caption: str | None) -> None:
    assert json_caption(json.dumps(known).encode()) == caption
