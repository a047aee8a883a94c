"""Files of adapters: what they hold, and which are refused."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from majolica.adapters.card import KEY, AdapterCard
from majolica.adapters.store import (
    find_adapters,
    fresh_adapters,
    hold_adapter,
    load_adapters,
    read_card,
    save_adapter,
)
from majolica.errors import UserError
from majolica.models.adapter import PropertyAdapter
from majolica.properties import registry
from majolica.properties.property import Property
from majolica.properties.registry import add_property, find_property, measure_property
from tiny import TINY

CPU = torch.device("cpu")
CARD = AdapterCard("hue", "degrees of hue", 0.0, 360.0, True, "built in", "a" * 64, [], 10, 0.001, 5, 320, 1.0)
WARMTH = dataclasses.replace(CARD, name="warmth", unit="red less blue", low=-0.5, high=0.5, circular=False)


@pytest.fixture(autouse=True)
def only_built_in() -> Iterator[None]:
    yield
    registry._ADDED.clear()


def save(folder: Path, card: AdapterCard = CARD, file: str = "") -> Path:
    card_property = Property(card.unit, card.low, card.high, lambda x: x.mean((1, 2, 3)), card.circular)
    if card.name not in registry.known_properties():
        add_property(card.name, card_property)
    adapter = PropertyAdapter(card.name, TINY, card.names)
    path = folder / "adapters" / f"{file or card.name}.safetensors"
    save_adapter(path, adapter, card)
    registry._ADDED.clear()
    return path


def load(run: Path, *paths: Path) -> list[PropertyAdapter]:
    return load_adapters(paths or find_adapters(run), run, CARD.base, TINY, CPU)


def test_they_are_kept_with_their_card(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = save(tmp_path)
    torch.manual_seed(0)
    expected = PropertyAdapter("hue", TINY).state_dict()
    [found] = load(tmp_path)
    assert read_card(path) == CARD and not any(value.requires_grad for value in found.parameters())
    assert all(torch.equal(value, expected[name]) for name, value in found.state_dict().items())


def test_several_load_side_by_side(tmp_path: Path) -> None:
    save(tmp_path), save(tmp_path, dataclasses.replace(CARD, name="sharpness", circular=False, low=0.0, high=0.8))
    assert [adapter.name for adapter in load(tmp_path)] == ["hue", "sharpness"]


def test_one_for_another_base_is_refused_with_both_hashes(tmp_path: Path) -> None:
    save(tmp_path, dataclasses.replace(CARD, base="b" * 64))
    with pytest.raises(UserError, match=f"{'b' * 64}.*{'a' * 64}.*teach it anew"):
        load(tmp_path)


def test_a_property_that_is_there_already(tmp_path: Path) -> None:
    save(tmp_path, dataclasses.replace(CARD, name="contrast", circular=False))
    with pytest.raises(UserError, match="for contrast, which the model has already"):
        load(tmp_path)
    first, again = save(tmp_path / "two"), save(tmp_path / "two", file="again")
    with pytest.raises(UserError, match="for hue, which the model has already"):
        load(tmp_path / "two", first, again)


def test_a_users_property_can_be_set_and_not_measured(tmp_path: Path) -> None:
    save(tmp_path, WARMTH)
    load(tmp_path)
    assert find_property("warmth").high == 0.5
    with pytest.raises(UserError, match="how warmth is measured is not built in"):
        measure_property("warmth", torch.rand(1, 3, 4, 4))


def test_a_property_of_that_name_with_another_range(tmp_path: Path) -> None:
    save(tmp_path, WARMTH)
    add_property("warmth", Property("kelvin", 1000.0, 9000.0, lambda x: x.mean((1, 2, 3)), source="warmth.py"))
    with pytest.raises(UserError, match=r"from -0\.5 to 0\.5 red less blue, and another.*1000 to 9000 kelvin"):
        load(tmp_path)


@pytest.mark.parametrize(
    "change", [{"version": 1}, {"low": "x"}, {"names": "laion"}, {"names": ["A"]}, {"low": 400.0}, {"circular": 1}]
)
def test_a_card_that_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    path = save(tmp_path)
    content = json.dumps(dataclasses.asdict(CARD) | change)
    save_file({name: value for name, value in load_file(path).items()}, path, {KEY: content})
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path)


def test_weights_that_are_none(tmp_path: Path) -> None:
    path = save(tmp_path)
    for spoilt in ({"offsets": torch.full((3, 2, 6, 32), torch.nan)}, {"quantiles": torch.zeros(33)}):
        save_file(load_file(path) | spoilt, path, {KEY: CARD.to_json()})
        with pytest.raises(UserError, match="not finite or do not ascend"):
            load(tmp_path)


def test_stale_ones_in_the_folder_are_told_of_and_left_out(tmp_path: Path) -> None:
    save(tmp_path), save(tmp_path, dataclasses.replace(CARD, name="sharpness", circular=False, base="b" * 64))
    fresh, lines = fresh_adapters(tmp_path, CARD.base)
    assert [path.stem for path in fresh] == ["hue"] and len(lines) == 1 and "sharpness" in lines[0]
    assert fresh_adapters(tmp_path, CARD.base, sorted((tmp_path / "adapters").iterdir())) == ([], [])


def test_what_is_no_adapter(tmp_path: Path) -> None:
    folder = tmp_path / "adapters"
    folder.mkdir()
    with pytest.raises(UserError, match="is not there"):
        load(tmp_path, folder / "hue.safetensors")
    (folder / "hue.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"hue.safetensors cannot be read \("):
        load(tmp_path)
    save_file({"x": torch.zeros(1)}, folder / "hue.safetensors")
    with pytest.raises(UserError, match="is a safetensors file, but no adapter"):
        load(tmp_path)
    save_adapter(folder / "hue.safetensors", PropertyAdapter("sharpness", TINY), CARD)
    with pytest.raises(UserError, match="does not fit its card"):
        load(tmp_path)


def test_two_processes_do_not_teach_one_adapter(tmp_path: Path) -> None:
    with hold_adapter(tmp_path, "hue", None) as path:
        with pytest.raises(UserError, match="is in use: process"), hold_adapter(tmp_path, "hue", None):
            pass
        with hold_adapter(tmp_path, "sharpness", None):  # another is taught beside it
            pass
        save(tmp_path)
    assert path == tmp_path / "adapters" / "hue.safetensors"
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(ZeroDivisionError), hold_adapter(tmp_path, "hue", tmp_path / "new" / "deep" / "hue.safetensors"):
        raise ZeroDivisionError
    assert not (tmp_path / "new").exists()  # what fails leaves nothing
    with pytest.raises(UserError, match="exists, and something may depend on it"), hold_adapter(tmp_path, "hue", None):
        pass
