"""The dynamic programme finds what trying everything finds."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from benchmarks.usual import best_usual_placement, usual_placements
from numpy.typing import NDArray

from majolica.activation import solve as solver
from majolica.activation.chain import Chain, Link, Option, cost, peak
from majolica.activation.choices import CHOICES, Choice
from majolica.activation.plan import plan_chain
from majolica.activation.solve import smallest_budget, solve
from majolica.errors import UserError


def random_chain(length: int, seed: int) -> Chain[Choice]:
    """Any integers, in no order that real blocks would have; off-loading may free what others hold."""
    draw = random.Random(1000 * length + seed)
    links = [
        Link(
            f"block {index}",
            {
                choice: Option(draw.randint(-3, 40), draw.randint(0, 40), draw.randint(0, 60), draw.randint(0, 30))
                for choice in CHOICES
            },
            *(draw.randint(0, 30) for _ in range(4)),
        )
        for index in range(length)
    ]
    return Chain(tuple(links), ends=draw.randint(0, 60), flops=1000)


def everything(chain: Chain[Choice]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Peak and FLOPs of every assignment of choices, step by step as the memory would be seen."""
    picks = np.array(list(itertools.product(range(len(CHOICES)), repeat=len(chain.links))))

    def values(index: int, name: str) -> NDArray[np.int64]:
        return np.array([getattr(chain.links[index].options[c], name) for c in CHOICES])[picks[:, index]]

    live = np.zeros(len(picks), dtype=np.int64)
    peak = np.full(len(picks), chain.ends)
    flops = np.zeros(len(picks), dtype=np.int64)
    for index, link in enumerate(chain.links):
        peak = np.maximum(peak, live + link.rest_forward + values(index, "forward"))
        live = live + values(index, "held")
        peak = np.maximum(peak, live + link.after_forward)
        flops += values(index, "flops")
    for index, link in reversed(list(enumerate(chain.links))):
        peak = np.maximum(peak, live + link.rest_backward + values(index, "backward"))
        live = live - values(index, "held")
        peak = np.maximum(peak, live + link.after_backward)
    assert not live.any()
    return peak, flops


CHAINS = [(length, seed) for length in range(1, 7) for seed in range(8)]


@pytest.mark.parametrize(("length", "seed"), CHAINS)
def test_equals_brute_force(length: int, seed: int) -> None:
    chain = random_chain(length, seed)
    peaks, flops = everything(chain)
    for budget in np.unique(np.quantile(peaks, [0, 0.002, 0.01, 0.1, 0.3, 0.7, 1], method="nearest")):
        found = solve(chain, int(budget))
        assert found is not None
        assert peak(chain, found) <= budget
        assert cost(chain, found) == flops[peaks <= budget].min()


@pytest.mark.parametrize(("length", "seed"), CHAINS)
def test_the_smallest_budget_is_the_smallest(length: int, seed: int) -> None:
    chain = random_chain(length, seed)
    least = smallest_budget(chain)
    assert least == everything(chain)[0].min()
    assert peak(chain, plan_chain(chain, least).choices) == least
    with pytest.raises(UserError, match="is too small") as caught:
        plan_chain(chain, least - 1)
    named = round(float(str(caught.value).partition(": give --train.activation-gb ")[2].split()[0]) * 1e9, 6)
    assert least <= named < 1.002 * least


@pytest.mark.parametrize("seed", range(4))
def test_never_dearer_than_what_people_do(seed: int) -> None:
    chain = random_chain(12, seed)
    for name, choices in usual_placements(chain).items():
        found = solve(chain, peak(chain, choices))
        assert found is not None
        assert cost(chain, found) <= cost(chain, choices), name
        best = best_usual_placement(chain, peak(chain, choices))
        assert best is not None and cost(chain, found) <= best[1]


def test_usual_placements_are_all_there() -> None:
    placements = usual_placements(random_chain(4, 0))
    assert placements["full"] == ("recompute",) * 4
    assert placements["every 2th"] == ("recompute", "keep", "recompute", "keep")
    assert placements["the last 1"] == ("keep", "keep", "keep", "recompute")
    assert len(placements) == 5 + 4 * 4


@pytest.mark.parametrize("seed", range(6))
def test_a_thinned_front_keeps_to_the_budget_and_to_its_bound(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = random_chain(12, seed)
    low, high = smallest_budget(chain), peak(chain, ("keep",) * 12)
    budgets = range(low, max(low + 1, high), 7)
    exact = {budget: solve(chain, budget) for budget in budgets}
    monkeypatch.setattr(solver, "MAX_STATES", 8)
    thinner = 0
    for budget in budgets:
        found, best = solve(chain, budget), exact[budget]
        assert found is not None and best is not None
        assert peak(chain, found) <= budget
        thinner += cost(chain, found) > cost(chain, best)
    assert solve(chain, low - 1) is None
    if seed == 0:
        assert thinner, "a front of 8 loses nothing: this test tests nothing"
