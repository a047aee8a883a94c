"""Which labels a caption mentions."""

from __future__ import annotations

import pytest

from majolica.eval.labelled.mentions import find_mentions

LABELS = ("red apple", "Apple", "fox", "dog")


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("a Fox and a dog", {2, 3}),
        ("two dogs", {3}),
        ("foxes", set()),
        ("a red apple", {0}),
        ("a red  APPLE beside an apple", {0, 1}),
        ("a foxglove, a hotdog", set()),
        ("", set()),
    ],
)
def test_labels_are_whole_words_in_any_case(caption: str, found: set[int]) -> None:
    assert find_mentions(caption, LABELS) == found
