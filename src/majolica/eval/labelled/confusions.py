"""Which classes are taken for which: a figure for a few classes, tables for many."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from majolica.eval.protocol import Figure, Table
from majolica.html.matrices import confusion_heat

MOST_IN_A_FIGURE = 64
"""Classes in a figure at most, because a larger matrix cannot be read."""


def confusion_parts(confusion_KK: Tensor, names: Sequence[str]) -> list[Figure | Table]:
    """Return the confusions as a figure, or as a table of the most frequent ones if there are too many classes."""
    if len(names) <= MOST_IN_A_FIGURE:
        note = "The row is what a picture shows, the column what the model said. Point at a cell to see its count."
        return [Figure("Confusions", confusion_heat(confusion_KK.tolist(), names), note)]
    rows = most_frequent(confusion_KK, names)
    return [Table("Most frequent confusions", ("label", "taken for", "pictures"), rows)] if rows else []


def most_frequent(confusion_KK: Tensor, names: Sequence[str], most: int = 15) -> list[list[str]]:
    """Return the rows of a table of the wrong answers that are given most often."""
    wrong_KK = confusion_KK.clone()
    wrong_KK.fill_diagonal_(0)
    order = wrong_KK.flatten().argsort(descending=True, stable=True)[:most].tolist()
    places = [divmod(place, len(names)) for place in order]
    return [
        [names[i], names[j], f"{int(wrong_KK[i, j])} of {int(confusion_KK[i].sum())}"]
        for i, j in places
        if wrong_KK[i, j] > 0
    ]


def hardest_classes(confusion_KK: Tensor, names: Sequence[str], most: int = 10) -> list[Table]:
    """Return a table of the classes that are recognised least often, and of what they are taken for."""
    total_K, right_K = confusion_KK.sum(1), confusion_KK.diagonal()
    seen = [i for i in range(len(names)) if total_K[i] > right_K[i]]
    seen.sort(key=lambda i: (float(right_K[i] / total_K[i]), -int(total_K[i])))
    rows = []
    for i in seen[:most]:
        wrong_K = confusion_KK[i].clone()
        wrong_K[i] = 0
        count = f"{int(right_K[i])} of {int(total_K[i])}"
        rows.append([names[i], f"{float(right_K[i] / total_K[i]):.0%}", count, describe_mistakes(wrong_K, names)])
    return [Table("Hardest classes", ("class", "right", "pictures", "taken for"), rows)] if rows else []


def describe_mistakes(wrong_K: Tensor, names: Sequence[str], most: int = 3) -> str:
    """Describe the most frequent wrong answers in words, such as "fox 3, panda 1"."""
    order = wrong_K.argsort(descending=True, stable=True)[:most].tolist()
    return ", ".join(f"{names[i]} {int(wrong_K[i])}" for i in order if wrong_K[i] > 0) or "–"
