"""Tracing one optimiser step on tensors without memory, in a process group without processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from majolica.activation.flops import CPU_ATTENTION
from majolica.activation.step import build_inputs
from majolica.config.run import RunConfig
from majolica.config.split import noisiest_split
from majolica.distributed.group import Group
from majolica.distributed.zero import Zero1
from majolica.models.majolica import Majolica, Rows
from majolica.models.parts import HEAD, freeze, hidden_matrices, parameters_by_part
from majolica.objectives.contrastive import Pairs
from majolica.objectives.joint import Targets
from majolica.objectives.objective import Objective, clean_pairs
from majolica.train.optim.ema import Ema
from majolica.train.optim.optimisers import build_optimisers
from majolica.train.step import gather_pairs

aten = torch.ops.aten


@dataclass(frozen=True)
class Trace:
    """What one rank computes and holds. A multiply-add is two FLOPs; sizes are in bytes."""

    parameters: dict[str, int]
    """Number of parameters by part of the model, see `parameter_counts`."""
    forward_flops: int
    """FLOPs of the last micro-step, whose contrastive loss sees the rows of all earlier ones."""
    backward_flops: int
    attention_flops: int
    """The part of the two above that attention takes for products of queries, keys and values."""
    optimiser_flops: int
    """FLOPs of one optimiser step; only matrix products count (Muon's)."""
    weights: int
    gradients: int
    optimiser: int
    ema: int
    bf16_copies: int
    activations: int
    """What one micro-step saves for its backward pass, without activation checkpointing."""


def trace(config: RunConfig) -> Trace:
    """Trace the first rank of `config`, in a group of `train.processes` ranks."""
    rows, targets = build_inputs(config)
    fake = FakeTensorMode()
    with fake_group(config.train.processes) as group, fake:
        model = Majolica(config.model)
        freeze(model, config.train.only)
        shard = Zero1.without_owners(group)
        if config.train.shard_optimizer:
            shard = Zero1.assign_owners(model, group, hidden_matrices(model))
        optimisers = build_optimisers(model, config.optim, shard.owns)
        ema = Ema(model, config.optim.ema, shard.owns)
        rows, targets = to_fake(rows, fake), to_fake(targets, fake)
        saved, forward, backward = SavedTensors(model), flop_counter(), flop_counter()
        with forward, saved, saved_tensors_hooks(saved.note, lambda x: x):
            loss = last_micro_step_loss(model, rows, targets, config, group)
        with backward:
            loss.backward()  # type: ignore[no-untyped-call]
        with flop_counter() as update:
            for optimiser in optimisers:
                optimiser.step()
            ema.update(model, 1, torch.ones(()))
        state = [x for o in optimisers for slots in o.state.values() for x in slots.values()]
        return Trace(
            parameters=parameter_counts(model),
            forward_flops=forward.get_total_flops(),
            backward_flops=backward.get_total_flops(),
            attention_flops=attention_flops(forward) + attention_flops(backward),
            optimiser_flops=update.get_total_flops(),
            weights=total_bytes(model.parameters()),
            gradients=total_bytes(x.grad for x in model.parameters() if x.grad is not None),
            optimiser=total_bytes(state),
            ema=0 if config.train.ema_device == "cpu" else total_bytes(ema.average.values()),
            bf16_copies=saved.copy_bytes(),
            activations=saved.activation_bytes(),
        )


def last_micro_step_loss(model: Majolica, rows: Rows, targets: Targets, config: RunConfig, group: Group) -> Tensor:
    """Return the loss (a scalar) of the last micro-step of an optimiser step.

    Its contrastive loss compares the clean rows with those of all earlier micro-steps.
    """
    objective = Objective.of(config, noisiest_split(config.loss, config.train.batch * group.world), group.world)
    outputs = objective.predict(model, rows)
    window: list[Pairs] = []
    for _ in range(config.train.accumulate):
        others = gather_pairs(clean_pairs(outputs, targets), window, group, objective.split)
    return objective.compute_losses(model, outputs, rows, targets, others)["loss"]


@contextmanager
def fake_group(world: int) -> Iterator[Group]:
    """Yield rank 0 of torch's fake process group, whose collective operations do nothing."""
    if world > 1:
        from torch.testing._internal.distributed.fake_pg import FakeStore

        dist.init_process_group("fake", rank=0, world_size=world, store=FakeStore())
    try:
        yield Group(0, world, torch.device("cpu"))
    finally:
        if world > 1:
            dist.destroy_process_group()


class SavedTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the storages that the forward pass saves for the backward pass, except weights."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.weights = {storage_key(x) for x in (*model.parameters(), *model.buffers())}
        self.casts: set[int] = set()
        self.saved: dict[int, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is aten._to_copy.default and storage_key(args[0]) in self.weights:
            self.casts.add(storage_key(out))
            self.saved[storage_key(out)] = out
        return out

    def note(self, x: Tensor) -> Tensor:
        """Record the storage of a saved tensor, and return the tensor."""
        if storage_key(x) not in self.weights:
            self.saved[storage_key(x)] = x
        return x

    def copy_bytes(self) -> int:
        """Return the bytes of autocast's copies of the weights."""
        return sum(storage_bytes(x) for key, x in self.saved.items() if key in self.casts)

    def activation_bytes(self) -> int:
        """Return the bytes of everything else."""
        return sum(storage_bytes(x) for key, x in self.saved.items() if key not in self.casts)


def storage_key(x: Tensor) -> int:
    """Return a number that identifies the storage of a tensor."""
    return int(x.untyped_storage()._cdata)


def storage_bytes(x: Tensor) -> int:
    """Return the bytes of the whole storage that a tensor is a view of."""
    return x.untyped_storage().nbytes()


def to_fake(x: Any, mode: FakeTensorMode) -> Any:
    """Convert a tensor, or all tensors in a dataclass or a tuple, to fake tensors."""
    if isinstance(x, Tensor):
        return mode.from_tensor(x)
    if isinstance(x, tuple):
        return tuple(to_fake(item, mode) for item in x)
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        names = [field.name for field in dataclasses.fields(x)]
        return dataclasses.replace(x, **{name: to_fake(getattr(x, name), mode) for name in names})
    return x


def flop_counter() -> FlopCounterMode:
    """Return a counter of the FLOPs of matrix products, convolutions and attention."""
    return FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION)


def attention_flops(flops: FlopCounterMode) -> int:
    """Return the FLOPs of attention."""
    return sum(n for op, n in flops.get_flop_counts().get("Global", {}).items() if "attention" in str(op))


def parameter_counts(model: Majolica) -> dict[str, int]:
    """Return the number of parameters by part.

    `trunk` is perception, synthesis and the head that maps tokens to pixels.
    """
    sizes = {name: sum(x.numel() for x in values) for name, values in parameters_by_part(model).items()}
    loss = sum(x.numel() for x in model.parameters(recurse=False))
    trunk = sum(sizes.pop(name) for name in (*model.TRUNK, HEAD)) - loss
    return {"trunk": trunk, **sizes, "loss": loss}


def total_bytes(tensors: Any) -> int:
    """Return the bytes of all `tensors`."""
    return sum(x.nbytes for x in tensors)
