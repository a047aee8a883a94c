"""Predicted pictures are moved to what was asked for, and no further."""

import dataclasses
import math
import warnings

import pytest
import torch
from torch import Tensor

from majolica.errors import Notice, UserError
from majolica.models.pooling import pool
from majolica.properties import registry
from majolica.properties.property import Property
from majolica.properties.registry import (
    can_project,
    choose_measured,
    find_property,
    is_smooth,
    known_properties,
    measure_property,
)
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.projection import project
from majolica.sampling.wish import EARLY, START, Wish
from majolica.sampling.wishes import make_wish

SMOOTH = tuple(name for name in known_properties() if is_smooth(name))


def pictures(rows: int = 4) -> Tensor:
    """Smooth random pictures in [-1, 1], which have edges, colours and contrast."""
    coarse = torch.rand(rows, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    tint = torch.tensor([0.2, 0.0, -0.2]).view(1, 3, 1, 1)
    return torch.nn.functional.interpolate(coarse, size=(24, 24), mode="bilinear") * 1.4 - 0.7 + tint


def wish(**values: float | list[float]) -> Wish:
    columns = [torch.as_tensor(value, dtype=torch.float32).expand(4) for value in values.values()]
    return Wish(tuple(values), torch.stack(columns, 1), (True,) * len(values), (False,) * len(values))


def measured(name: str, images: Tensor) -> Tensor:
    return measure_property(name, ((images + 1) / 2).clamp(0, 1))


def test_which_can_be_followed() -> None:
    where = {"subject_scale", "subject_x", "subject_y"}  # the place of an edge is a whole pixel
    assert set(SMOOTH) == set(choose_measured(known_properties())) - where
    assert {name for name in known_properties() if can_project(name)} == set(SMOOTH) | where


@pytest.mark.parametrize("name", SMOOTH)
def test_pictures_come_near_what_is_wished(name: str) -> None:
    start, entry = pictures(), find_property(name)
    before = measured(name, start)
    target = before + 0.15 * entry.span * (1 if before.mean() < (entry.low + entry.high) / 2 else -1)
    moved = project(start, wish(**{name: target.tolist()}), 0.9)
    left = (measured(name, moved) - target) / entry.span
    left = (left + 0.5) % 1 - 0.5 if entry.circular else left
    assert float(left.abs().max()) < 0.03  # of 0.15, in three steps of a measure that is not linear


def test_pixels_at_which_a_measure_has_no_gradient_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The root in a user's measure has none on a white ground; the picture would be NaN throughout."""
    chroma = Property("chroma", 0.0, 1.0, lambda images: (images[:, 0] - images[:, 1]).square().sqrt().mean((1, 2)))
    monkeypatch.setitem(registry._ADDED, "chroma", chroma)
    start = pictures().clamp(-0.9, 0.9)
    start[..., :12] = 1.0
    moved = project(start, wish(chroma=(measured("chroma", start) + 0.02).tolist()), 0.9)
    torch.testing.assert_close(measured("chroma", moved), measured("chroma", start) + 0.02, atol=2e-3, rtol=0)
    assert torch.equal(moved[..., :12], start[..., :12])


def test_the_change_of_brightness_is_the_same_in_every_pixel() -> None:
    """The smallest change: a weighted sum of the channels, as luma weighs them."""
    start = pictures() * 0.5
    moved = project(start, wish(brightness=(measured("brightness", start) + 0.02).tolist()), 0.9) - start
    assert float(moved.flatten(2).std(2).max()) < 1e-6
    red, green, blue = moved[0, :, 0, 0].tolist()
    assert (red / green, blue / green) == pytest.approx((0.299 / 0.587, 0.114 / 0.587))


def test_two_properties_are_met_together() -> None:
    start = pictures()
    light, contrast = measured("brightness", start) + 0.1, measured("contrast", start) * 0.7
    moved = project(start, wish(brightness=light.tolist(), contrast=contrast.tolist()), 0.9)
    torch.testing.assert_close(measured("brightness", moved), light, atol=2e-3, rtol=0)
    torch.testing.assert_close(measured("contrast", moved), contrast, atol=2e-3, rtol=0)


def test_hues_turn_the_short_way_and_grey_is_left_alone() -> None:
    start = pictures()
    start[1] = 0.1
    hue = measured("hue", start)
    moved = project(start, wish(hue=((hue.nan_to_num(0) + 40) % 360).tolist()), 0.9)
    turned = (measured("hue", moved) - hue + 180) % 360 - 180
    assert turned[[0, 2, 3]].tolist() == pytest.approx([40] * 3, abs=1)
    assert torch.equal(moved[1], start[1])


def test_rows_that_wish_nothing_stay_as_they_are() -> None:
    start = pictures()
    moved = project(start, wish(brightness=[0.3, math.nan, 0.8, math.nan]), 0.9)
    assert torch.equal(moved[[1, 3]], start[[1, 3]]) and not torch.equal(moved[0], start[0])


def test_early_predictions_are_moved_only_for_what_the_model_has_not_learned() -> None:
    start, learned = pictures(), wish(brightness=0.3)
    unknown = dataclasses.replace(learned, learned=(False,))
    assert torch.equal(project(start, learned, START - 0.01), start)
    assert torch.equal(project(start, unknown, EARLY - 0.01), start)
    assert not torch.equal(project(start, unknown, START - 0.01), start)


def test_a_flat_picture_and_one_at_the_limits_give_finite_pictures() -> None:
    for level in (-1.0, 0.0, 1.0):
        flat = torch.full((4, 3, 8, 8), level)
        everything = wish(**{name: (find_property(name).low + find_property(name).high) / 2 for name in SMOOTH})
        assert project(flat, everything, 0.9).isfinite().all()


def test_what_the_model_has_not_learned_is_followed(pipeline: Pipeline) -> None:
    painted = pipeline.paint("a fox", properties={"saturation": 0.5}, steps=6)
    assert measure_property("saturation", painted / 255).item() == pytest.approx(0.5, abs=0.03)


def test_learned_properties_are_met(pipeline: Pipeline) -> None:
    wanted = {"brightness": 0.7, "contrast": 0.2}
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        painted = pipeline.paint(["a fox", "an owl"], properties=wanted, steps=6)
    for name, value in wanted.items():
        assert measure_property(name, painted / 255).tolist() == pytest.approx([value] * 2, abs=0.02)
    alone = pipeline.paint(["a fox", "an owl"], properties=wanted, steps=6, project=False)
    assert not torch.equal(painted, alone)


def test_what_is_missed_is_said(pipeline: Pipeline) -> None:
    with pytest.warns(
        Notice, match=r"brightness is missed \(2 of 2 pictures; asked for 0.9 mean luma, measured 0\.\d+\)"
    ):
        pipeline.paint(["a fox", "an owl"], properties={"brightness": 0.9}, steps=2, project=False)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"properties": {"watermark": 0.5}},
            r"not trained with watermark, .* teach it with `majolica extend RUN --prop",
        ),
        ({"properties": {"hue": 90.0}, "project": False}, "not trained with hue, so it can only be followed by proj"),
        ({"properties": {"hue": "p50"}}, "hue is 'p50': this run was not trained with it, so give a number"),
        ({"properties": {}, "hold": True}, "hold would change nothing where no property is set"),
        ({"properties": {"hu": 90.0}}, "unknown property 'hu': did you mean 'hue'"),
    ],
)
def test_what_cannot_be_followed_is_one_line(pipeline: Pipeline, asked: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        pipeline.paint("a fox", steps=2, **asked)  # type: ignore[arg-type]


def test_a_wish_needs_a_gradient_or_a_frame() -> None:
    assert make_wish({}, ("brightness",)) is None
    assert make_wish({"aesthetic_score": torch.ones(2)}, ("aesthetic_score",)) is None
    found = make_wish({"aspect": torch.ones(2), "subject_x": torch.ones(2), "hue": torch.ones(2)}, ("aspect", "hue"))
    assert found is not None and (found.names, found.learned) == (("subject_x", "hue"), (False, True))


def test_larger_pictures_are_measured_and_held_as_their_base_pictures(pipeline: Pipeline) -> None:
    # Details of a model without training reach far beyond black and white, where they are cut off.
    pipeline.model.decoder.leave.weight.data *= 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        large = pipeline.paint("a fox", 32, {"sharpness": 0.5, "brightness": 0.5}, steps=6, seed=3)
    base = pool(large / 255, 2)
    assert measure_property("sharpness", base).item() == pytest.approx(0.5, abs=0.03)
    held = pool(pipeline.paint("a fox", 32, {"brightness": 0.6}, steps=6, seed=3, hold=True) / 255, 2)
    plain = pool(pipeline.paint("a fox", 32, steps=6, seed=3) / 255, 2)
    assert measure_property("sharpness", held).item() == pytest.approx(
        measure_property("sharpness", plain).item(), abs=0.06
    )


def test_predictions_stay_within_what_a_screen_shows() -> None:
    everything = wish(brightness=0.9, contrast=0.35, saturation=0.9)
    moved = project(pictures(), everything, 0.9)
    assert moved.abs().max() <= 1


def test_two_wishes_are_not_taken_for_one_picture(pipeline: Pipeline) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        pipeline.paint(["a fox"] * 2, seed=1, properties={"saturation": [0.3, 0.5]}, steps=6)


def test_what_is_held_stays_as_it_is_without_any_property(pipeline: Pipeline) -> None:
    plain = pipeline.paint("a fox", steps=6, seed=3)
    held = pipeline.paint("a fox", steps=6, seed=3, properties={"brightness": 0.6}, hold=True)
    free = pipeline.paint("a fox", steps=6, seed=3, properties={"brightness": 0.6})
    others = [name for name in SMOOTH if name != "brightness"]

    def moved(painted: Tensor) -> list[float]:
        return [
            float(
                (measure_property(name, painted / 255) - measure_property(name, plain / 255)).abs()
                / find_property(name).span
            )
            for name in others
            if name != "hue"
        ]

    assert measure_property("brightness", held / 255).item() == pytest.approx(0.6, abs=0.03)
    assert sum(moved(held)) < 0.5 * sum(moved(free))


def test_a_property_that_was_asked_for_goes_before_one_that_is_held() -> None:
    start = pictures()
    contrast, colour = measured("contrast", start) * 0.6, measured("colourfulness", start)
    both = wish(contrast=contrast.tolist(), colourfulness=colour.tolist())
    moved = project(start, dataclasses.replace(both, held=(False, True)), 0.9)
    torch.testing.assert_close(measured("contrast", moved), contrast, atol=5e-3, rtol=0)
    alone = project(start, wish(contrast=contrast.tolist()), 0.9)
    drift = [(measured("colourfulness", images) - colour).abs().sum() for images in (moved, alone)]
    assert drift[0] < 0.3 * drift[1]


def test_no_picture_depends_on_those_beside_it() -> None:
    start, asked = pictures(), wish(saturation=0.3, contrast=[0.05, 0.1, 0.2, 0.3])
    together = project(start, asked, 0.9)
    for row in range(4):
        alone = project(start[row : row + 1], asked[row : row + 1], 0.9)
        torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=0)


def test_nothing_is_held_without_projection(pipeline: Pipeline) -> None:
    with pytest.raises(UserError, match="properties are held by projection alone: leave out hold"):
        pipeline.paint("a fox", steps=2, properties={"brightness": 0.6}, hold=True, project=False)
