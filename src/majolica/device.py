"""The border between host and device: crossing it without a wait, and waiting where a wait is meant."""

from __future__ import annotations

import torch
from torch import Tensor


def sent(x: Tensor, device: torch.device) -> Tensor:
    """`x`, which lies on the host, on `device`.

    A copy to a GPU is queued from pinned memory: one from ordinary memory makes the host wait for all that the GPU has
    still to do.
    """
    if device.type == "cpu":
        return x
    return (x.pin_memory() if device.type == "cuda" else x).to(device, non_blocking=True)


def settle(device: torch.device) -> None:
    """Wait until `device` has done all that it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
