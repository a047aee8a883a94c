"""Saving adapters, and loading them for the model that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from majolica.adapters.card import KEY, AdapterCard
from majolica.adapters.reference_card import ReferenceCard, is_reference
from majolica.config.model import ModelConfig
from majolica.errors import UserError
from majolica.files import check_new_file, write_atomic
from majolica.lock import hold_folder
from majolica.models.adapter import PropertyAdapter
from majolica.models.reference import ReferenceAdapter

FOLDER = "adapters"
"""In a run folder; what lies there is loaded with the run."""


AnyCard = AdapterCard | ReferenceCard


@contextmanager
def hold_adapter(run: Path, name: str, out: Path | None) -> Iterator[Path]:
    """Yield the file of an adapter that is to be taught to a run: `out`, or NAME.safetensors in the folder of the run.

    No other process can hold this file meanwhile. Raises UserError if one does, if the file is there already, or if it
    cannot be written.
    """
    path = out or run / FOLDER / f"{name}.safetensors"
    check_new_file(path, ".safetensors")
    with hold_folder(path.with_suffix(".in-training")):
        check_new_file(path, ".safetensors")  # another process may just have written it
        yield path


def save_adapter(path: Path, adapter: PropertyAdapter | ReferenceAdapter, card: AnyCard) -> None:
    """Write an adapter with its card into one safetensors file."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in adapter.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, save(tensors, {KEY: card.to_json()}))


def read_card(path: Path) -> AnyCard:
    """The card of an adapter's file; UserError for a file that is no adapter."""
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {})[KEY]
        return ReferenceCard.from_json(text) if is_reference(text) else AdapterCard.from_json(text)
    except FileNotFoundError as error:
        raise UserError(f"the adapter {path} is not there") from error
    except KeyError as error:
        raise UserError(f"{path} is a safetensors file, but no adapter: make one with `majolica extend`") from error
    except Exception as error:  # safetensors has an exception of its own
        reason = " ".join(str(error).split())
        raise UserError(f"the adapter {path} cannot be read ({reason}): make it anew with `majolica extend`") from error


def list_properties(paths: Sequence[Path]) -> list[str]:
    """The names of the properties that adapters were taught."""
    return [card.name for card in map(read_card, paths) if isinstance(card, AdapterCard)]


def find_adapters(run: Path) -> list[Path]:
    """The adapters in a run folder, by name."""
    return sorted((run / FOLDER).glob("*.safetensors"))


def fresh_adapters(run: Path, base: str, named: Sequence[Path] = ()) -> tuple[list[Path], list[str]]:
    """The adapters in a run folder of weights with the SHA-256 `base`, and a line for each of the others.

    Those that the user has `named` are left to the user: they are in neither list.
    """
    chosen = {path.resolve() for path in named}
    paths = [path for path in find_adapters(run) if path.resolve() not in chosen]
    fresh = [path for path in paths if read_card(path).base == base]
    stale = [
        f"the adapter {path} is left out, because it was taught to other weights: teach it anew with `majolica extend`"
        for path in paths
        if path not in fresh
    ]
    return fresh, stale


def load_adapters(
    paths: Sequence[Path], run: Path, base: str, model: ModelConfig, device: torch.device
) -> list[PropertyAdapter]:
    """Load those of properties for the model of a run whose weights have the SHA-256 `base`, in the order of `paths`.

    Raises UserError for an adapter of another base (both hashes are named), for two of one property,
    and for a property that the model has itself.
    """
    adapters: list[PropertyAdapter] = []
    for path in paths:
        card = read_card(path)
        _check_base(path, card, run, base)
        if isinstance(card, ReferenceCard):
            continue
        if card.name in (*model.properties, *(adapter.name for adapter in adapters)):
            raise UserError(f"the adapter {path} is for {card.name}, which the model has already: leave one out")
        card.introduce()
        adapter = PropertyAdapter(card.name, model, card.names)
        whole = _fill(adapter, path)
        if not whole or not bool((adapter.quantiles.diff() > 0).all()):
            raise UserError(f"the adapter {path} has values that are not finite or do not ascend: make it anew")
        adapters.append(adapter.to(device).eval().requires_grad_(False))
    return adapters


def load_reference_adapters(
    paths: Sequence[Path], run: Path, base: str, model: ModelConfig, device: torch.device
) -> list[ReferenceAdapter]:
    """Load the one among `paths` that follows reference pictures, as a list of one, or of none where there is none.

    Raises UserError for one of another base (both hashes are named), and for two.
    """
    found = [(path, card) for path in paths if isinstance(card := read_card(path), ReferenceCard)]
    if len(found) > 1:
        names = " and ".join(str(path) for path, _ in found)
        raise UserError(f"{names} are adapters for reference pictures, and a run follows one: leave the others out")
    adapters = []
    for path, card in found:
        _check_base(path, card, run, base)
        adapter = ReferenceAdapter(model, card.rank)
        if not _fill(adapter, path) or not bool((adapter.scale > 0).all()):
            raise UserError(f"the adapter {path} has values that are not finite or no scale: make it anew")
        adapters.append(adapter.to(device).eval().requires_grad_(False))
    return adapters


def _check_base(path: Path, card: AnyCard, run: Path, base: str) -> None:
    if card.base != base:
        raise UserError(
            f"the adapter {path} was taught to a model with the SHA-256 {card.base}, and {run} has {base}: teach it"
            " anew with `majolica extend`, or move it away"
        )


def _fill(adapter: PropertyAdapter | ReferenceAdapter, path: Path) -> bool:
    """Read the values of an adapter from its file; whether all are finite."""
    try:
        adapter.load_state_dict(load_file(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise UserError(f"the adapter {path} does not fit its card ({reason}): make it anew") from error
    return all(bool(value.isfinite().all()) for value in adapter.state_dict().values())
