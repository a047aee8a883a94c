"""Whether a run configuration makes sense, before anything is allocated, and what follows from it."""

from __future__ import annotations

import math

from majolica.config.bounds import check_ranges
from majolica.config.model import ModelConfig
from majolica.config.run import RunConfig
from majolica.config.split import fine_on_rank, noisiest_split
from majolica.errors import UserError, unknown_name
from majolica.plurals import counted
from majolica.properties.registry import known_properties

PART_NAMES = ("text_tower", "perception", "synthesis", "conditions", "decoder", "head")
"""The parts of `majolica.models.majolica.Majolica`, and what is in none of them."""


def check_config(config: RunConfig) -> RunConfig:
    """Return `config` itself if every value is in range and all of them fit together.

    Raises UserError, which names the field, if not.
    """
    check_ranges(config)
    _check_model(config.model)
    _check_run(config)
    return config


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
        if name not in known_properties():
            raise unknown_name("property", name, known_properties())
    if len(set(model.properties)) < len(model.properties):
        raise UserError(f"model.properties names one twice: {', '.join(model.properties)}")
    # The pieces for padding, unknown, begin and end, and the 256 pieces for bytes, are always there.
    if model.text.vocab < 300:
        raise UserError(f"model.text.vocab is {model.text.vocab}: at least 300, for 260 special and byte pieces")
    if model.text.length < 2:
        raise UserError(f"model.text.length is {model.text.length}: at least 2, a piece and the end of sentence")


def _check_heads(where: str, width: int, heads: int, multiple: int) -> None:
    if width % heads or (width // heads) % multiple:
        fits = [n for n in range(1, width + 1) if width % n == 0 and (width // n) % multiple == 0]
        nearest = min(fits, key=lambda n: abs(n - heads), default=None)
        advice = f"try {counted(nearest, 'head')}" if nearest else f"make the width a multiple of {multiple}"
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
            raise UserError(f"loss.{name} {getattr(loss, name):g} leaves none of {counted(rows, 'row')} to paint")
    clean = max(loss.clean_share, loss.clean_share_end)
    if clean and loss.contrastive and not round(rows * clean):
        raise UserError(
            f"loss.clean_share {clean:g} leaves none of {counted(rows, 'row')} clean, so loss.contrastive counts for"
            " nothing: raise the share or train.batch, or give loss.contrastive 0"
        )
    if not loss.flow and not loss.contrastive:
        raise UserError("loss.flow and loss.contrastive are both 0, so nothing is learned: give one of them a weight")
    for name in train.only:
        if name not in PART_NAMES:
            raise unknown_name("part of the model", name, PART_NAMES)
    if train.only and not train.init_from:
        raise UserError(
            "train.only keeps other parts as they are: give trained weights to begin with, --init-from RUN (a new run"
            " begins with them, and --resume does not)"
        )
    if not loss.fine_scales or min(loss.fine_scales) < 2 or len(set(loss.fine_scales)) < len(loss.fine_scales):
        raise UserError(f"loss.fine_scales is {list(loss.fine_scales)}: give whole numbers from 2 on, each once")
    fine = noisiest_split(loss, rows).fine
    unused = [scale for scale, count in fine_on_rank(fine, loss.fine_scales, 0, 1).items() if not count]
    if fine and unused:
        raise UserError(
            f"loss.fine_share {loss.fine_share:g} paints {counted(fine, 'row')} of a micro-batch larger, and none of"
            f" them at {unused[0]} times the base resolution: raise it or train.batch, or name fewer loss.fine_scales"
        )


def derive_values(config: RunConfig) -> dict[str, int | float]:
    """Return what follows from `config`, for `--dry-run` and the log.

    `parameters` comes from a closed formula and is within 1 % of the built model. `state_gb` is the fp32 weights,
    gradients, Adam moments and EMA of one process, in 10^9 bytes; activations are not in it.
    """
    model, train = config.model, config.train
    global_batch = train.batch * train.accumulate * (train.processes or 1)
    parameters = estimate_parameters(model)
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


def estimate_parameters(model: ModelConfig) -> int:
    """Return the number of parameters by a formula, without the gains of norms and other small tensors.

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
    synthesis += text.width * width + 4 * width * patch
    tower = text.depth * _block(text.width) + 4 * text.width**2
    tower += (text.vocab + text.length + model.embed) * text.width
    conditions = text.width * (text.width + 32)
    if model.property_entry != "tokens":  # an angle has three offsets, and a category more, which are few
        conditions += 6 * width * model.synthesis_depth * len(model.properties)
    glaze = model.decoder
    blocks = glaze.depth + glaze.half_depth
    decoder = blocks * (2 * width * glaze.width + 20 * glaze.width**2) + 9 * glaze.width * (9 * glaze.stride**2 + 9)
    decoder += 4 * glaze.width**2 if glaze.half_depth else 0
    return perception + synthesis + tower + conditions + decoder


def _block(width: int) -> int:
    hidden = 16 * math.ceil(width * 8 / 3 / 16)  # the SwiGLU rounds 8/3 of the width up to a multiple of 16
    return 4 * width**2 + 3 * width * hidden


def _nearest_divisor(number: int, wish: int) -> int:
    divisors = [n for n in range(1, number + 1) if number % n == 0]
    return min(divisors, key=lambda n: abs(n - wish))
