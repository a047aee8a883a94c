"""The file of an adapter that follows reference pictures: what it holds, and which are refused."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from majolica.adapters.card import KEY, AdapterCard
from majolica.adapters.reference_card import ReferenceCard
from majolica.adapters.store import (
    find_adapters,
    fresh_adapters,
    list_properties,
    load_adapters,
    load_reference_adapters,
    read_card,
    save_adapter,
)
from majolica.errors import UserError
from majolica.models.adapter import PropertyAdapter
from majolica.models.reference import ReferenceAdapter
from tiny import TINY

CPU = torch.device("cpu")
CARD = ReferenceCard("a" * 64, 8, 10, 0.001, 5, 320, 1.0)
HUE = AdapterCard("hue", "degrees of hue", 0.0, 360.0, True, "built in", "a" * 64, [], 10, 0.001, 5, 320, 1.0)


def save(folder: Path, card: ReferenceCard = CARD, file: str = "reference") -> Path:
    path = folder / "adapters" / f"{file}.safetensors"
    save_adapter(path, ReferenceAdapter(TINY, card.rank), card)
    return path


def load(run: Path, *paths: Path) -> list[ReferenceAdapter]:
    return load_reference_adapters(paths or find_adapters(run), run, CARD.base, TINY, CPU)


def test_it_is_kept_with_its_card_beside_a_property(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = save(tmp_path)
    save_adapter(tmp_path / "adapters" / "hue.safetensors", PropertyAdapter("hue", TINY), HUE)
    torch.manual_seed(0)
    expected = ReferenceAdapter(TINY).state_dict()
    [found] = load(tmp_path)
    assert read_card(path) == CARD and not any(value.requires_grad for value in found.parameters())
    assert all(torch.equal(value, expected[name]) for name, value in found.state_dict().items())
    [hue] = load_adapters(find_adapters(tmp_path), tmp_path, CARD.base, TINY, CPU)
    assert hue.name == "hue" and list_properties(find_adapters(tmp_path)) == ["hue"]


def test_the_card_of_a_property_has_no_kind(tmp_path: Path) -> None:
    path = tmp_path / "adapters" / "hue.safetensors"
    save_adapter(path, PropertyAdapter("hue", TINY), HUE)
    assert "kind" not in json.loads(HUE.to_json())
    assert read_card(path) == HUE and load(tmp_path) == []
    assert set(load_file(path)) == {"offsets", "quantiles"}


def test_one_for_another_base_is_refused_or_left_out(tmp_path: Path) -> None:
    save(tmp_path, dataclasses.replace(CARD, base="b" * 64))
    with pytest.raises(UserError, match=f"{'b' * 64}.*{'a' * 64}.*teach it anew"):
        load(tmp_path)
    fresh, [line] = fresh_adapters(tmp_path, CARD.base)
    assert fresh == [] and "reference.safetensors is left out, because it was taught to other weights" in line


def test_a_run_follows_one(tmp_path: Path) -> None:
    first, again = save(tmp_path), save(tmp_path, file="again")
    with pytest.raises(UserError, match=r"reference.safetensors and .*again.safetensors are adapters for reference"):
        load(tmp_path, first, again)


@pytest.mark.parametrize("change", [{"rank": "8"}, {"rank": 0}, {"kind": "sketch"}, {"kind": 1}, {"more": 1}])
def test_a_card_that_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    path = save(tmp_path)
    save_file(load_file(path), path, {KEY: json.dumps(dataclasses.asdict(CARD) | change)})
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path)


def test_values_that_are_none(tmp_path: Path) -> None:
    path = save(tmp_path)
    for spoilt in ({"offsets": torch.full((8, 2, 6, 32), torch.nan)}, {"scale": torch.zeros(80)}):
        save_file(load_file(path) | spoilt, path, {KEY: CARD.to_json()})
        with pytest.raises(UserError, match="not finite or no scale"):
            load(tmp_path)
    save_adapter(path, ReferenceAdapter(TINY, rank=4), CARD)
    with pytest.raises(UserError, match="does not fit its card"):
        load(tmp_path)
