"""Values and their places among those of training."""

from pathlib import Path

import pytest
import torch

from majolica.errors import UserError
from majolica.properties.quantiles import (
    FILE,
    KNOTS,
    fit_quantiles,
    from_quantile,
    load_quantiles,
    save_quantiles,
    spread_evenly,
    to_quantile,
)
from majolica.properties.registry import find_property

CONTRAST = find_property("contrast")
SKEWED = torch.rand(4000, generator=torch.Generator().manual_seed(0)).double() ** 2 * 0.3 + 0.05


def test_places_of_the_values_themselves_are_uniform() -> None:
    places = to_quantile(SKEWED[:, None], fit_quantiles(CONTRAST, SKEWED)[None].double())
    assert places.quantile(torch.tensor([0.1, 0.5, 0.9]).double()).tolist() == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


NORMAL = torch.randn(1024, generator=torch.Generator().manual_seed(1)).double()


def decile_shares(values_N: torch.Tensor) -> list[float]:
    """The shares of values in each tenth of the places."""
    places_N = to_quantile(values_N.float()[:, None], fit_quantiles(CONTRAST, values_N)[None]).flatten()
    return (torch.histc(places_N.clamp(0, 1), 10, 0, 1) / len(values_N)).tolist()


@pytest.mark.parametrize("values", [SKEWED, (0.7 * NORMAL - 2.5).exp()])
def test_deciles_are_equally_frequent(values: torch.Tensor) -> None:
    """So that sampling that is balanced over deciles would draw what is drawn anyhow (ADR 066)."""
    assert decile_shares(values) == pytest.approx([0.1] * 10, abs=0.007)


def test_equal_values_are_in_one_decile_and_a_narrow_spread_is_not_stretched() -> None:
    half = torch.cat((torch.full((512,), 0.2).double(), torch.linspace(0, 0.4, 512).double()))
    shares = sorted(decile_shares(half))
    assert shares[-1] > 0.5 and shares[3] < 0.01  # four deciles are as good as empty
    assert max(decile_shares(0.2 + 0.001 * NORMAL)) > 0.2


def test_an_even_scale_is_a_straight_line_also_beyond_its_ends() -> None:
    values = torch.tensor([[0.05], [0.2], [0.35], [0.5], [-0.1]])
    places = to_quantile(values, spread_evenly(CONTRAST)[None]).flatten()
    assert places.tolist() == pytest.approx([0, 0.5, 1, 1.5, -0.5])


def test_a_place_and_its_value_are_inverse() -> None:
    knots = fit_quantiles(CONTRAST, SKEWED)
    for place in (0.0, 0.013, 0.5, 0.77, 1.0):
        value = torch.tensor([[from_quantile(place, knots)]])
        assert to_quantile(value, knots[None]).item() == pytest.approx(place, abs=1e-5)


def test_equal_values_still_ascend() -> None:
    knots = fit_quantiles(CONTRAST, torch.cat((torch.full((900,), 0.1), torch.full((100,), 0.3))))
    assert (knots.diff() > 0).all()


def test_angles_and_too_few_values_stay_even() -> None:
    hue = find_property("hue")
    assert torch.equal(fit_quantiles(hue, torch.rand(500) * 20), spread_evenly(hue))
    assert torch.equal(fit_quantiles(CONTRAST, torch.full((500,), torch.nan)), spread_evenly(CONTRAST))


def test_they_are_kept_by_name(tmp_path: Path) -> None:
    knots = fit_quantiles(CONTRAST, SKEWED)
    even = spread_evenly(find_property("brightness"))
    save_quantiles(tmp_path, {"contrast": knots, "brightness": even})
    assert torch.equal(load_quantiles(tmp_path, ("brightness", "contrast")), torch.stack((even, knots)))
    assert load_quantiles(tmp_path, ()).shape == (0, KNOTS)


def test_what_is_lost_is_not_made_up(tmp_path: Path) -> None:
    """Other quantiles would be values that the model never learned."""
    assert load_quantiles(tmp_path, ()).shape == (0, KNOTS)
    with pytest.raises(UserError, match=f"{FILE} is missing, which the model needs: restore it"):
        load_quantiles(tmp_path, ("contrast",))
    save_quantiles(tmp_path, {"contrast": fit_quantiles(CONTRAST, SKEWED)})
    with pytest.raises(UserError, match=f"{FILE} does not say which values hue has"):
        load_quantiles(tmp_path, ("contrast", "hue"))


@pytest.mark.parametrize("content", ["{", "[]", "[]x", '{"contrast": {"quantiles": [1, 2]}}', '{"contrast": 3}'])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(UserError, match=f"{FILE} cannot be read .*restore it"):
        load_quantiles(tmp_path, ("contrast",))
