"""FLOPs of a micro-step, counted on tensors without memory."""

from __future__ import annotations

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from majolica.activation.flops import CPU_ATTENTION
from majolica.activation.step import step_of
from majolica.config.run import RunConfig


def micro_step_flops(config: RunConfig) -> int:
    """Forward and backward products of one rank's micro-step when it has the most noisy rows; two per multiply-add."""
    with FakeTensorMode(), FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
        torch.autograd.backward(step_of(config).forward())
    return int(counter.get_total_flops())
