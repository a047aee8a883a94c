"""From a request to pictures: what is asked for is read, noise is drawn, and the model paints.

Shapes: B prompts, L pieces of a prompt, P properties, K quantiles.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from majolica.callbacks import ReportProgress
from majolica.config.resolutions import beyond_training_notes
from majolica.data.pictures.fit import fit_picture
from majolica.errors import UserError
from majolica.models.conditions import Condition
from majolica.models.pooling import pool
from majolica.models.precision import autocast_in_use
from majolica.sampling.calibration import correct_values
from majolica.sampling.candidates import choose_seeds
from majolica.sampling.churn import make_churn
from majolica.sampling.inputs import Values, read_count, read_properties, read_texts
from majolica.sampling.memory import check_memory, needed_bytes
from majolica.sampling.noise import draw_noise, read_seeds
from majolica.sampling.notices import (
    describe_missed_palettes,
    describe_misses,
    describe_unmeasured,
    describe_unseen,
    find_repeats,
    warn,
)
from majolica.sampling.painting import integrate
from majolica.sampling.palettes import list_palettes
from majolica.sampling.placement import place_subjects
from majolica.sampling.references import read_references, tell_apart
from majolica.sampling.request import (
    DeliverPictures,
    PaintRequest,
    PaintSettings,
    check_effects,
    read_settings,
    read_size,
)
from majolica.sampling.solvers import Tick, make_tick
from majolica.sampling.wish import Wish
from majolica.sampling.wishes import read_wish
from majolica.text.notices import text_notices

if TYPE_CHECKING:
    from majolica.sampling.pipeline import Pipeline


@torch.inference_mode()
def paint_pictures(
    pipeline: Pipeline,
    request: PaintRequest,
    progress: ReportProgress | None = None,
    deliver: DeliverPictures | None = None,
) -> Tensor:
    """Paint what one object asks for: uint8 `(B, 3, H, W)` on the CPU; see `Pipeline.paint_request`."""
    settings = read_settings(request, pipeline.config, pipeline.properties)
    texts, at_once = read_texts(request.prompts), read_count(request.batch, "the batch")
    seeds = read_seeds(request.seed, len(texts))
    values = read_values(pipeline, request.properties, len(texts))
    check_effects(request, values, pipeline.properties)
    wish = read_wish(values, request, len(texts), pipeline.properties, pipeline.device)
    together = min(at_once, len(texts))
    needed = needed_bytes(settings, together, pipeline.config.model.decoder)
    if needed > pipeline.painted_bytes:  # what has fitted before fits again, though its memory may not look free
        check_memory(needed, settings, together, pipeline.device)
    condition = _refer(pipeline, build_condition(pipeline, texts, values, request.raw), request)
    warn(
        [
            *text_notices(pipeline.tokenizer, texts, pipeline.config.model.text.length, pipeline.known_words),
            *beyond_training_notes(settings.size, pipeline.config),
            *describe_unseen(values, read_quantiles(pipeline)),
            *describe_unmeasured(tuple(values)),
            *find_repeats(_tell_apart(condition, seeds, values, request)),
        ]
    )
    rows = [slice(start, start + at_once) for start in range(0, len(texts), at_once)]
    with autocast_in_use(pipeline.config.train.precision, pipeline.device):
        seeds = [
            seed
            for some in rows
            for seed in choose_seeds(pipeline.model, condition[some], seeds[some], settings, wish and wish[some])
        ]
    if request.hold:
        height, width = settings.size.base
        plain = dataclasses.replace(
            request,
            properties={},
            property_guidance=None,
            raw=False,
            hold=False,
            candidates=1,
            seed=seeds,
            size=(width, height),
            any_size=False,
        )
        without_B3HW = paint_pictures(pipeline, plain).float() / 255
        wish = wish or Wish.empty(len(texts), pipeline.device)
        # A larger subject has more edges: what is held is what the picture measures once its subject has been moved.
        wish = wish.hold((place_subjects(without_B3HW.to(pipeline.device) * 2 - 1, wish) + 1) / 2)
    tick = make_tick(progress, len(rows) * settings.steps)
    bases, fitted = [], []
    for some in rows:
        painted_B3HW = _paint(pipeline, condition[some], seeds[some], settings, tick, wish and wish[some])
        bases.append(pool(painted_B3HW.float() / 255, settings.size.scale))
        fitted.append(_fit(painted_B3HW, request, pipeline.resolution))
        if deliver is not None:
            deliver(some.start, fitted[-1])
    pipeline.painted_bytes = max(pipeline.painted_bytes, needed)
    base_B3HW = torch.cat(bases)
    palettes_BK3 = None if wish is None else wish.palettes_BK3
    warn([*describe_misses(values, base_B3HW), *describe_missed_palettes(palettes_BK3, base_B3HW)])
    return torch.cat(fitted)


def _fit(painted_B3HW: Tensor, request: PaintRequest, resolution: int) -> Tensor:
    """The pictures, cut and scaled to the size that was asked for, if it may be any."""
    if not request.any_size:
        return painted_B3HW
    width, height = read_size(request.size, resolution)
    return torch.stack([fit_picture(image.numpy(), (height, width)) for image in painted_B3HW.permute(0, 2, 3, 1)])


def build_condition(
    pipeline: Pipeline, prompts: Sequence[str], properties: Mapping[str, Values], raw: bool = False
) -> Condition:
    """Prompts and properties in the form that the model takes; those that it does not have are left out.

    `raw` leaves out the calibration.
    """
    names, batch = pipeline.properties, len(prompts)
    values_BP, has_BP = torch.zeros(batch, len(names)), torch.zeros(batch, len(names), dtype=torch.bool)
    calibration = {} if raw else pipeline.calibration
    for name, values_B in read_values(pipeline, properties, batch).items():
        if name not in names:  # it is followed by projection alone
            continue
        values_BP[:, names.index(name)] = torch.from_numpy(correct_values(name, values_B, calibration))
        has_BP[:, names.index(name)] = True
    return Condition(
        pipeline.encode(prompts),
        torch.ones(batch, dtype=torch.bool, device=pipeline.device),
        values_BP.to(pipeline.device),
        has_BP.to(pipeline.device),
    )


def read_values(pipeline: Pipeline, given: Mapping[str, Values], count: int) -> dict[str, Tensor]:
    """The values that are set, `(count,)` each."""
    return read_properties(given, read_quantiles(pipeline), count, pipeline.model.categories)


def read_quantiles(pipeline: Pipeline) -> dict[str, Tensor]:
    """The quantiles `(K,)` of the training pictures, on the CPU, for each property that the model can be told."""
    taught = [adapter.quantiles[None] for adapter in pipeline.model.adapters]
    quantiles_PK = torch.cat((pipeline.model.conditions.quantiles, *taught)).cpu()  # all in one copy
    return dict(zip(pipeline.properties, quantiles_PK, strict=True))


def _refer(pipeline: Pipeline, condition: Condition, request: PaintRequest) -> Condition:
    """`condition` with the references of a request, if it has any."""
    if request.reference is None:
        return condition
    count = len(condition.tokens_BL)
    with autocast_in_use(pipeline.config.train.precision, pipeline.device):
        reference = read_references(request.reference, count, pipeline.model, pipeline.fit, pipeline.device)
    return dataclasses.replace(condition, reference=reference)


def _tell_apart(
    condition: Condition, seeds: Sequence[int], values: Mapping[str, Tensor], request: PaintRequest
) -> list[tuple[object, ...]]:
    """All that a picture depends on, for each of the pictures."""
    count = len(seeds)
    read = [tuple(ids) for ids in condition.tokens_BL.tolist()]  # "A Fox" and "a fox" are one prompt
    dials = zip(*(value_B.tolist() for value_B in values.values()), strict=True) if values else [()] * count
    palettes = list_palettes(request.palette, count) if request.palette else [""]
    palettes = palettes * count if len(palettes) == 1 else palettes
    return list(zip(read, seeds, dials, tell_apart(condition.reference, count), palettes, strict=True))


def _paint(
    pipeline: Pipeline,
    condition: Condition,
    seeds: Sequence[int],
    settings: PaintSettings,
    tick: Tick,
    wish: Wish | None,
) -> Tensor:
    """The pictures of one batch."""
    config, size = pipeline.config, settings.size
    noise_B3HW = torch.stack(
        [draw_noise(seed, size.base, size.scale, config.model.decoder.detail_noise) for seed in seeds]
    )
    churn = make_churn(settings.churn, len(settings.times) - 1, seeds, pipeline.device)
    with autocast_in_use(config.train.precision, pipeline.device):
        image_B3HW = integrate(pipeline.model, noise_B3HW.to(pipeline.device), condition, settings, tick, wish, churn)
    if not bool(torch.isfinite(image_B3HW).all()):
        weight = settings.guidance.largest
        raise UserError(f"the picture has values that are not finite: lower the largest guidance, which is {weight:g}")
    return ((image_B3HW.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()
