"""One optimiser step of a configuration with tensors that have shapes and no memory, on ranks that do not exist."""

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
from majolica.models.parts import HEAD, hidden_matrices, parameters_by_part
from majolica.objectives.contrastive import Pairs
from majolica.objectives.joint import Targets
from majolica.objectives.objective import Objective, clean_pairs
from majolica.train.optim.ema import Ema
from majolica.train.optim.optimisers import build_optimisers
from majolica.train.step import gather_pairs

aten = torch.ops.aten


@dataclass(frozen=True)
class Trace:
    """What one rank does and holds. FLOPs count a multiplication and an addition as two; sizes are bytes."""

    parameters: dict[str, int]
    """By part of the model."""
    forward_flops: int
    """Of one micro-step: the last, which sees the whole window."""
    backward_flops: int
    attention_flops: int
    """Part of the two above that is inside attention (products of queries, keys and values)."""
    optimiser_flops: int
    """Of one optimiser step: matrix products alone (Muon's)."""
    weights: int
    gradients: int
    optimiser: int
    ema: int
    bf16_copies: int
    activations: int
    """Held from forward to backward by one micro-step, without activation checkpointing."""


def trace(config: RunConfig) -> Trace:
    """Trace `config` as its first rank of `train.processes`."""
    rows, targets = build_inputs(config)
    fake = FakeTensorMode()
    with fake_group(config.train.processes) as group, fake:
        model = Majolica(config.model)
        shard = (
            Zero1.assign_owners(model, group, hidden_matrices(model))
            if config.train.shard_optimizer
            else Zero1.without_owners(group)
        )
        optimisers = build_optimisers(model, config.optim, shard.owns)
        ema = Ema(model, config.optim.ema, shard.owns)
        rows, targets = to_fake(rows, fake), to_fake(targets, fake)
        held, forward, backward = SavedTensors(model), flop_counter(), flop_counter()
        with forward, held, saved_tensors_hooks(held.note, lambda x: x):
            loss = last_micro_step_loss(model, rows, targets, config, group)
        with backward:
            loss.backward()  # type: ignore[no-untyped-call]
        with flop_counter() as stepping:
            for optimiser in optimisers:
                optimiser.step()
            ema.update(model, 1, torch.ones(()))
        state = [x for o in optimisers for slots in o.state.values() for x in slots.values()]
        return Trace(
            parameters=parameter_counts(model),
            forward_flops=forward.get_total_flops(),
            backward_flops=backward.get_total_flops(),
            attention_flops=attention_flops(forward) + attention_flops(backward),
            optimiser_flops=stepping.get_total_flops(),
            weights=total_bytes(model.parameters()),
            gradients=total_bytes(x.grad for x in model.parameters() if x.grad is not None),
            optimiser=total_bytes(state),
            ema=0 if config.train.ema_device == "cpu" else total_bytes(ema.average.values()),
            bf16_copies=held.copy_bytes(),
            activations=held.activation_bytes(),
        )


def last_micro_step_loss(model: Majolica, rows: Rows, targets: Targets, config: RunConfig, group: Group) -> Tensor:
    """The loss of the last micro-step of a window."""
    objective = Objective.of(config, noisiest_split(config.loss, config.train.batch * group.world), group.world)
    outputs = objective.predict(model, rows)
    window: list[Pairs] = []
    for _ in range(config.train.accumulate):
        others = gather_pairs(clean_pairs(outputs, targets), window, group, objective.split)
    return objective.losses(model, outputs, rows, targets, others)["loss"]


@contextmanager
def fake_group(world: int) -> Iterator[Group]:
    """Rank 0 of a process group whose other ranks are not there: its collectives do nothing."""
    if world > 1:
        from torch.testing._internal.distributed.fake_pg import FakeStore

        dist.init_process_group("fake", rank=0, world_size=world, store=FakeStore())
    try:
        yield Group(0, world, torch.device("cpu"))
    finally:
        if world > 1:
            dist.destroy_process_group()


class SavedTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What the forward pass keeps for the backward pass: each piece of memory once, the weights not at all."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.weights = {storage_key(x) for x in (*model.parameters(), *model.buffers())}
        self.casts: set[int] = set()
        self.kept: dict[int, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is aten._to_copy.default and storage_key(args[0]) in self.weights:
            self.casts.add(storage_key(out))
            self.kept[storage_key(out)] = out
        return out

    def note(self, x: Tensor) -> Tensor:
        """Note a saved tensor."""
        if storage_key(x) not in self.weights:
            self.kept[storage_key(x)] = x
        return x

    def copy_bytes(self) -> int:
        """Bytes of autocast's copies of the weights."""
        return sum(storage_bytes(x) for at, x in self.kept.items() if at in self.casts)

    def activation_bytes(self) -> int:
        """Bytes of everything else."""
        return sum(storage_bytes(x) for at, x in self.kept.items() if at not in self.casts)


def storage_key(x: Tensor) -> int:
    """Identity of a tensor's memory."""
    return int(x.untyped_storage()._cdata)


def storage_bytes(x: Tensor) -> int:
    """Bytes of a tensor's memory, of which the tensor may be a part."""
    return x.untyped_storage().nbytes()


def to_fake(x: Any, mode: FakeTensorMode) -> Any:
    """A tensor, or a dataclass of tensors, without its memory."""
    if isinstance(x, Tensor):
        return mode.from_tensor(x)
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        names = [field.name for field in dataclasses.fields(x)]
        return dataclasses.replace(x, **{name: to_fake(getattr(x, name), mode) for name in names})
    return x


def flop_counter() -> FlopCounterMode:
    """Counts FLOPs of matrix products, convolutions and attention."""
    return FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION)


def attention_flops(flops: FlopCounterMode) -> int:
    """FLOPs inside attention."""
    return sum(n for op, n in flops.get_flop_counts().get("Global", {}).items() if "attention" in str(op))


def parameter_counts(model: Majolica) -> dict[str, int]:
    """Parameters by part; `trunk` is perception, synthesis and the head that reads pixels off the tokens."""
    sizes = {name: sum(x.numel() for x in values) for name, values in parameters_by_part(model).items()}
    loss = sum(x.numel() for x in model.parameters(recurse=False))
    trunk = sum(sizes.pop(name) for name in (*model.TRUNK, HEAD)) - loss
    return {"trunk": trunk, **sizes, "loss": loss}


def total_bytes(tensors: Any) -> int:
    """Bytes of tensors."""
    return sum(x.nbytes for x in tensors)
