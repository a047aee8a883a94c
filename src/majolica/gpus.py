"""Peak performance and memory of GPUs, from their data sheets; nothing here was measured."""

from __future__ import annotations

from dataclasses import dataclass

from majolica.errors import unknown_name


@dataclass(frozen=True)
class Gpu:
    """Data-sheet values of one GPU."""

    name: str
    tflops: float
    """Dense bf16 tensor-core peak, 10^12 FLOP/s."""
    memory_gb: float
    """Memory, in 10^9 bytes."""
    node_gb_s: float
    """Bandwidth to the other GPUs of its node (NVLink or PCIe), 10^9 bytes/s in one direction."""
    network_gb_s: float
    """Its usual share of the bandwidth between nodes, 10^9 bytes/s in one direction."""


GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("A100-40GB", 312, 40, 300, 25),
        Gpu("A100-80GB", 312, 80, 300, 25),
        Gpu("H100", 989, 80, 450, 50),
        Gpu("H200", 989, 141, 450, 50),
        Gpu("B200", 2250, 180, 900, 50),
        Gpu("L40S", 362, 48, 32, 12.5),
        Gpu("RTX-4090", 165, 24, 32, 12.5),
    )
}


def gpu(name: str) -> Gpu:
    """The GPU called `name`, in upper or lower case. Raises UserError, with the nearest names, if there is none."""
    by_lower = {key.lower(): value for key, value in GPUS.items()}
    if name.lower() not in by_lower:
        close = [key for key in GPUS if key.lower().startswith(name.lower())]
        raise unknown_name("GPU", name, close or GPUS)
    return by_lower[name.lower()]


def find_gpu_of_device(device_name: str) -> Gpu | None:
    """The GPU for CUDA's name of a device, such as "NVIDIA A100-SXM4-80GB"; None if it is not in `GPUS`."""
    words = set(device_name.upper().replace("-", " ").split())
    return next((gpu for key, gpu in GPUS.items() if set(key.upper().split("-")) <= words), None)
