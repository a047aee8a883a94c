"""Which of some labels a caption mentions: the truth for pictures of which nothing is known but their captions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from majolica.eval.labelled.class_list import fold_class_name


def find_mentions(caption: str, labels: Sequence[str]) -> set[int]:
    """Return the places of the labels that a caption mentions, as whole words and in any case.

    A plural with s counts ("two foxes" mentions no fox, "two dogs" a dog). A label within a longer label that is
    mentioned, such as apple in "red apple", does not count if the longer one is a label too.
    """
    text = _plain(caption)
    found = {i: spans for i, label in enumerate(labels) if (spans := _find(text, _plain(label)))}
    return {i for i, spans in found.items() if not all(_is_within(span, _others(found, i)) for span in spans)}


def _plain(text: str) -> str:
    return (
        fold_class_name(text).replace("\N{LOWER ONE EIGHTH BLOCK}", " ").strip()
    )  # which sentencepiece writes for a space


def _find(text: str, label: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(rf"(?<!\w){re.escape(label)}s?(?!\w)", text)] if label else []


def _others(found: dict[int, list[tuple[int, int]]], own: int) -> list[tuple[int, int]]:
    return [span for i, spans in found.items() if i != own for span in spans]


def _is_within(span: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    """Return whether a longer span contains this one."""
    return any(start <= span[0] and span[1] <= end and end - start > span[1] - span[0] for start, end in others)
