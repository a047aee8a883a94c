"""Whether a loader can go on from a saved state with the same samples in the same order, or the reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from majolica.config.data import DataConfig
from majolica.config.sources import sources_of, spell_place_options
from majolica.errors import UserError
from majolica.plurals import counted

State = dict[str, Any]


def check_data(saved: State, here: State, config: DataConfig) -> list[str]:
    """Return notes on the data of the sources that `config` names.

    Raises UserError if the shards or the seed are not those of the saved run.
    """
    folders = [source.shards for source in sources_of(config)]
    if saved["manifest"] != here["manifest"]:
        raise UserError(
            f"the shards in {', '.join(folders)} are not those of the saved run: their names, sizes or numbers of"
            f" samples differ; put them back, name where they are now with {spell_place_options(config)}, or train anew"
            " into another --out"
        )
    if saved["seed"] != here["seed"]:
        raise UserError(f"the saved run read its data with seed {saved['seed']}, not {here['seed']}; use the same seed")
    changed = _find_changed(saved, here, "content", folders)
    if changed:
        raise UserError(
            f"the shards in {', '.join(changed)} have the names, sizes and numbers of samples of the saved run, but"
            " they hold other pictures or captions: put back what they held, or train anew into another --out"
        )
    return [
        f"the shards in {folder} were written or copied since the run was saved; the samples that were looked at are"
        " the same, so training goes on"
        for folder in _find_changed(saved, here, "stamps", folders)
    ]


def check_order(saved: State, here: State) -> list[str]:
    """Return notes on an order that the user has changed.

    Raises UserError if the version that saved the state would have gone on in another order.
    """
    order = here["order"]
    if "order" not in saved:  # it was saved before the order had a version
        if order["weights"] or order["shapes"]:
            raise UserError(
                "the saved run read a mixture or buckets in the order of an earlier version of Majolica, which this one"
                " does not have: train on with that version, or train anew into another --out"
            )
        return []
    before = saved["order"]
    if before["version"] != order["version"]:
        raise UserError(
            f"the saved run read its data in order {before['version']}, and this version of Majolica knows"
            f" {order['version']}: train on with the version that began the run, or train anew into another --out"
        )
    changed = {"weights": "the weights of the sources", "shapes": "the shapes of the buckets"}
    return [
        f"{what} are not those of the saved run: from here on the order is another, so some samples come again before"
        " others have come once"
        for name, what in changed.items()
        if before[name] != order[name]
    ]


def saved_unit(saved: State, order: State, unit: int) -> int:
    """Return how many neighbouring positions share a bucket. It is the number of the saved run, in place of `unit`.

    Raises UserError if that is impossible, because rows of two buckets would be in one batch.
    """
    before = int(saved.get("order", order)["unit"]) if order["shapes"] else 0
    if before and saved["position"] % unit and not before % unit:  # it went on with smaller batches meanwhile
        raise UserError(
            "with --data.buckets all rows of a global micro-batch have one shape, and --train.batch x --train.processes"
            f" is now {unit}, which does not divide the {counted(saved['position'], 'sample')} that the saved run has"
            " read: choose them as they were when it was saved"
        )
    if before and before % unit:
        raise UserError(
            f"with --data.buckets all rows of a global micro-batch of the saved run ({before:,}) have one shape, and"
            f" --train.batch x --train.processes is now {unit}: choose them so that their product divides {before}"
        )
    return before or unit


def _find_changed(saved: State, here: State, name: str, folders: Sequence[str]) -> list[str]:
    """Return the sources whose value of `name` differs from that in the saved state, if that has one."""
    before: list[str] = saved[name] if name in saved else here[name]
    return [folder for folder, a, b in zip(folders, before, here[name], strict=True) if a != b]
