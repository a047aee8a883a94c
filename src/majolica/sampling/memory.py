"""Whether a picture fits into memory before it is painted."""

from __future__ import annotations

import torch

from majolica.config.model import DecoderConfig
from majolica.errors import UserError
from majolica.machine import free_memory
from majolica.sampling.request import AUTO_TILE, PaintSettings

PICTURES = 8
"""Pictures of the asked size that exist at the same time: noise, noisy details, prediction, velocities."""
BYTES = 4 * 3
"""Of a pixel of a picture: three colours in float32."""


def check_memory(needed: int, settings: PaintSettings, batch: int, device: torch.device) -> None:
    """Raise UserError if a batch of pictures, for which `needed_bytes` are needed, does not fit into free memory.

    The trunk is left out; it is the same at every size. Where free memory is unknown, nothing is
    checked.
    """
    free = free_memory()
    if device.type == "cuda":  # torch keeps freed memory, and uses it again
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        free = torch.cuda.mem_get_info(device)[0] + kept
    if free is None or needed <= free:
        return
    advice = ["a smaller size"]
    if batch > 1:
        advice.insert(0, "a smaller batch")
    if settings.tile is None and settings.size.longest > AUTO_TILE:
        advice.insert(0, f"tiles (--tile {AUTO_TILE})")
    raise UserError(
        f"painting {settings.size} needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free: use"
        f" {' or '.join(advice)}"
    )


def needed_bytes(settings: PaintSettings, batch: int, decoder: DecoderConfig) -> int:
    """Return about how many bytes a batch of pictures takes while its details are decoded; 0 if it has none."""
    if settings.size.scale == 1:
        return 0
    pixels = settings.size.height * settings.size.width
    decoded = pixels if settings.tile is None else min(pixels, (2 * settings.tile) ** 2)
    return batch * (pixels * PICTURES * BYTES + round(decoded * decoder_bytes(decoder)))


def decoder_bytes(decoder: DecoderConfig) -> float:
    """Return the bytes for each pixel that the decoder holds at its peak, without gradients, in float32.

    The widest moment is inside of a block: its input, both modulations and what they are multiplied
    with, and the hidden features, which are twice as wide; beside them lie the squares of the noisy
    pixels and of the estimate. Where these are many, it is the moment when they are joined. A test
    compares the formula with a trace.
    """
    square = decoder.stride**2
    floats = max(9 * decoder.width + 9 * square + 9, 22 * square)
    return 4 * floats / square
