"""Gradients between the ranks: rounded to bf16 on the way when wanted, once per optimiser step, and counted."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from majolica.distributed.group import Group


@dataclass
class Traffic:
    """Bytes that this rank handed to all-reduce. A ring of N ranks sends 2 (N - 1) / N times as many from each."""

    sent: int = 0

    def reset(self) -> int:
        """Bytes since the last call."""
        sent, self.sent = self.sent, 0
        return sent


def data_parallel(model: nn.Module, group: Group, dtype: torch.dtype, traffic: Traffic) -> DistributedDataParallel:
    """`model` whose gradients are averaged over the ranks in `dtype`.

    By a hook of ours: torch's bf16_compress_hook raises TypeError on gloo, and does not count. No static graph: torch's
    is wrong for this model, and fails beside `no_sync` (docs/adr/041). Buffers are not sent: they are constants.
    """
    constants = [name for name, _ in model.named_buffers()]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, constants)  # type: ignore[no-untyped-call]
    ids = [group.device.index] if group.device.type == "cuda" else None
    network = DistributedDataParallel(model, device_ids=ids, gradient_as_bucket_view=True)

    # torch compares these annotations with its own classes: no `from __future__ import annotations` in this file.
    def average(_: object, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:  # type: ignore[name-defined]
        gradients: Tensor = bucket.buffer()
        message = gradients.to(dtype)  # float32: the buffer itself
        traffic.sent += message.nbytes

        def received(_: object) -> Tensor:
            # Divided after the cast back: for any number of ranks the only roundings are those of the messages.
            return gradients.copy_(message).div_(group.world)

        reduced: torch.futures.Future[Tensor] = dist.all_reduce(message, async_op=True).get_future().then(received)
        return reduced

    network.register_comm_hook(None, average)
    return network
