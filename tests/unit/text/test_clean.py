"""Captions made safe."""

from __future__ import annotations

import pytest

from majolica.text.clean import LONGEST, clean_caption


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a dolphin", "a dolphin"),
        ("  a\t\n dolphin \r\n", "a dolphin"),
        ("a\x00 dol\x07phin\x7f\x9f", "a dolphin"),
        ("a\u00a0dolphin\u2003here\x85", "a dolphin here"),
        ("\ufeffa dolphin", "a dolphin"),
        ("lone \ud800surrogate", "lone surrogate"),
        ("Ein Größenvergleich, 日本", "Ein Größenvergleich, 日本"),
        ("می\u200cخواهم \U0001f469\u200d\U0001f33e", "می\u200cخواهم \U0001f469\u200d\U0001f33e"),
        ("", ""),
        ("\x00 \n", ""),
    ],
)
def test_caption(raw: str, clean: str) -> None:
    assert clean_caption(raw) == clean


def test_no_control_character_or_double_space_survives() -> None:
    cleaned = clean_caption("".join(f"x{chr(code)}" for code in range(0x300)))
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in cleaned)
    assert "  " not in cleaned


def test_length_is_capped_in_bytes_on_a_character() -> None:
    assert len(clean_caption("a" * (LONGEST + 5))) == LONGEST
    capped = clean_caption("日" * LONGEST)
    assert len(capped.encode()) <= LONGEST
    assert len(capped) == LONGEST // 3
    assert set(capped) == {"日"}


def test_cleaning_twice_changes_nothing() -> None:
    for text in ("a \x00b", "x " * 60_000, "日" * 40_000 + " y"):
        assert clean_caption(clean_caption(text)) == clean_caption(text)
