"""Side by side on CPU, one thread: the choices that ADR 020 and 021 record. `python -m benchmarks.layers --json`."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.models.layers import Norm, SwiGLU, rope_2d, rotate
from majolica.train.optim.muon import Muon
from majolica.train.precision import product_dtype

ROWS, TOKENS, WIDTH, HEADS = 32, 68, 192, 6


def forward_backward(function: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], None]:
    """One forward and backward pass with a gradient of ones."""

    def run() -> None:
        out = function(x)
        torch.autograd.backward(out, torch.ones_like(out))

    return run


def rotate_halves(x_BHND: Tensor, rope_NF: Tensor) -> Tensor:
    """The usual real-valued rotary embedding."""
    cos, sin = rope_NF.real, rope_NF.imag
    first, second = x_BHND.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


def build_one_product(layer: SwiGLU) -> Callable[[Tensor], Tensor]:
    """SwiGLU as a single product cut in half."""
    weight = torch.cat((layer.gate.weight, layer.up.weight)).detach().requires_grad_()

    def run(x: Tensor) -> Tensor:
        gate, value = F.linear(x, weight).chunk(2, -1)
        out: Tensor = layer.down(F.silu(gate) * value)
        return out

    return run


def build_muons() -> tuple[Callable[[], None], Callable[[], None]]:
    """torch's Muon and ours over the matrices of six small blocks, ours in the precision that runs give it here."""
    shapes = [(3 * 128, 128), (128, 128), (352, 128), (352, 128), (128, 352)] * 6
    matrices = [torch.randn(shape, requires_grad=True) for shape in shapes]
    for matrix in matrices:
        matrix.grad = torch.randn_like(matrix)
    ours = Muon(matrices, lr=0.0, dtype=product_dtype("bf16", torch.device("cpu")))
    return torch.optim.Muon(matrices, lr=0.0).step, ours.step  # type: ignore[return-value]


def pairs() -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Name -> (the usual way, ours)."""
    x = torch.randn(ROWS, TOKENS, WIDTH, requires_grad=True)
    heads = torch.randn(ROWS, HEADS, TOKENS, WIDTH // HEADS, requires_grad=True)
    turn = rope_2d((8, 8), WIDTH // HEADS, 4)
    norm, swiglu = Norm(WIDTH), SwiGLU(WIDTH)
    gain = torch.ones(WIDTH, requires_grad=True)
    return {
        "layer_norm_over_rms_norm": (
            forward_backward(lambda x: F.rms_norm(x, (WIDTH,), gain, 1e-6), x),
            forward_backward(norm, x),
        ),
        "complex_rope_over_halves": (
            forward_backward(lambda x: rotate_halves(x, turn), heads),
            forward_backward(lambda x: rotate(x, turn), heads),
        ),
        "two_products_over_one_swiglu": (forward_backward(build_one_product(swiglu), x), forward_backward(swiglu, x)),
        "batched_muon_over_torch": build_muons(),
    }


def compare(usual: Callable[[], object], ours: Callable[[], object], repeats: int) -> dict[str, float]:
    """Median times in ms of alternating calls, and how many times faster ours is."""
    times: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats + 2):
        for function, spent in zip((usual, ours), times, strict=True):
            start = time.perf_counter()
            function()
            if repeat >= 2:
                spent.append(1e3 * (time.perf_counter() - start))
    before, after = (statistics.median(spent) for spent in times)
    return {"usual_ms": round(before, 3), "ours_ms": round(after, 3), "speedup": round(before / after, 2)}


def main() -> None:
    """Measure every pair and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the JSON object alone")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    results = {name: compare(*functions, options.repeats) for name, functions in pairs().items()}
    if not options.json:
        for name, values in results.items():
            print(f"{name:32} {values['speedup']:.2f}x")
    print(json.dumps({"torch": torch.__version__, "threads": 1, **results}))


if __name__ == "__main__":
    main()
