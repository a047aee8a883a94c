"""Articles of names that users type."""

from __future__ import annotations

import pytest

from majolica.text.articles import with_article


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("umbrella", "an umbrella"),
        ("Umbrella", "an Umbrella"),
        ("red apple", "a red apple"),
        ("orange", "an orange"),
        ("unicorn", "a unicorn"),
        ("unidentified object", "an unidentified object"),
        ("hourglass", "an hourglass"),
        ("one-way street", "a one-way street"),
        ("European robin", "a European robin"),
        ("X-ray", "an X-ray"),
        ("SUV", "an SUV"),
        ("8-ball", "an 8-ball"),
        ("bus", "a bus"),
        ("gas mask", "a gas mask"),
        ("grapes", "grapes"),
        ("two dogs", "two dogs"),
        ("people", "people"),
        ("water", "water"),
        ("fresh water", "fresh water"),
        ("glass of water", "a glass of water"),
        ("DNA", "DNA"),
        ("dna", "dna"),
        ("a cat", "a cat"),
        ("An owl", "An owl"),
        ("The Eiffel Tower", "The Eiffel Tower"),
        ("my dog", "my dog"),
        ("Mount Fuji", "Mount Fuji"),
        ("woman's hat", "a woman's hat"),
        ("日本", "日本"),
        ("", ""),
        (" owl ", "an owl"),
        ("s", "an s"),
        ("{}", "{}"),
    ],
)
def test_article(name: str, expected: str) -> None:
    assert with_article(name) == expected


def test_capitals_change_nothing() -> None:
    for name in ("umbrella", "dna", "mount fuji", "grapes", "a cat", "suv", "european robin"):
        assert with_article(name.upper()).lower() == with_article(name).lower() == with_article(name.title()).lower()
