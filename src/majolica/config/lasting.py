"""The options that a run keeps to its end, and the refusal of a resume that would change one of them.

These are the options that the saved weights, the optimiser's state or the place in the data were made with, whether or
not a tensor's shape tells: another number of heads fits the same weights and computes something else. All others may
change on the way (steps, batch, processes, losses, learning rates, where the data lie); what that means for the data
is `majolica.data.order.resume`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from majolica.config.io import to_dict
from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.plurals import plural

MUON = "optim.muon_lr"
"""Whether Muon steps the matrices is kept, for it and AdamW keep other state; its rate above 0 may change."""


def lasting_options(config: RunConfig) -> dict[str, Any]:
    """JSON: option -> value. All of the model, whether there is Muon, and the seed."""
    options = dict(_flatten(to_dict(config.model), "model"))
    return options | {MUON: config.optim.muon_lr, "train.seed": config.train.seed}


def check_lasting(saved: Mapping[str, Any], config: RunConfig) -> None:
    """UserError that names every option of `saved`, from `lasting_options`, that `config` gives another value.

    An option that only one of them has is of another version of Majolica, and is passed over.
    """
    here = lasting_options(config)
    changed = [name for name, value in here.items() if name in saved and not _is_same(name, saved[name], value)]
    if changed:
        said = ", ".join(
            f"{name} is {_format_value(saved[name])} in the saved run and {_format_value(here[name])} here"
            for name in changed
        )
        raise UserError(
            f"{said}: a run keeps {plural(len(changed), 'this option', 'these options')} to its end; leave"
            f" {plural(len(changed), 'it', 'them')} as in the saved run, or train anew into another --out"
        )


def _is_same(name: str, saved: Any, here: Any) -> bool:
    return (saved > 0) == (here > 0) if name == MUON else bool(saved == here)


def _flatten(section: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{path}.{name}")
        else:
            yield f"{path}.{name}", value


def _format_value(value: Any) -> str:
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)
