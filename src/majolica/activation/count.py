"""Counting the FLOPs of a micro-step on tensors without memory."""

from __future__ import annotations

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from majolica.activation.flops import CPU_ATTENTION
from majolica.activation.step import build_step
from majolica.config.run import RunConfig


def micro_step_flops(config: RunConfig) -> int:
    """Return the FLOPs of one rank's micro-step, forward and backward.

    They are those of matrix products, convolutions and attention; a multiply-add is two. The
    micro-step is taken at the point of the training that has the most noisy rows.
    """
    with FakeTensorMode(), FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
        torch.autograd.backward(build_step(config).forward())
    return int(counter.get_total_flops())
