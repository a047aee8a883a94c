"""The border between host and device: finding the device, crossing without a wait, waiting where it is meant."""

from __future__ import annotations

import torch
from torch import Tensor

from majolica.errors import UserError


def find_device(name: str | None) -> torch.device:
    """The device of that name, or the GPU if there is one; UserError where this machine lacks it."""
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was compiled for a GPU
        reason = str(error).split("\n")[0]
        raise UserError(f"the device {name!r} cannot be used here: {reason}") from error
    return device


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """`x`, which lies on the host, on `device`.

    A copy to a GPU is queued from pinned memory: one from ordinary memory makes the host wait for all that the GPU has
    still to do.
    """
    if device.type == "cpu":
        return x
    return (x.pin_memory() if device.type == "cuda" else x).to(device, non_blocking=True)


def synchronize(device: torch.device) -> None:
    """Wait until `device` has done all that it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
