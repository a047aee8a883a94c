"""What a resume may not change is refused by the name of the option, also where no tensor's shape would tell."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from majolica.config import io
from majolica.config.lasting import check_lasting, lasting_options
from majolica.config.run import RunConfig
from majolica.errors import UserError

SAVED = json.loads(json.dumps(lasting_options(RunConfig())))
"""As a checkpoint has them."""


def changed(section: Any, path: str) -> list[tuple[str, dict[str, Any]]]:
    """Every option of a section with another value than it has, as nested keys for `io.from_dict`."""
    found: list[tuple[str, dict[str, Any]]] = []
    for field in fields(section):
        value = getattr(section, field.name)
        if is_dataclass(value):
            found += [(name, {field.name: keys}) for name, keys in changed(value, f"{path}.{field.name}")]
        else:
            other: Any = "tokens" if isinstance(value, str) else None
            other = other or (list(reversed(value)) if isinstance(value, tuple) else value + 1)
            found.append((f"{path}.{field.name}", {field.name: other}))
    return found


@pytest.mark.parametrize(("name", "keys"), changed(RunConfig().model, "model"), ids=lambda value: str(value)[:40])
def test_every_option_of_the_model_is_kept(name: str, keys: dict[str, Any]) -> None:
    """Heads, registers and the order of the properties too, with which the same weights compute something else."""
    with pytest.raises(UserError, match=rf"^{name} is .* in the saved run and .* here: a run keeps this option"):
        check_lasting(SAVED, io.from_dict({"model": keys}, RunConfig()))


def test_the_message_names_all_that_was_changed_with_both_values() -> None:
    config = io.from_dict({"model": {"width": 128, "properties": ["contrast"]}, "train": {"seed": 7}}, RunConfig())
    with pytest.raises(UserError) as raised:
        check_lasting(SAVED, config)
    assert str(raised.value) == (
        "model.width is 2048 in the saved run and 128 here, model.properties is brightness, contrast, colourfulness in"
        " the saved run and contrast here, train.seed is 0 in the saved run and 7 here: a run keeps these options to"
        " its end; leave them as in the saved run, or train anew into another --out"
    )


@pytest.mark.parametrize(("before", "now", "refused"), [(0, 0.1, True), (0.1, 0, True), (0.1, 0.2, False)])
def test_whether_there_is_muon_is_kept_and_its_rate_may_change(before: float, now: float, refused: bool) -> None:
    saved = lasting_options(io.from_dict({"optim": {"muon_lr": before}}, RunConfig()))
    config = io.from_dict({"optim": {"muon_lr": now}}, RunConfig())
    if not refused:
        check_lasting(saved, config)
        return
    with pytest.raises(UserError, match=r"optim\.muon_lr is"):
        check_lasting(saved, config)


def test_all_else_may_change() -> None:
    train = {"steps": 9, "batch": 3, "accumulate": 1, "processes": 2, "precision": "fp32", "log_every": 1, "keep": 9}
    keys = {
        "train": train,
        "optim": {"lr": 1e-3, "clip": 2.0, "ema": 0.5, "beta2": 0.9},
        "loss": {"contrastive": 0.5, "clean_share": 0.1, "fine_share": 0.5},
        "data": {"shards": "elsewhere", "flip": False, "threads": 1, "fit": "pad"},
    }
    check_lasting(SAVED, io.from_dict(keys, RunConfig()))


def test_an_option_that_another_version_lacks_is_passed_over() -> None:
    older = {name: value for name, value in SAVED.items() if name != "model.registers"} | {"model.gone": 1}
    check_lasting(older, io.from_dict({"model": {"registers": 9}}, RunConfig()))
