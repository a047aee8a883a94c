"""A model with adapters is what it was wherever their properties are not set."""

import dataclasses

import pytest
import torch
from torch import Tensor

from majolica.models.adapter import PropertyAdapter
from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica
from majolica.properties.categories import NameTable
from majolica.recipes import recipe
from tiny import TINY, awake

OWN = len(TINY.properties)
NOISY = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
TIMES = torch.full((3,), 0.5)
TOKENS = torch.randint(5, 250, (3, 8), generator=torch.Generator().manual_seed(2))


def adapter(name: str, seed: int = 0) -> PropertyAdapter:
    torch.manual_seed(seed)
    found = awake(PropertyAdapter(name, TINY))
    assert isinstance(found, PropertyAdapter)
    return found


def ask(taught: list[list[float | None]], own: bool = True) -> Condition:
    """Three rows; `taught` has the values of each adapter's property in them, None where it is not set."""
    columns = torch.tensor([[value or 0.0 for value in row] for row in taught], dtype=torch.float32).view(3, -1)
    has = torch.tensor([[value is not None for value in row] for row in taught], dtype=torch.bool).view(3, -1)
    values = torch.cat((torch.full((3, OWN), 0.3), columns), 1)
    present = torch.cat((torch.tensor([[own, False, True]]).expand(3, OWN), has), 1)
    return Condition(TOKENS, torch.ones(3, dtype=torch.bool), values, present)


def paint(model: Majolica, asked: Condition) -> Tensor:
    return model.paint(*model.perceive(NOISY, TIMES), model.read(TOKENS), asked, NOISY, TIMES)[1]


@pytest.fixture
def plain(tiny: Majolica) -> Tensor:
    with torch.no_grad():
        return paint(tiny, ask([[], [], []]))


@pytest.mark.parametrize("names", [["hue"], ["hue", "sharpness"], ["sharpness", "hue", "subject_scale"]])
def test_a_property_that_is_not_set_changes_no_bit(tiny: Majolica, plain: Tensor, names: list[str]) -> None:
    tiny.adapters = [adapter(name, seed) for seed, name in enumerate(names)]
    with torch.no_grad():
        assert torch.equal(plain, paint(tiny, ask([[None] * len(names)] * 3)))


def test_rows_that_do_not_set_it_change_no_bit_beside_rows_that_do(tiny: Majolica, plain: Tensor) -> None:
    tiny.adapters = [adapter("hue"), adapter("sharpness", 1)]
    with torch.no_grad():
        mixed = paint(tiny, ask([[None, None], [120.0, None], [None, 0.6]]))
    assert torch.equal(mixed[0], plain[0])
    assert all((mixed[row] - plain[row]).abs().max() > 1e-3 for row in (1, 2))


def test_rows_that_do_not_set_it_change_no_bit_in_bfloat16(tiny: Majolica) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        plain = paint(tiny, ask([[], [], []]))
        tiny.adapters = [adapter("hue")]
        mixed = paint(tiny, ask([[None], [120.0], [None]]))
    assert torch.equal(mixed[::2], plain[::2]) and not torch.equal(mixed[1], plain[1])


def test_another_adapter_that_is_not_set_changes_no_bit_of_one_that_is(tiny: Majolica) -> None:
    hue, sharp = adapter("hue"), adapter("sharpness", 1)
    with torch.no_grad():
        tiny.adapters = [hue]
        alone = paint(tiny, ask([[120.0]] * 3))
        tiny.adapters = [sharp, hue]
        assert torch.equal(alone, paint(tiny, ask([[None, 120.0]] * 3)))


def test_it_begins_as_the_model_was(tiny: Majolica, plain: Tensor) -> None:
    torch.manual_seed(0)
    tiny.adapters = [PropertyAdapter("hue", TINY)]
    with torch.no_grad():
        assert torch.equal(plain, paint(tiny, ask([[120.0]] * 3)))


def test_the_code_of_a_number_is_its_place_among_those_of_training() -> None:
    own = PropertyAdapter("sharpness", TINY)
    own.quantiles.copy_(torch.linspace(0, 1, len(own.quantiles)).square())
    torch.testing.assert_close(own.encode(torch.tensor([0.0, 0.25, 1.0])), torch.tensor([[-1.0], [0.0], [1.0]]))


def test_the_code_of_an_angle_goes_around() -> None:
    codes = PropertyAdapter("hue", TINY).encode(torch.tensor([0.0, 90.0, 360.0]))
    torch.testing.assert_close(codes, torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]))


def test_the_code_of_a_name_is_its_place_in_the_table() -> None:
    table = NameTable(("coyo", "laion", "drawings"))
    own = PropertyAdapter("source", TINY, table.names)
    assert own.encode(torch.tensor([table(name) for name in table.names])).tolist() == torch.eye(3).tolist()


def test_gradients_flow_to_the_adapter_alone(tiny: Majolica) -> None:
    tiny.adapters = [adapter("hue")]
    for value in tiny.parameters():
        value.requires_grad_(False)
    paint(tiny, ask([[120.0]] * 3)).square().sum().backward()  # type: ignore[no-untyped-call]
    assert all(value.grad is not None and value.grad.any() for value in tiny.adapters[0].parameters())
    assert all(value.grad is None for value in tiny.parameters())


def test_the_first_gradient_moves_the_offsets(tiny: Majolica) -> None:
    torch.manual_seed(0)
    tiny.adapters = [PropertyAdapter("hue", TINY)]
    paint(tiny, ask([[120.0]] * 3)).square().sum().backward()  # type: ignore[no-untyped-call]
    own = tiny.adapters[0]
    assert own.offsets.grad is not None and own.offsets.grad.flatten(2).any(2).all()


@pytest.mark.parametrize("name", ["base", "large", "reference"])
def test_it_has_half_a_percent_of_the_parameters_at_most(name: str) -> None:
    with torch.device("meta"):
        model = Majolica(recipe(name).model)
    own = PropertyAdapter("hue", recipe(name).model)
    share = sum(x.numel() for x in own.parameters()) / sum(x.numel() for x in model.parameters())
    assert share <= 0.005


def test_an_adapter_is_no_part_of_the_model(tiny: Majolica) -> None:
    before = set(tiny.state_dict())
    tiny.adapters = [adapter("hue")]
    assert set(tiny.state_dict()) == before
    assert dataclasses.asdict(tiny.config)["properties"] == TINY.properties
