"""Beginning with trained weights: what of them fits the model of a new run is taken, and the rest is named."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from majolica.config.model import with_vocabulary
from majolica.config.run import RunConfig
from majolica.distributed.group import any_rank, broadcast_in_place
from majolica.errors import UserError
from majolica.models.majolica import Majolica
from majolica.models.parts import freeze
from majolica.plurals import counted
from majolica.run.companions import PIECES, check_companions_of
from majolica.run.weights import check_file, home_of, load_ema
from majolica.text.tokenizer import Tokenizer
from majolica.train.state import Run
from majolica.train.warm_properties import arrange_properties

MOST_NAMES = 5
"""Names in one line."""


@dataclass(frozen=True)
class WeightFit:
    """How weights fit a model."""

    taken: Mapping[str, Tensor]
    left_out: Mapping[str, str]
    """Names of weights that the model cannot take, and why."""
    fresh: Collection[str]
    """Parameters of the model that keep their first values."""


def warm_start(run: Run, say: Callable[[str], None]) -> None:
    """Give the model of a run at step 0, and its averaged weights, what fits of `train.init_from`.

    The first rank reads the weights and sends them to the others, so that all begin with the same even where another
    training replaces its checkpoints meanwhile. Every rank must call it. Raises UserError, on every rank, where the
    weights cannot be read or nothing of them fits.
    """
    if not run.config.train.init_from:
        return
    refusal = ""
    if run.group.first:
        try:
            for line in begin_with(run.model, run.config, run.out):
                say(line)
        except UserError as error:
            refusal = str(error)
    if any_rank(bool(refusal), run.group):
        raise UserError(refusal or "the first rank cannot read --init-from; its own message says why")
    broadcast_in_place(run.model.parameters(), run.group)
    weights = dict(run.model.named_parameters())
    with torch.no_grad():
        for name, average in run.ema.average.items():
            average.copy_(weights[name])


@torch.no_grad()
def begin_with(model: nn.Module, config: RunConfig, out: Path) -> list[str]:
    """Put what fits of `train.init_from` into `model` in place, and return lines on what was taken and what was not."""
    place, own = Path(config.train.init_from), dict(model.named_parameters())
    theirs, notes = arrange_properties(read_weights(place), own, place, config)
    fit = match_weights(own, theirs, find_foreign(place, config, out))
    if not fit.taken:
        raise UserError(
            f"nothing in {place} fits this model ({describe_reasons(fit.left_out)}): name a run of the same "
            "--model.width, or leave --init-from out"
        )
    frozen = [name for name, value in model.named_parameters() if not value.requires_grad and name not in fit.taken]
    if frozen:
        raise UserError(
            f"{frozen[0]} is not in {place}, and --train.only {' '.join(config.train.only)} would leave it at its first"
            " value: name its part too, or begin with a run of the same model and tokenizer"
        )
    for name, value in model.named_parameters():
        if name in fit.taken:
            value.copy_(fit.taken[name])
    return [*lines(place, fit), *notes]


def rehearse_warm_start(config: RunConfig, out: Path) -> list[str]:
    """The lines of `begin_with`, for a model without memory; none where the run begins with no trained weights."""
    if not config.train.init_from:
        return []
    named = config.data.tokenizer
    vocab = Tokenizer(Path(named)).vocab if named else config.model.text.vocab
    with torch.device("meta"):
        model = Majolica(with_vocabulary(config.model, vocab))
    freeze(model, config.train.only)
    return begin_with(model, config, out)


def read_weights(place: Path) -> dict[str, Tensor]:
    """The averaged weights of a run folder or of one of its checkpoints, or the tensors of a safetensors file."""
    if place.is_dir():
        return load_ema(place)
    check_companions_of(place.parent, home_of(place))
    check_file(place)
    try:
        return load_file(place)
    except FileNotFoundError as error:
        raise UserError(f"--init-from {place} is not there: name a run folder or a safetensors file") from error
    except Exception as error:  # safetensors has an exception of its own
        raise UserError(f"--init-from {place} cannot be read as safetensors ({error})") from error


def with_its_tokenizer(config: RunConfig) -> tuple[RunConfig, list[str]]:
    """`config` with the tokenizer of the weights that it begins with, unless it names one; and a line that says so."""
    if not config.train.init_from or config.data.tokenizer:
        return config, []
    found = home_of(Path(config.train.init_from)) / "tokenizer.model"
    if not found.is_file():
        return config, [
            f"{config.train.init_from} has no tokenizer.model beside it: a tokenizer is trained on the captions, and "
            f"{PIECES} starts fresh; to keep its pieces, name their tokenizer with --data.tokenizer"
        ]
    line = f"the tokenizer is {found}, with which {config.train.init_from} was trained"
    return dataclasses.replace(config, data=dataclasses.replace(config.data, tokenizer=str(found))), [line]


def find_foreign(place: Path, config: RunConfig, out: Path) -> dict[str, str]:
    """Weights that mean something else in the new run than where they come from, whatever their shape; and why.

    A tokenizer that the user names for weights that have none beside them is taken for theirs. The tokenizer of the
    new run is the one in `out`, or the one that `config` names where the run folder is not there yet.
    """
    home, found = home_of(place), {}
    theirs, ours = home / "tokenizer.model", out / "tokenizer.model"
    if not ours.is_file():
        ours = Path(config.data.tokenizer)
    if theirs.is_file():
        if ours.is_file() and theirs.read_bytes() != ours.read_bytes():
            found[PIECES] = "its pieces are those of another tokenizer"
    elif not config.data.tokenizer:
        found[PIECES] = "its tokenizer is not known"
    return found


def match_weights(own: Mapping[str, Tensor], weights: Mapping[str, Tensor], foreign: Mapping[str, str]) -> WeightFit:
    """Which of `weights` fit the parameters `own` by name and shape, without those that are `foreign`."""
    taken, left_out = {}, {}
    for name, value in weights.items():
        if name not in own:
            left_out[name] = "this model has none"
        elif name in foreign:
            left_out[name] = foreign[name]
        elif value.shape != own[name].shape:
            left_out[name] = f"{_shape(value)} there, {_shape(own[name])} here"
        else:
            taken[name] = value
    return WeightFit(taken, left_out, [name for name in own if name not in taken])


def lines(place: Path, fit: WeightFit) -> list[str]:
    """What a person should know of a beginning with the weights at `place`."""
    total = counted(len(fit.taken) + len(fit.fresh), "tensor")
    said = [f"training begins with the weights of {place}: {len(fit.taken)} of the {total} of this model"]
    if fit.left_out:
        said.append(f"left out of {place}, {counted(len(fit.left_out), 'tensor')}: {describe_reasons(fit.left_out)}")
    if fit.fresh:
        said.append(
            f"starting fresh, {counted(len(fit.fresh), 'tensor')}: {describe_reasons(dict.fromkeys(fit.fresh, ''))}"
        )
    return said


def describe_reasons(reasons: Mapping[str, str]) -> str:
    """The first names with their reasons; the tensors of one block are one entry, with their number."""
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        groups.setdefault(_group(name), []).append(reason)
    shown = []
    for group, found in list(groups.items())[:MOST_NAMES]:
        [(reason, _)] = Counter(found).most_common(1)
        size = counted(len(found), "tensor") if len(found) > 1 else ""
        note = ", ".join(filter(None, (size, reason)))
        shown.append(f"{group} ({note})" if note else group)
    rest = sum(len(found) for found in list(groups.values())[MOST_NAMES:])
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _group(name: str) -> str:
    """`perception.blocks.3` for whatever is in that block; the name itself elsewhere."""
    parts = name.split(".")
    return ".".join(parts[: parts.index("blocks") + 2]) if "blocks" in parts else name


def _shape(value: Tensor) -> str:
    return " x ".join(map(str, value.shape)) or "a number"
