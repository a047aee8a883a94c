"""Which sizes a run learns to paint, and which it can be asked for."""

from __future__ import annotations

from majolica.config.run import RunConfig
from majolica.errors import UserError

LARGEST = 4_096
"""Longest side in pixels. The decoder holds the whole picture in memory, so larger pictures do not fit."""


def trained_sizes(config: RunConfig) -> tuple[int, ...]:
    """Sides in pixels that a run of `config` learns to paint: the base resolution and that of its fine rows."""
    base, loss = config.model.resolution, config.loss
    return (base, loss.fine_scale * base) if loss.fine_share > 0 else (base,)


def scale_of(size: int, base: int) -> int:
    """Return k such that a picture of `size` pixels is k times the base resolution.

    Raises UserError if `size` is no multiple of `base`, or too large.
    """
    most = max(1, LARGEST // base)
    if size > most * base:
        raise UserError(f"size {size} is too large: {most * base} is the most ({most} times {base})")
    if size < base or size % base:
        nearest = min(max(1, round(size / base)), most) * base
        raise UserError(f"size {size} is no multiple of the base resolution {base}: use {nearest}, say")
    return size // base


def beyond_training_notes(size: int, config: RunConfig) -> list[str]:
    """Return a line that warns of a size beyond all that the run was trained on; no line if it was trained on it."""
    trained = trained_sizes(config)
    if size <= trained[-1]:
        return []
    pixels = " and ".join(f"{side} px" for side in trained)
    scale = -(-size // config.model.resolution)
    return [
        f"size {size} is larger than anything this run was trained on ({pixels}): expect dots or a grid; paint at most"
        f" {trained[-1]}, or train with --loss.fine-share 0.25 --loss.fine-scale {scale}"
    ]


def base_only_notes(config: RunConfig) -> list[str]:
    """Return a line that says that a run will paint well at its base resolution only; no line if that is not so."""
    base, loss = config.model.resolution, config.loss
    if loss.fine_share > 0:
        return []
    return [
        f"--loss.fine-share is 0, so this run learns to paint at {base} px only, and larger pictures will show dots or"
        f" a grid; with --loss.fine-share 0.25 it learns {max(2, loss.fine_scale) * base} px too"
    ]
