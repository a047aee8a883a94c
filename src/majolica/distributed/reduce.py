"""Averaging gradients over the ranks once per optimiser step, in float32 or bf16."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from majolica.distributed.group import Group


@dataclass
class Traffic:
    """The bytes that this rank has given to all-reduce.

    In a ring of N ranks, each rank sends 2 (N - 1) / N times as many.
    """

    sent: int = 0

    def reset(self) -> int:
        """Return the bytes since the last call, and count from zero again."""
        sent, self.sent = self.sent, 0
        return sent


def wrap_in_ddp(model: nn.Module, group: Group, dtype: torch.dtype, traffic: Traffic) -> DistributedDataParallel:
    """Wrap `model` so that its gradients are averaged over the ranks in `dtype`.

    The communication hook is our own, because torch's bf16_compress_hook raises TypeError on gloo
    and does not count bytes. DDP's static graph is off: it gives wrong gradients for this model,
    and fails together with `no_sync` (docs/adr/041). Buffers are constants, so they are not
    broadcast.
    """
    constants = [name for name, _ in model.named_buffers()]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, constants)  # type: ignore[no-untyped-call]
    ids = [group.device.index] if group.device.type == "cuda" else None
    network = DistributedDataParallel(model, device_ids=ids, gradient_as_bucket_view=True)

    # torch compares these annotations with its own classes. They must not be strings, so this file
    # does not import annotations from __future__.
    def average(_: object, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:  # type: ignore[name-defined]
        gradients: Tensor = bucket.buffer()
        message = gradients.to(dtype)  # if dtype is float32, this is the buffer itself
        traffic.sent += message.nbytes

        def average_message(_: object) -> Tensor:
            # The division follows the cast back to float32, so that it adds no rounding in `dtype`.
            return gradients.copy_(message).div_(group.world)

        summed = dist.all_reduce(message, async_op=True).get_future()
        averaged: torch.futures.Future[Tensor] = summed.then(average_message)
        return averaged

    network.register_comm_hook(None, average)
    return network
