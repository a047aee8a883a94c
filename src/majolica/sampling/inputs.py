"""Reads the words and numbers that callers give, and checks them before any work is done."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from majolica.errors import UserError, shorten_text, shorten_value, unknown_name
from majolica.plurals import counted
from majolica.properties.categories import NameTable, fold_name
from majolica.properties.quantiles import from_quantile
from majolica.properties.registry import find_property
from majolica.text.articles import with_article

LONGEST_PROMPT = 2_000
"""Characters of a prompt at most, because a longer text is a mistake and not a caption."""

Item = TypeVar("Item")
Texts = str | Iterable[str]
"""One text, or several."""
Values = float | str | Sequence[float] | Sequence[str] | NDArray[Any] | Tensor
"""One value for all pictures, or one for each: numbers, or percentiles of the training pictures, as "p90".

Values of a category are names, in any case.
"""


def read_texts(given: Texts, kind: str = "prompt") -> list[str]:
    """The texts in `given`; a string is one text.

    Raises UserError where there is no text, where an item is not a string, and for a text that is
    empty or too long.
    """
    if isinstance(given, str):
        texts: list[str] = [given]
    elif isinstance(given, bytes | Mapping | Set) or not isinstance(given, Iterable):
        raise UserError(f"the {kind}s are of type {type(given).__name__}: give a string, or a list of strings")
    else:
        texts = list(given)
    if not texts:
        raise UserError(f"there is no {kind}: give a string, or a list of strings")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise UserError(f"{kind} {place} is of type {type(text).__name__}: give strings")
        check_text(text, kind)
    return texts


def read_labels(given: Texts) -> list[str]:
    """Labels to choose from; UserError for fewer than two, or for one that is given twice, in any case and with or
    without its article.

    With a single label its probability is 1 whatever the picture shows, and a label that is given
    twice would share its probability with itself.
    """
    labels = read_texts(given, "label")
    if len(labels) == 1:
        raise UserError(f"{labels[0]!r} is the only label, and would be certain for any picture: give two or more")
    seen: dict[str, str] = {}
    for label in labels:
        read = with_article(fold_name(label))
        if read in seen:
            other = "" if fold_name(seen[read]) == fold_name(label) else f", once as {seen[read]!r}"
            raise UserError(f"the label {label!r} is given twice{other}: each may be given once")
        seen[read] = label
    return labels


def check_text(text: str, kind: str = "prompt") -> None:
    """Raise UserError for a text that is empty or longer than `LONGEST_PROMPT`."""
    if not text.strip():
        raise UserError(f"the {kind} is empty: say what the picture shows")
    if len(text) > LONGEST_PROMPT:
        raise UserError(
            f"the {kind} has {len(text):,} characters: {LONGEST_PROMPT:,} are the most; a sentence is enough"
        )


def read_properties(
    given: Mapping[str, Values],
    quantiles: Mapping[str, Tensor],
    count: int,
    categories: Mapping[str, NameTable],
) -> dict[str, Tensor]:
    """The values of each property that is set, in its unit, `(count,)`.

    `quantiles`, `(K,)` each, are those of the properties of the model, and `categories` the names that it knows, by
    property. Raises UserError for an unknown property or
    name, for a value out of its range, for another number of values than pictures, and for a percentile
    of a category or of a property that the model has not.
    """
    if not isinstance(given, Mapping):
        raise UserError(
            f"the properties are of type {type(given).__name__}: give a dictionary, as {{'brightness': 0.8}}"
        )
    return {
        name: read_category(name, value, count, categories.get(name))
        if find_property(str(name)).is_category
        else _read_property(name, value, quantiles, count)
        for name, value in given.items()
    }


def check_one_or_each(items: Sequence[object], count: int, item: str, whole: str) -> None:
    """Raise UserError unless there is one item for all of `count` wholes, or one for each; both are named."""
    if len(items) not in (1, count):
        found = f"{counted(len(items), item)} for {counted(count, whole)}"
        raise UserError(f"there are {found}: give one for all, or one for each")


def take_rows(items: list[Item], rows: slice) -> list[Item]:
    """The items of some rows; one for all of them stays what it is."""
    return items if len(items) == 1 else items[rows]


def read_percentile(name: str, text: str) -> float:
    """The share from 0 to 1 that "p90" stands for; UserError for anything else."""
    digits = text.strip().lower().removeprefix("p")
    try:
        percent = float(digits) if text.strip().lower().startswith("p") else math.nan
    except ValueError:
        percent = math.nan
    if not 0 <= percent <= 100:
        wanted = "a number, or a percentile of the training pictures from p0 to p100"
        raise UserError(f"{name} is {shorten_value(text)}: give {wanted}")
    return percent / 100


def _read_property(name: str, given: Values, quantiles: Mapping[str, Tensor], count: int) -> Tensor:
    try:
        if isinstance(given, str):
            given = _read_quantile(name, given, quantiles)
        elif isinstance(given, Sequence):
            if any(each is None for each in given):
                raise TypeError("NumPy takes None for NaN")
            read = [_read_quantile(name, each, quantiles) if isinstance(each, str) else each for each in given]
            given = np.asarray(read, dtype=np.float64)
        values = torch.as_tensor(given).to("cpu", torch.float32)
    except (TypeError, ValueError, RuntimeError):
        raise UserError(f"{name} is {shorten_value(given)}: give a number, or one for each picture") from None
    if values.ndim > 1 or (values.ndim == 1 and len(values) not in (1, count)):
        raise _other_number(name, values.numel(), count)
    scale = find_property(name)
    low, high = torch.tensor([scale.low, scale.high])  # as float32, like the values, so that both ends are allowed
    if not bool(((low <= values) & (values <= high)).all()):
        raise UserError(f"{name} runs from {scale.low} to {scale.high} ({scale.unit}), not {shorten_value(given)}")
    return values.expand(count)


def _read_quantile(name: str, text: str, quantiles: Mapping[str, Tensor]) -> float:
    if name not in quantiles:
        raise UserError(f"{name} is {shorten_value(text)}: this run was not trained with it, so give a number")
    scale = find_property(name)
    if scale.circular:
        raise UserError(f"{name} is {shorten_value(text)}: a circle has no percentiles, so give a number")
    value = from_quantile(read_percentile(name, text), quantiles[name])
    return min(max(value, scale.low), scale.high)


def read_category(name: str, given: Values, count: int, table: NameTable | None) -> Tensor:
    """The values `(count,)` of the names that are given for a category; `table` is None if the model has none of it.

    A tensor holds values that were read from names before. Raises UserError, which names the nearest, for
    a name that training did not see.
    """
    if table is None:
        raise UserError(
            f"{name} is a category, and this run was not trained with it: leave it out, or teach it with"
            f" `majolica extend RUN --property {name}`"
        )
    if not table.names:
        raise UserError(
            f"{name} is {shorten_value(given)}: this run has no names of it in its properties.json, so leave it out"
        )
    if isinstance(given, Tensor):
        known = torch.tensor([table(each) for each in table.names])
        if given.shape != (count,) or not bool(torch.isin(given.cpu().float(), known).all()):
            raise UserError(f"{name} is {shorten_value(given)}: give names of it, as {table.names[0]!r}")
        return given.cpu().float()
    words = list(given) if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) else [given]
    if len(words) not in (1, count):
        raise _other_number(name, len(words), count)
    return torch.tensor([_read_name(name, word, table) for word in words]).expand(count)


def _read_name(name: str, given: object, table: NameTable) -> float:
    if isinstance(given, float) and given.is_integer():  # a name that is written in digits became a number on its way
        given = int(given)
    word = fold_name(str(given))
    value = table(word)
    if math.isnan(value) and re.fullmatch(r"p\d+(\.\d+)?", word):
        raise UserError(f"{name} is {word}: names have no percentiles, so give one of {', '.join(table.names)}")
    if math.isnan(value):
        raise unknown_name(name, shorten_text(given), table.names)
    return value


def _other_number(name: str, values: int, count: int) -> UserError:
    found = f"{counted(values, 'value')} for {counted(count, 'picture')}"
    return UserError(f"{name} has {found}: give one, or one a picture")


def read_count(given: object, what: str) -> int:
    """A whole number of at least 1, such as the number of steps; UserError for anything else."""
    number = read_whole(given, what)
    if number < 1:
        raise UserError(f"{what} is {number}: at least 1")
    return number


def read_whole(given: object, what: str) -> int:
    """`given` as a Python integer; UserError where it is not a whole number."""
    try:
        if isinstance(given, bool):
            raise TypeError
        return operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        raise UserError(f"{what} is {shorten_value(given)}: give a whole number") from None


def read_number(given: object, what: str, wanted: str) -> float:
    """A finite number; UserError, which says to give what is `wanted`, for anything else."""
    try:
        number = float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{what} is {shorten_value(given)}: give {wanted}")
    return number


LARGEST_WEIGHT = 1000.0
"""Of guidance. Far below it pictures are noise, because predictions are pushed beyond black and white."""


def read_weight(given: object, what: str) -> float:
    """A guidance weight, from 0 to `LARGEST_WEIGHT`; UserError for anything else."""
    weight = read_number(given, what, "a number, 1 for none, 2 as a rule")
    if not 0 <= weight <= LARGEST_WEIGHT:
        raise UserError(f"{what} is {weight:g}: give 0 to {LARGEST_WEIGHT:g}, 1 for none, 2 as a rule")
    return weight
