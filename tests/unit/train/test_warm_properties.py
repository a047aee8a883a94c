"""What belongs to a property is taken by its name when a run begins with the weights of another."""

import dataclasses
from pathlib import Path

import torch

from majolica.config.io import save_config
from majolica.config.run import RunConfig
from majolica.train.warm_properties import KINDS, arrange_properties
from tiny import TINY

OFFSETS = "conditions.offsets"


def number(rows: int, start: int) -> dict[str, torch.Tensor]:
    """Rows that are all different."""
    return {
        KINDS: torch.arange(start, start + rows).float()[:, None].expand(rows, 4).clone(),
        OFFSETS: torch.arange(start, start + rows).float()[:, None, None, None].expand(rows, 1, 6, 4).clone(),
    }


def test_rows_are_taken_by_name_and_an_angle_has_three_offsets(tmp_path: Path) -> None:
    theirs = RunConfig(model=dataclasses.replace(TINY, properties=("hue", "contrast")))
    save_config(theirs, tmp_path / "config.yaml")
    (tmp_path / "ema.safetensors").write_bytes(b"")
    ours = dataclasses.replace(theirs, model=dataclasses.replace(TINY, properties=("contrast", "sharpness", "hue")))
    kept, first = number(4, 10), number(5, 20)
    kept[KINDS], first[KINDS] = kept[KINDS][:2], first[KINDS][:3]
    found, notes = arrange_properties(kept, first, tmp_path / "ema.safetensors", ours)
    assert found[KINDS][:, 0].tolist() == [11, 21, 10]
    assert found[OFFSETS][:, 0, 0, 0].tolist() == [13, 21, 10, 11, 12]
    assert notes == ["starting fresh, of the properties: sharpness"]


def test_offsets_that_they_do_not_have_stay_as_they_are(tmp_path: Path) -> None:
    theirs = RunConfig(model=dataclasses.replace(TINY, properties=("hue", "contrast")))
    save_config(theirs, tmp_path / "config.yaml")
    ours = dataclasses.replace(theirs, model=dataclasses.replace(TINY, properties=("contrast",)))
    kept, first = number(2, 10), number(1, 20)
    del kept[OFFSETS]
    found, _ = arrange_properties(kept, first, tmp_path / "ema.safetensors", ours)
    assert found[KINDS][:, 0].tolist() == [11] and OFFSETS not in found
