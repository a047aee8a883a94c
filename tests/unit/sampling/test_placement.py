"""Subjects are moved to where they were asked for."""

import dataclasses
import math
import warnings

import pytest
import torch
from torch import Tensor

from majolica.errors import Notice
from majolica.properties.pixels import subject_box
from majolica.properties.registry import find_property, measure_property
from majolica.sampling import paint_pictures, painting
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.placement import NEAR, TIMES, move_box, place_subjects, split_times
from majolica.sampling.solvers import spread_times
from majolica.sampling.wish import Wish

SIDE = 64


def draw(left: int, top: int, right: int, bottom: int) -> Tensor:
    """A dark square on a light ground, in [-1, 1]."""
    image_13HW = torch.full((1, 3, SIDE, SIDE), 0.8)
    image_13HW[..., top:bottom, left:right] = -0.8
    return image_13HW


def wish(**values: list[float]) -> Wish:
    columns = [torch.tensor(value) for value in values.values()]
    return Wish(tuple(values), torch.stack(columns, 1), (False,) * len(values), (False,) * len(values))


@pytest.mark.parametrize(
    ("asked", "box"),
    [
        ({"subject_x": [0.75]}, (0.6, 0.3, 0.9, 0.6)),
        ({"subject_y": [0.25]}, (0.3, 0.1, 0.6, 0.4)),
        ({"subject_scale": [0.45]}, (0.225, 0.225, 0.675, 0.675)),
        ({"subject_scale": [0.15], "subject_x": [0.2], "subject_y": [0.8]}, (0.125, 0.725, 0.275, 0.875)),
    ],
)
def test_a_drawn_square_moves_to_the_place_and_the_size(asked: dict[str, list[float]], box: tuple[float, ...]) -> None:
    start, end = round(0.3 * SIDE), round(0.6 * SIDE)
    moved = place_subjects(draw(start, start, end, end), wish(**asked))
    found = subject_box((moved + 1) / 2)[0].tolist()
    assert found == pytest.approx(box, abs=1.5 / SIDE)
    for name, (value,) in asked.items():
        assert measure_property(name, (moved + 1) / 2).item() == pytest.approx(value, abs=1.5 / SIDE)
    assert moved[0, 0, 0, 0].item() == pytest.approx(0.8)  # the ground goes on


def test_the_shape_stays_as_it_is() -> None:
    start = draw(20, 10, 36, 50)  # 16 by 40 pixels
    left, top, right, bottom = subject_box((place_subjects(start, wish(subject_scale=[0.9])) + 1) / 2)[0].tolist()
    assert (right - left) / (bottom - top) == pytest.approx(16 / 40, abs=0.04)


def test_what_is_right_or_empty_or_not_asked_for_stays_bit_by_bit() -> None:
    box = torch.tensor([20, 20, 44, 44])
    rows = torch.cat((draw(*box.tolist()), torch.zeros(1, 3, SIDE, SIDE), draw(5, 5, 20, 20)))
    near = measure_property("subject_x", (rows[:1] + 1) / 2).item() + 0.9 * NEAR
    moved = place_subjects(rows, wish(subject_x=[near, 0.9, math.nan]))
    assert torch.equal(moved, rows)
    assert not torch.equal(place_subjects(rows, wish(subject_x=[0.8, 0.9, math.nan]))[0], rows[0])


def test_no_picture_depends_on_those_beside_it() -> None:
    rows = torch.cat((draw(5, 5, 20, 20), draw(30, 10, 60, 50), draw(20, 20, 30, 30)))
    asked = wish(subject_scale=[0.6, 0.3, math.nan], subject_y=[0.5, math.nan, 0.2])
    together = place_subjects(rows, asked)
    for row in range(3):
        alone = place_subjects(rows[row : row + 1], asked[row : row + 1])
        torch.testing.assert_close(alone[0], together[row], atol=1e-6, rtol=0)


def test_the_times_of_the_solver_are_split_where_subjects_are_moved() -> None:
    times = spread_times(20, 0.75)
    parts = split_times(times, wish(subject_x=[0.5]))
    assert [part[0] for part in parts[1:]] == pytest.approx(list(TIMES), abs=0.02)
    assert [*parts[0], *(t for part in parts[1:] for t in part[1:])] == times
    assert split_times(times, None) == split_times(times, wish(brightness=[0.5])) == [times]
    for steps in (1, 2, 3):
        few = split_times(spread_times(steps), wish(subject_x=[0.5]))
        assert (few[0][0], few[-1][-1]) == (0.0, 1.0)


def test_a_run_that_never_learned_it_paints_the_subject_where_it_is_asked_for(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is a painter of squares here, because a tiny model without training draws no subject."""
    square = draw(24, 24, 40, 40)
    side = pipeline.resolution
    small = torch.nn.functional.interpolate(square, (side, side))

    def paint_guided(model: object, noisy: Tensor, *rest: object) -> Tensor:
        """Predict what the state shows, and a square in the middle where it shows nothing yet."""
        t = float(rest[0][0])  # type: ignore[index]
        shown = (noisy / max(t, 1e-3)).clamp(-1, 1) if t > 0.15 else small.expand_as(noisy)
        return shown

    monkeypatch.setattr(painting, "paint_guided", paint_guided)
    monkeypatch.setattr(paint_pictures, "draw_noise", lambda seed, base, *rest: torch.zeros(3, *base))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        painted = pipeline.paint("a fox", properties={"subject_x": 0.7}, churn=0)
    assert measure_property("subject_x", painted / 255).item() == pytest.approx(0.7, abs=0.1)


def test_a_scale_keeps_the_middle_and_a_place_the_size() -> None:
    box = torch.tensor([[0.2, 0.3, 0.4, 0.9]])
    scale, across = find_property("subject_scale").frame, find_property("subject_x").frame
    assert scale is not None and across is not None
    assert scale(box, torch.tensor([0.3]))[0].tolist() == pytest.approx([0.25, 0.45, 0.35, 0.75])
    assert across(box, torch.tensor([0.5]))[0].tolist() == pytest.approx([0.4, 0.3, 0.6, 0.9])


def test_held_properties_hold_the_subject_too() -> None:
    square = draw(20, 20, 40, 40)
    held = dataclasses.replace(wish(brightness=[0.5])).hold((square + 1) / 2)
    assert {"subject_scale", "subject_x", "subject_y"} <= set(held.names)


def test_places_are_exact_under_autocast() -> None:
    """A large picture is moved as it is without bfloat16, in which a thousand columns are one another."""
    ramp = torch.linspace(-1, 1, 1056).expand(1, 3, 1056, 1056).clone()
    ramp[..., 300:600, 300:600] = 1
    asked = wish(subject_scale=[0.45], subject_x=[0.3])
    with torch.autocast("cpu", torch.bfloat16):
        found = place_subjects(ramp, asked)
    assert torch.equal(found, place_subjects(ramp, asked))


def test_a_horizon_is_moved_along_one_axis() -> None:
    start = torch.full((1, 3, SIDE, SIDE), 0.8)
    start[:, :, 24:26, 16:48] = -0.8
    box = torch.tensor([[0.25, 0.4, 0.75, 0.4]])
    wanted = torch.tensor([[0.15, 0.4, 0.65, 0.4]])
    torch.testing.assert_close(move_box(start, box, box), start, atol=1e-5, rtol=0)
    moved = move_box(start, box, wanted) < 0
    assert moved.any(3)[0, 0].nonzero()[:, 0].tolist() == [24, 25]
    assert moved.any(2)[0, 0].nonzero()[:, 0].tolist() == pytest.approx(list(range(10, 42)), abs=1)
