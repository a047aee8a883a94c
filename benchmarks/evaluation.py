"""What evaluation costs, and whether its distances are right. `python -m benchmarks.evaluation --json`.

* `features_per_s`: pictures that Inception describes in a second, resized as by clean-fid. Its weights are drawn at
  random, because speed does not depend on them.
* `fd_of_two_halves`: the Frechet distance between two halves of one set of pictures: what a perfect painter would have
  on so few.
* `frechet_seconds`: of one distance between two moments of 2,048 features.
* `largest_difference_to_torch_fidelity`: of features of the same pictures with the same weights; null where that
  package is not installed.
* `peak_rss_mb`: the most memory of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time

import torch
from torch import Tensor

from benchmarks.fidelity_packages import draw_weights, largest_difference_to_torch_fidelity
from majolica.device import find_device, synchronize
from majolica.features.conventions import find_convention
from majolica.features.extractor import make_describe
from majolica.features.inception import WIDTH, Inception
from majolica.metrics.frechet import frechet_between
from majolica.metrics.moments import Moments


def draw_pictures(count: int, side: int, seed: int = 0) -> Tensor:
    """Draw uint8 pictures `B3HW` of smooth random colours: noise that is enlarged from 4 x 4."""
    generator = torch.Generator().manual_seed(seed)
    coarse_B3HW = torch.rand(count, 3, 4, 4, generator=generator)
    smooth_B3HW = torch.nn.functional.interpolate(coarse_B3HW, size=(side, side), mode="bicubic", align_corners=False)
    return (smooth_B3HW.clamp(0, 1) * 255).round().to(torch.uint8)


@torch.no_grad()
def measure(options: argparse.Namespace, device: torch.device) -> dict[str, object]:
    """All figures of one run."""
    network = Inception()
    network.load_state_dict(draw_weights(0))
    network = network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    describe = make_describe(find_convention("clean-fid").prepare, network, device)
    images_B3HW = draw_pictures(options.pictures, options.side)
    seconds, parts = [], []
    describe(images_B3HW[: options.batch])  # the first call allocates
    for batch_B3HW in images_B3HW.split(options.batch):
        start = time.perf_counter()
        parts.append(describe(batch_B3HW))
        synchronize(device)
        seconds.append((time.perf_counter() - start) / len(batch_B3HW))
    features_BD = torch.cat(parts)
    start = time.perf_counter()
    distance = frechet_between(Moments.of(features_BD[::2]), Moments.of(features_BD[1::2]))
    took = time.perf_counter() - start
    return {
        "device": device.type,
        "pictures": options.pictures,
        "features": WIDTH,
        "features_per_s": round(1 / statistics.median(seconds), 2),
        "fd_of_two_halves": round(distance, 4),
        "frechet_seconds": round(took, 3),
        "largest_difference_to_torch_fidelity": largest_difference_to_torch_fidelity(),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--pictures", type=int, default=96)
    parser.add_argument("--side", type=int, default=256, help="of the pictures, in pixels")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    found = measure(options, find_device(None))
    print(json.dumps(found) if options.json else "\n".join(f"{name}: {value}" for name, value in found.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
