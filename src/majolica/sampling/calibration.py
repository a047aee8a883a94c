"""What to ask a model for, so that its pictures measure what the user wants.

A run's `calibration.json` says for each property what pictures measured, on average, at some
requested values (`majolica calibrate`). It is followed backwards: a value that is wanted becomes the
request at which pictures measure it. In between straight lines are followed, and beyond the reach of
the model its nearest end is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from majolica.adapters.card import AdapterCard
from majolica.adapters.store import fresh_adapters, read_card
from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.properties.registry import find_property
from majolica.run.weights import digest

FILE = "calibration.json"


@dataclass(frozen=True)
class Response:
    """What pictures measure at requested values; both ascend."""

    requested: tuple[float, ...]
    measured: tuple[float, ...]
    adapter: str = ""
    """SHA-256 of the file of the adapter with which they were painted; "" for a property of the model's own."""

    def __post_init__(self) -> None:
        """Refuse what cannot be followed backwards, by ValueError."""
        if len(self.requested) < 2 or len(self.requested) != len(self.measured):
            raise ValueError("a response has as many measured as requested values, two or more")
        if not (np.isfinite(self.requested).all() and np.isfinite(self.measured).all()):
            raise ValueError("the values of a response are finite")
        if (np.diff(self.requested) <= 0).any() or (np.diff(self.measured) < 0).any():
            raise ValueError("the values of a response ascend")

    def invert(self, wanted: ArrayLike, period: float | None = None) -> NDArray[np.float64]:
        """The requests at which pictures measure the wanted values; angles have a `period`, and may be turns away."""
        x, y = np.asarray(self.measured), np.asarray(self.requested)
        if period is not None:
            x = np.minimum(x, x[0] + period * (1 - 1e-9))  # it goes around once, and no further
            x, y = (np.concatenate([values + turn * period for turn in (-1, 0, 1)]) for values in (x, y))
        kept = np.concatenate(([True], np.diff(x) > 0))  # of equal measured values the first request
        found: NDArray[np.float64] = np.interp(np.asarray(wanted, np.float64), x[kept], y[kept])
        return found


Calibration = Mapping[str, Response]
"""The responses of a run by property; those that it lacks are asked for as they are wanted."""


def correct_values(name: str, wanted: ArrayLike, calibration: Calibration) -> NDArray[np.float64]:
    """What to ask for, so that pictures measure the wanted values of a property."""
    values = np.asarray(wanted, np.float64)
    if name not in calibration:
        return values
    entry = find_property(name)
    if not entry.circular:
        return calibration[name].invert(values)
    turned = calibration[name].invert(values, entry.span) - entry.low
    return entry.low + turned % entry.span


def load_calibration(run: Path, base: str) -> Calibration | None:
    """The calibration of a run folder, empty where there is none, and None if it is for other weights than `base`.

    `base` is the SHA-256 of the run's weights. Raises UserError for a file that cannot be read.
    """
    path = run / FILE
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
        responses = {
            name: Response(
                tuple(map(float, each["requested"])), tuple(map(float, each["measured"])), str(each.get("adapter", ""))
            )
            for name, each in found["responses"].items()
        }
        return responses if found["base"] == base else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}): remove it, and make it anew with `majolica calibrate {run}`"
        ) from error


def digest_adapters(paths: Sequence[Path]) -> dict[str, str]:
    """The SHA-256 of the files of adapters by the properties that they were taught."""
    cards = {path: read_card(path) for path in paths}
    return {card.name: digest(path) for path, card in cards.items() if isinstance(card, AdapterCard)}


def leave_out_others(run: Path, calibration: Calibration, adapters: Sequence[Path]) -> tuple[Calibration, list[str]]:
    """The calibration without the responses of other adapters than these, and a line for each that is left out."""
    digests = digest_adapters(adapters)
    others = [name for name, each in calibration.items() if digests.get(name, each.adapter) != each.adapter]
    lines = [
        f"the calibration of {name} in {run} is for another adapter of it: make it anew with `majolica calibrate {run}`"
        for name in others
    ]
    return {name: each for name, each in calibration.items() if name not in others}, lines


def save_calibration(run: Path, calibration: Calibration, base: str) -> None:
    """Write `calibration.json` for weights with the SHA-256 `base`, and for the adapters of them in the run folder."""
    digests = digest_adapters(fresh_adapters(run, base)[0])
    responses = {
        name: {
            "requested": list(each.requested),
            "measured": list(each.measured),
            "adapter": each.adapter or digests.get(name, ""),
        }
        for name, each in calibration.items()
    }
    write_atomic(run / FILE, json.dumps({"base": base, "responses": responses}, indent=1))
