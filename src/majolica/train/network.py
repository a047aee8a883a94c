"""The model as it is trained: activations kept or computed again, blocks compiled, gradients reduced over the ranks."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import torch
from torch import nn

from majolica.activation.apply import apply_choices
from majolica.activation.choices import CHOICES
from majolica.activation.plan import ActivationPlan, plan_for
from majolica.activation.step import painted_scales
from majolica.config.run import RunConfig
from majolica.distributed.group import Group
from majolica.distributed.reduce import Traffic, wrap_in_ddp
from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.models.majolica import Majolica


def wrap_model(model: Majolica, config: RunConfig, group: Group, traffic: Traffic, out: Path) -> nn.Module:
    """Checkpoint activations, compile block by block and reduce gradients over the ranks, where asked for."""
    if config.train.activation_gb:
        checkpoint_activations(model, config, group, out)
    if config.train.compile:
        compile_blocks(model)
    if group.world == 1:
        return model
    return wrap_in_ddp(model, group, torch.bfloat16 if config.train.reduce == "bf16" else torch.float32, traffic)


def plan_activations(config: RunConfig, device: torch.device) -> ActivationPlan:
    """The plan that keeps to `train.activation_gb` on `device`; UserError where it is too little."""
    # Beside a CPU there is no other memory to move anything to; compiled blocks save what no hook sees.
    offload = device.type != "cpu" and not config.train.compile
    choices = [choice for choice in CHOICES if choice != "offload" or offload]
    return plan_for(config, round(config.train.activation_gb * 1e9), choices, device.type)


def checkpoint_activations(model: Majolica, config: RunConfig, group: Group, out: Path) -> None:
    """Plan the activations of `model`, carry the plan out, and write it to `activation_plan.json`."""
    config = dataclasses.replace(config, model=model.config)  # with the vocabulary that the tokenizer really has
    plan = plan_activations(config, group.device)
    apply_choices(model, model.blocks(painted_scales(config)), plan.choices)
    if group.first:
        print(plan)
        try:
            write_atomic(out / "activation_plan.json", plan.to_json())
        except UserError as error:
            print(f"{error}: the plan stands above and is followed", flush=True)


def can_compile(device: torch.device) -> bool:
    """Whether torch.compile finds what it needs."""
    return device.type != "cpu" or bool(shutil.which("g++") or shutil.which("clang++"))


def compile_blocks(model: Majolica) -> None:
    """torch.compile each transformer block; where no C++ compiler is found training goes on without.

    The blocks of the pixel decoder run uncompiled: Inductor 2.13 fails on the backward pass of a channels-last
    convolution (it expects other strides) and, where sizes are symbols, on its forward pass. Dynamo does not split the
    blocks for DDP, because each is a graph of its own already, and its split fails where sizes are symbols.
    """
    if not can_compile(next(model.parameters()).device):
        print("no C++ compiler found: training without --train.compile")
        return
    torch._dynamo.config.optimize_ddp = False
    for call in model.blocks():
        if call.kind == "transformer":
            call.block.compile()
