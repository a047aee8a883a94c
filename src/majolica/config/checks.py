"""Whether a run configuration makes sense, before anything is allocated, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from majolica.config.run import ModelConfig, RunConfig
from majolica.errors import UserError, unknown

PROPERTY_NAMES = ("brightness", "contrast", "colourfulness")
"""What `majolica.models.properties` can measure, kept here too so that checking a name needs no torch."""

# Numbers are 0 or more, unless they are listed here.
_ABOVE_ZERO = {
    *(f"model.{name}" for name in ("resolution", "patch", "width", "heads", "bottleneck", "embed")),
    *("model.perception_depth", "model.synthesis_depth", "model.decoder.width", "model.decoder.depth"),
    *(f"model.text.{name}" for name in ("vocab", "length", "width", "depth", "heads")),
    "data.decode_gb",
    *("loss.t_std", "loss.t_floor", "loss.fine_scale", "optim.lr", "optim.clip"),
    *(f"train.{name}" for name in ("batch", "accumulate")),
    *(f"train.{name}" for name in ("checkpoint_every", "keep", "log_every", "heldout_pictures")),
}
_ANY_SIGN = {"loss.t_mean", "model.logit_bias"}
_AT_MOST_ONE = {
    "data.jitter",
    "data.bad_share",
    "loss.t_floor",
    "loss.clean_share",
    "loss.clean_share_end",
    "loss.fine_share",
    "loss.drop_text",
    "loss.drop_property",
    "loss.drop_all",
    "train.sample_share",
    "train.heldout_share",
}
_BELOW_ONE = {"optim.beta1", "optim.beta2", "optim.ema"}


def resolve(config: RunConfig) -> RunConfig:
    """`config` itself when every value is in range and all fit together; else UserError naming the field."""
    for where, value in _numbers(config, ""):
        _check_number(where, value)
    _check_model(config.model)
    _check_run(config)
    return config


def _check_number(where: str, value: float) -> None:
    if not math.isfinite(value):
        raise UserError(f"{where} is {value}: give a finite number")
    if where in _ANY_SIGN:
        return
    if value == 0 and where in _ABOVE_ZERO:
        raise UserError(f"{where} is 0: it must be above 0")
    if value < 0:
        raise UserError(f"{where} is {value:g}: it must not be negative")
    if where in _AT_MOST_ONE and value > 1:
        raise UserError(f"{where} is {value:g}: it is a share, at most 1")
    if where in _BELOW_ONE and value >= 1:
        raise UserError(f"{where} is {value:g}: it must be below 1")


def _check_model(model: ModelConfig) -> None:
    if model.resolution % model.patch:
        raise UserError(
            f"model.patch {model.patch} does not divide model.resolution {model.resolution}:"
            f" try {_nearest_divisor(model.resolution, model.patch)}"
        )
    # Rotary positions turn pairs of channels, half of them by row and half by column.
    _check_heads("model", model.width, model.heads, 4)
    _check_heads("model.text", model.text.width, model.text.heads, 1)
    for name in model.properties:
        if name not in PROPERTY_NAMES:
            raise unknown("property", name, PROPERTY_NAMES)
    if len(set(model.properties)) < len(model.properties):
        raise UserError(f"model.properties names one twice: {', '.join(model.properties)}")
    # Pad, unknown, begin, end and the 256 byte pieces are always there.
    if model.text.vocab < 300:
        raise UserError(f"model.text.vocab is {model.text.vocab}: at least 300, for 260 special and byte pieces")
    if model.text.length < 2:
        raise UserError(f"model.text.length is {model.text.length}: at least 2, a piece and the end of sentence")


def _check_heads(where: str, width: int, heads: int, multiple: int) -> None:
    if width % heads or (width // heads) % multiple:
        fits = [n for n in range(1, width + 1) if width % n == 0 and (width // n) % multiple == 0]
        nearest = min(fits, key=lambda n: abs(n - heads), default=None)
        advice = f"try {nearest} heads" if nearest else f"make the width a multiple of {multiple}"
        each = f" into heads of a multiple of {multiple}" if multiple > 1 else ""
        raise UserError(f"{where}.heads {heads} does not split {where}.width {width}{each}: {advice}")


def _check_run(config: RunConfig) -> None:
    optim, train, loss = config.optim, config.train, config.loss
    if 0 < train.steps < optim.warmup:
        raise UserError(f"train.steps {train.steps} is less than optim.warmup {optim.warmup}: warm up for fewer steps")
    if optim.lr_end > optim.lr:
        raise UserError(f"optim.lr_end {optim.lr_end:g} is above the peak optim.lr {optim.lr:g}")
    rows = train.batch * (train.processes or 1)
    for name in ("clean_share", "clean_share_end"):
        if round(rows * getattr(loss, name)) == rows:
            raise UserError(f"loss.{name} {getattr(loss, name):g} leaves none of {rows} rows to paint")
    if loss.fine_share and loss.fine_scale < 2:
        raise UserError(f"loss.fine_scale is {loss.fine_scale}: at least 2 where loss.fine_share is above 0")


def derived(config: RunConfig) -> dict[str, int | float]:
    """What follows from `config`, for `--dry-run` and the log.

    `parameters` is a closed formula, within 1 % of the built model; `state_gb` is fp32 weights, gradients,
    Adam moments and EMA of one process, in 10^9 bytes, without activations.
    """
    model, train = config.model, config.train
    global_batch = train.batch * train.accumulate * (train.processes or 1)
    parameters = count_parameters(model)
    clean = round(train.batch * config.loss.clean_share)
    return {
        "tokens": (model.resolution // model.patch) ** 2,
        "head_dim": model.width // model.heads,
        "global_batch": global_batch,
        "noisy_rows": train.batch - clean,
        "clean_rows": clean,
        "samples": global_batch * train.steps,
        "parameters": parameters,
        "state_gb": round(parameters * 4 * 5 / 1e9, 2),
    }


def count_parameters(model: ModelConfig) -> int:
    """Parameters by formula, without the gains of norms and other small change.

    A block of width D has 4 D^2 in its self-attention and about 8 D^2 in its SwiGLU; cross-attention from a
    condition of width C adds 2 D^2 + 2 D C. Each half has one adaLN projection (6 D^2).
    """
    width, text = model.width, model.text
    patch = 3 * model.patch**2
    pool = 4 * width**2
    time = (128 + width) * width
    perception = model.perception_depth * _block(width) + 6 * width**2 + pool + time
    perception += (patch + width) * model.bottleneck + width * model.embed
    synthesis = model.synthesis_depth * (_block(width) + 2 * width**2 + 2 * width * text.width) + 6 * width**2
    synthesis += text.width * width + width * patch
    tower = text.depth * _block(text.width) + 4 * text.width**2
    tower += (text.vocab + text.length + model.embed) * text.width
    conditions = text.width * (text.width + 32)
    glaze = model.decoder
    decoder = glaze.depth * (2 * width * glaze.width + 4 * glaze.width**2) + 9 * glaze.width * (15 + 3)
    return perception + synthesis + tower + conditions + decoder


def _block(width: int) -> int:
    hidden = 16 * math.ceil(width * 8 / 3 / 16)  # the SwiGLU rounds its 8/3 up
    return 4 * width**2 + 3 * width * hidden


def _numbers(config: Any, path: str) -> Iterator[tuple[str, float]]:
    for field in fields(config):
        value, where = getattr(config, field.name), f"{path}{field.name}"
        if is_dataclass(value):
            yield from _numbers(value, f"{where}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield where, value


def _nearest_divisor(number: int, wish: int) -> int:
    divisors = [n for n in range(1, number + 1) if number % n == 0]
    return min(divisors, key=lambda n: abs(n - wish))
