"""Ranges stand on the fields of configurations, and one function holds every number to its range."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest

from majolica.config.bounds import ANY, above, at_least_or_off, at_most, between, check_ranges, numbers
from majolica.config.data import DataConfig, SourceConfig
from majolica.config.fetch import FetchConfig
from majolica.config.filter import FilterConfig
from majolica.config.run import RunConfig
from majolica.config.shard import ShardConfig
from majolica.errors import UserError

CONFIGS = (RunConfig(), FetchConfig(), FilterConfig(), ShardConfig())


@dataclass(frozen=True)
class Inner:
    signed: Annotated[float, ANY] = -3.0
    plain: int = 0


@dataclass(frozen=True)
class Outer:
    part: Annotated[float, above(0), at_most(1)] = 0.5
    rows: Annotated[int, between(1, 2**31)] = 1
    limit: Annotated[float, at_least_or_off(2)] = 0.0
    weights: Annotated[tuple[float, ...], above(0)] = ()
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()


def replaced(config: Any, path: str, value: object) -> Any:
    name, _, rest = path.partition(".")
    if match := re.fullmatch(r"(\w+)\[(\d+)\]", name):
        items = list(getattr(config, match[1]))
        items[int(match[2])] = replaced(items[int(match[2])], rest, value)
        return dataclasses.replace(config, **{match[1]: tuple(items)})
    return dataclasses.replace(config, **{name: replaced(getattr(config, name), rest, value) if rest else value})


def test_values_within_their_ranges_pass() -> None:
    check_ranges(Outer(1.0, 2**31, 2.0, (0.1, 5.0), Inner(-1e9, 3), (Inner(), Inner(7.0))))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (Outer(part=0.0), "part is 0: it must be above 0"),
        (Outer(part=1.5), "part is 1.5: it must be at most 1"),
        (Outer(part=math.nan), "part is nan: it must be above 0"),
        (Outer(rows=0), "rows is 0: it must be between 1 and 2147483648"),
        (Outer(rows=10**12), "rows is 1000000000000: it must be between 1 and 2147483648"),
        (Outer(limit=1.0), "limit is 1: it must be at least 2, or 0 for no limit"),
        (Outer(limit=math.inf), "limit is inf: give a finite number"),
        (Outer(weights=(1.0, 0.0)), "weights[1] is 0: it must be above 0"),
        (Outer(inner=Inner(math.nan)), "inner.signed is nan: give a finite number"),
        (Outer(inner=Inner(plain=-2)), "inner.plain is -2: it must not be negative"),
        (Outer(many=(Inner(), Inner(plain=-2))), "many[1].plain is -2: it must not be negative"),
    ],
)
def test_a_value_outside_is_refused_by_name(config: Outer, told: str) -> None:
    with pytest.raises(UserError) as caught:
        check_ranges(config)
    assert str(caught.value) == told


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
def test_every_number_of_every_configuration_is_checked(config: Any) -> None:
    check_ranges(config)
    found = list(numbers(config))
    names = [name for name, _, _ in found if not name.endswith("]")]
    assert len(names) >= 7
    for name in names:
        with pytest.raises(UserError, match=f"{re.escape(name)} is nan"):
            check_ranges(replaced(config, name, math.nan))
    signed = {name for name, _, bounds in found if ANY in bounds}
    assert signed == {"loss.t_mean", "model.logit_bias", "sample.seed"} & set(names)
    for name in set(names) - signed - {"rules.similarity.min", "rules.similarity.max"}:
        with pytest.raises(UserError, match=f"{re.escape(name)} is -1"):
            check_ranges(replaced(config, name, -1))


def test_the_sources_of_a_mixture_are_checked_too() -> None:
    sources = (SourceConfig("a"), SourceConfig("b", -1.0))
    with pytest.raises(UserError, match=r"sources\[1\].weight is -1: it must not be negative"):
        check_ranges(DataConfig(sources=sources))
