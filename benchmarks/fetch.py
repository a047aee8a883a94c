"""Fetching side by side with img2dataset: `python -m benchmarks.fetch --json --img2dataset PYTHON`.

Good URLs on loopback, one server for both, runs alternating; the same resize rule (shorter side, JPEG 95, every
picture encoded again), the same number of workers (img2dataset's processes, our decoding threads) and of
connections (its threads in all, our connections). Memory is the peak over time of the summed proportional set
sizes (PSS) of the process and all its children, read every 50 ms. PYTHON is the interpreter of an environment
with img2dataset, which needs other versions of some packages than ours.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

DIFFERENT = 200
"""Pictures that the server holds; each URL has a comment of its own behind one of them, so no two are equal."""


def pictures(count: int) -> list[bytes]:
    """JPEGs of 400 to 900 pixels a side with some texture, about 100 kB each."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        width, height = (int(side) for side in rng.integers(400, 900, 2))
        coarse = Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        noisy = smooth + rng.integers(-12, 13, (height, width, 1), dtype=np.int16)
        out = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=88)
        made.append(out.getvalue())
    return made


def serve(port: Any, ready: Any) -> None:
    """A server of good pictures, in a process of its own."""
    from aiohttp import web

    held = pictures(DIFFERENT)

    async def picture(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        data = held[number % DIFFERENT]
        # A comment before the end of the JPEG: other bytes, the same picture.
        body = data[:2] + b"\xff\xfe\x00\x0a" + f"{number:08d}".encode() + data[2:]
        return web.Response(body=body, content_type="image/jpeg")

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/{number}.jpg", picture)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
        port.value = runner.addresses[0][1]
        ready.set()
        await asyncio.Event().wait()

    asyncio.run(main())


def list_processes(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in task.read_text().split())
            except OSError:
                continue
    return found


def pss_mb(pid: int) -> float:
    """Memory of a process and all below it; what several share is counted once."""
    total = 0
    for each in list_processes(pid):
        try:
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
    return total / 1024


def measure_command(command: list[str], environment: dict[str, str], seconds: float) -> tuple[float, float, float]:
    """Seconds, peak MB and seconds of CPU of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
        peak = 0.0
        over = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not over.wait(0.05):
                peak = max(peak, pss_mb(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            code = process.wait(timeout=seconds)
        finally:
            process.kill()
            over.set()
            watcher.join()
        took = time.perf_counter() - began
        if code:
            said.seek(0)
            raise SystemExit(f"{' '.join(command[:4])} failed:\n{said.read().decode()[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, peak, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(rows: str, out: Path, options: argparse.Namespace) -> list[str]:
    """Our command."""
    return [
        *(sys.executable, "-m", "majolica", "data", "fetch", "--input", rows, "--out", str(out)),
        *(
            "--per-shard",
            str(options.per_shard),
            "--web.allow-private",
            "--web.ports",
            "--threads",
            str(options.workers),
        ),
        *("--web.connections", str(options.connections), "--polite.per-host", str(options.connections)),
        *("--picture.side", str(options.side), "--picture.no-keep", "--picture.quality", "95"),
    ]


def theirs(rows: str, out: Path, options: argparse.Namespace) -> list[str]:
    """img2dataset's command for the same work."""
    return [
        *(options.img2dataset, "-c", "from img2dataset.main import main; main()"),
        *("--url_list", rows, "--input_format", "parquet", "--url_col", "url", "--caption_col", "caption"),
        *("--output_format", "webdataset", "--output_folder", str(out), "--image_size", str(options.side)),
        *("--resize_mode", "keep_ratio", "--resize_only_if_bigger", "True", "--encode_quality", "95"),
        *("--processes_count", str(options.workers), "--thread_count", str(options.connections // options.workers)),
        *("--number_sample_per_shard", str(options.per_shard), "--enable_wandb", "False"),
    ]


def successes(out: Path) -> int:
    """Pictures in a folder, by its statistics."""
    return sum(json.loads(path.read_text())["successes"] for path in out.glob("*_stats.json"))


def compare(options: argparse.Namespace, port: int, folder: Path) -> dict[str, Any]:
    """Alternating runs of both; medians."""
    rows = str(folder / "rows.parquet")
    urls = [f"http://127.0.0.1:{port}/{i}.jpg" for i in range(options.urls)]
    pq.write_table(pa.table({"url": urls, "caption": [f"picture {i}" for i in range(options.urls)]}), rows)
    source = str(Path(__file__).parents[1] / "src")
    kinds: dict[str, Any] = {"ours": (ours, {**os.environ, "PYTHONPATH": source})}
    if options.img2dataset:
        plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        kinds["theirs"] = (theirs, {**plain, "NO_ALBUMENTATIONS_UPDATE": "1"})
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    peaks: dict[str, list[float]] = {name: [] for name in kinds}
    work: dict[str, list[float]] = {name: [] for name in kinds}
    for repeat in range(options.repeats):
        for name, (command, environment) in kinds.items():
            out = folder / f"{name}-{repeat}"
            took, peak, cpu = measure_command(command(rows, out, options), environment, options.limit)
            if (good := successes(out)) != options.urls:
                raise SystemExit(f"{name}: {good} of {options.urls} pictures")
            seconds[name].append(took)
            peaks[name].append(peak)
            work[name].append(cpu)
    return summary(options, seconds, peaks, work)


def summary(
    options: argparse.Namespace,
    seconds: dict[str, list[float]],
    peaks: dict[str, list[float]],
    work: dict[str, list[float]],
) -> dict[str, Any]:
    """The JSON object."""
    found: dict[str, Any] = {
        "urls": options.urls,
        "workers": options.workers,
        "connections": options.connections,
        "repeats": options.repeats,
        "ours_per_second": round(options.urls / statistics.median(seconds["ours"]), 1),
        "peak_rss_mb": round(statistics.median(peaks["ours"]), 1),
        "cpu_seconds": {name: round(statistics.median(values), 2) for name, values in work.items()},
    }
    if "theirs" in seconds:
        pairs = zip(seconds["theirs"], seconds["ours"], strict=True)
        found |= {
            "theirs_per_second": round(options.urls / statistics.median(seconds["theirs"]), 1),
            "theirs_peak_rss_mb": round(statistics.median(peaks["theirs"]), 1),
            "ratio_to_img2dataset": round(statistics.median(their / our for their, our in pairs), 2),
            "img2dataset": version(options.img2dataset),
        }
    else:
        found |= {
            "ratio_to_img2dataset": None,
            "missing": "img2dataset: give the interpreter of an environment that has it with --img2dataset",
        }
    found["seconds"] = {name: [round(value, 2) for value in values] for name, values in seconds.items()}
    found["how"] = (
        "wall time of the whole command, start-up included; median of alternating runs, ratio of each pair; "
        "memory: peak of the summed PSS of the process and its children, every 50 ms"
    )
    return found


def version(python: str) -> str:
    """img2dataset's version in that environment."""
    code = "from importlib.metadata import version; print(version('img2dataset'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{python} has no img2dataset: pip install img2dataset there")
    return done.stdout.strip()


def main() -> None:
    """Start the server, compare, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the JSON object alone")
    parser.add_argument("--urls", type=int, default=5000)
    parser.add_argument("--per-shard", type=int, default=1000)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for one run")
    parser.add_argument("--img2dataset", default="", help="Python interpreter of an environment with img2dataset")
    options = parser.parse_args()
    if options.img2dataset:
        version(options.img2dataset)
    context = multiprocessing.get_context("spawn")
    port, ready = context.Value("i", 0), context.Event()
    server = context.Process(target=serve, args=(port, ready), daemon=True)
    server.start()
    try:
        if not ready.wait(300):
            raise SystemExit("the server did not start")
        with tempfile.TemporaryDirectory() as folder:
            found = compare(options, port.value, Path(folder))
    finally:
        server.terminate()
    if not options.json:
        print(f"{found['ours_per_second']} URLs/s, {found['peak_rss_mb']} MB")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
