"""Which numbers a run computes with. Weights, gradients, optimiser and EMA are fp32, always."""

from __future__ import annotations

import torch
from torch import nn

from majolica.errors import UserError
from majolica.models.majolica import Majolica
from majolica.models.parts import transformer_linears
from majolica.models.precision import Precision, has_bf16


def product_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the type of products that autocast does not cover, such as Muon's: bfloat16 if the run uses low precision
    and the device multiplies it, or else float32."""
    return torch.bfloat16 if precision != "fp32" and has_bf16(device) else torch.float32


def check_precision(precision: Precision, device: torch.device, emulate: bool = False) -> None:
    """UserError where `device` lacks what the precision needs; `emulate` needs no hardware."""
    if precision != "fp8":
        return
    if not emulate and (device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 9)):
        raise UserError(
            "--train.precision fp8 needs a GPU of compute capability 8.9 (Ada, Hopper) or later: choose bf16"
        )
    try:
        import torchao.float8  # noqa: F401
    except ImportError as error:
        raise UserError("--train.precision fp8 needs torchao: pip install 'majolica[fp8]'") from error


def prepare_precision(model: Majolica, precision: Precision, device: torch.device, emulate: bool = False) -> None:
    """Set up `model` in place, before it is compiled or wrapped.

    TF32 serves what autocast leaves in fp32, and is off where a run asked for fp32. fp8 is torchao's dynamic recipe,
    scaled by tensor; `emulate` computes it without the hardware. Raises UserError where fp8 cannot be had.
    """
    check_precision(precision, device, emulate)
    torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
    if precision == "fp8":
        _convert_to_fp8(model, emulate)


def _convert_to_fp8(model: Majolica, emulate: bool) -> None:
    from torchao.float8 import Float8LinearConfig, convert_to_float8_training

    inside = {id(layer) for layer in transformer_linears(model)}

    def takes_fp8(layer: nn.Module, name: str) -> bool:
        """Whether a layer is a product inside a transformer block, of sizes that the kernels take."""
        sizes = (layer.in_features, layer.out_features) if isinstance(layer, nn.Linear) else ()
        return id(layer) in inside and all(size % 16 == 0 for size in sizes)

    convert_to_float8_training(model, config=Float8LinearConfig(emulate=emulate), module_filter_fn=takes_fp8)
