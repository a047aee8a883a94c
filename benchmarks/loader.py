"""The loader beside webdataset and beside bare decoding. `python -m benchmarks.loader --json`.

The set is 8 img2dataset-layout tars of 500 photograph-like JPEGs, the shorter side 256 px as img2dataset makes them
by default (`--shorter 512` for larger ones), decoded to 256 px in batches of 64. webdataset gets the same decoding
function, a shuffle buffer of 1,000 and as many worker processes as ours gets threads (0 workers: one thread).
Rates are medians of alternating rounds.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from majolica.config.data import DataConfig
from majolica.data.loading.loader import Loader, LoaderSizes
from majolica.data.pictures.decode import decode
from majolica.data.pictures.fit import fit_picture
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.machine import cores

BATCH, SIDE = 64, 256


def photograph(rng: np.random.Generator, height: int, width: int) -> bytes:
    """A JPEG with the spectrum of a photograph: amplitudes fall as 1/f."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 1 / max(height, width))
    grey = np.fft.irfft2(amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape)), (height, width))
    grey = (grey - grey.mean()) / grey.std()
    colour = 128 + 45 * grey[..., None] * (0.7 + 0.6 * rng.random(3)) + 20 * rng.standard_normal(3)
    out = io.BytesIO()
    Image.fromarray(colour.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def make_set(folder: Path, count: int, shorter: int) -> None:
    """`count` pictures in tars of 500; 200 different ones, for drawing them is slow."""
    rng = np.random.default_rng(0)
    longer = rng.integers(shorter, 7 * shorter // 4, min(count, 200))
    pictures = [photograph(rng, *((shorter, int(n)) if i % 3 else (int(n), shorter))) for i, n in enumerate(longer)]
    records = (Record(pictures[i % len(pictures)], "jpg", f"photograph {i}", {"i": i}) for i in range(count))
    write_shards(folder, records, 500)


def rate(batches: Iterator[Any], count: int) -> float:
    """Samples per second over `count` samples, after two batches to get going."""
    for _ in islice(batches, 2):
        pass
    start = time.perf_counter()
    for _ in islice(batches, count // BATCH):
        pass
    return count // BATCH * BATCH / (time.perf_counter() - start)


def ours(folder: Path, workers: int, count: int) -> float:
    """Our loader with `workers` threads, helped by the caller."""
    with Loader(DataConfig(shards=str(folder), threads=workers), BATCH, LoaderSizes(SIDE), 0) as loader:
        return rate(loader, count)


def pixels(data: bytes) -> torch.Tensor:
    """The decoding that both loaders do."""
    return fit_picture(decode(data, (SIDE, SIDE)).image, (SIDE, SIDE)).contiguous()


def theirs(folder: Path, workers: int, count: int) -> float:
    """webdataset under torch's DataLoader with `workers` processes."""
    import webdataset

    tars = sorted(str(path) for path in folder.glob("*.tar"))
    data = (
        webdataset.WebDataset(tars, shardshuffle=100, empty_check=False)
        .repeat()
        .shuffle(1000)
        .to_tuple("jpg", "txt")
        .map_tuple(pixels, lambda text: text.decode())
        .batched(BATCH, collation_fn=lambda rows: (torch.stack([r[0] for r in rows]), [r[1] for r in rows]))
    )
    loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=workers)
    return rate(iter(loader), count)


def bare(folder: Path, workers: int, count: int) -> float:
    """Decoding alone, from memory, on as many threads as decode in ours, the caller's too, but no more than cores."""
    shards = ShardSet(folder)
    images = [shards.read(i).image for i in range(min(count, len(shards)))]
    threads = min(workers + 1, cores())
    each = BATCH // threads
    pieces = [images[i : i + each] for i in range(0, len(images), each)]

    def work(piece: list[bytes]) -> None:
        for image in piece:
            pixels(image)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, pieces[: 2 * threads]))
        start = time.perf_counter()
        list(pool.map(work, pieces))
        return len(images) / (time.perf_counter() - start)


def measure_in_turn(ways: Mapping[str, Callable[[], float]], repeat: int) -> dict[str, list[float]]:
    """Every way once a round, so that a busy machine hurts all alike."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, way in ways.items():
            found[name].append(way())
    return found


def rss_mb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def rss_slope(folder: Path, samples: int) -> float:
    """Growth of resident memory in MB per 100,000 samples, by least squares after the first fifth."""
    seen, memory = [], []
    with Loader(DataConfig(shards=str(folder), threads=2), BATCH, LoaderSizes(SIDE), 0) as loader:
        for batch in range(samples // BATCH):
            next(loader)
            if batch % 20 == 0 and batch * BATCH > samples / 5:
                seen.append(batch * BATCH / 1e5)
                memory.append(rss_mb())
    return float(np.polyfit(seen, memory, 1)[0])


def start_seconds(folder: Path, shards: int) -> float:
    """From nothing to the first batch of 64 on a folder of so many indexed shards."""
    picture = photograph(np.random.default_rng(0), 64, 64)
    write_shards(folder, (Record(picture, "jpg", f"picture {i}", {}) for i in range(shards)), 1)
    ShardSet(folder)
    start = time.perf_counter()
    with Loader(DataConfig(shards=str(folder), threads=2), BATCH, LoaderSizes(SIDE), 0) as loader:
        next(loader)
        return time.perf_counter() - start


def measure(options: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Measure everything and return the figures as one object for JSON."""
    folder = root / "set"
    make_set(folder, options.pictures, options.shorter)
    figures: dict[str, Any] = {"samples_per_s": {}, "ratio_to_webdataset": {}, "share_of_bare_decode": {}}
    for workers in (0, 1, 2):
        ways = {"ours": ours, "webdataset": theirs, "bare": bare}
        steps = {name: partial(way, folder, workers, options.samples) for name, way in ways.items()}
        found = measure_in_turn(steps, options.repeat)
        figures["samples_per_s"][workers] = {name: round(statistics.median(r)) for name, r in found.items()}
        for key, other in (("ratio_to_webdataset", "webdataset"), ("share_of_bare_decode", "bare")):
            pairs = zip(found["ours"], found[other], strict=True)
            figures[key][workers] = round(statistics.median(a / b for a, b in pairs), 3)
    figures["rss_slope_mb_per_100k"] = round(rss_slope(folder, options.long), 2)
    figures["start_seconds"] = round(start_seconds(root / "many", options.shards), 3)
    asked = {name: value for name, value in vars(options).items() if name != "json"}
    return figures | {"options": asked, "cores": os.cpu_count()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON (always done)")
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--shorter", type=int, default=256, help="shorter side of the pictures in the set")
    parser.add_argument("--samples", type=int, default=3200, help="samples of each timing")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--long", type=int, default=100_000, help="samples over which memory is watched")
    parser.add_argument("--shards", type=int, default=10_000)
    options = parser.parse_args()
    logging.getLogger("majolica").setLevel(logging.ERROR)
    torch.set_num_threads(1)  # neither loader gets more threads than it is given
    with tempfile.TemporaryDirectory() as root:
        print(json.dumps(measure(options, Path(root))))


if __name__ == "__main__":
    main()
