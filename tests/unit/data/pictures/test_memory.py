"""What threads decode at one time does not add up past the budget, and what never fits is refused at once."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from majolica.config.data import DataConfig
from majolica.config.fetch import PictureConfig, fetch_recipe
from majolica.config.shard import ShardConfig
from majolica.data.fetch.picture import make_picture
from majolica.data.fetch.status import OF_PICTURES, Failure
from majolica.data.folder.gather import gather
from majolica.data.loading.loader import Loader, LoaderSizes
from majolica.data.pictures.decode import MAX_PIXELS, decode
from majolica.data.pictures.faults import OVER_BUDGET, BadPicture
from majolica.data.pictures.memory import SMALL, MemoryBudget, jpeg_bytes, pillow_bytes
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.errors import UserError
from picture_files import encoded

MB = 1_000_000
SIDE = 4000
KEPT = 8 * (64 << 20)
"""What the C library keeps of freed memory at most: 64 MiB for each of eight threads."""


def bomb(side: int) -> bytes:
    """A lossless WebP of a few dozen bytes."""
    data = encoded(Image.new("RGB", (side, side)), "WEBP", lossless=True, method=0, quality=0)
    assert len(data) < 5000
    return data


def test_a_budget_is_never_passed_and_nobody_is_forgotten() -> None:
    budget, lock, held, most, done = MemoryBudget(100 * MB), threading.Lock(), 0, 0, 0

    def work(number: int) -> None:
        nonlocal held, most, done
        size = (20 + number * 37 % 80) * MB
        with budget.lease() as reserve:
            reserve(size)
            with lock:
                held, most = held + size, max(most, held + size)
            time.sleep(0.001)
            with lock:
                held, done = held - size, done + 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(100)))
    assert most <= 100 * MB and done == 100 and budget._left == 100 * MB


def test_a_lease_is_for_one_picture_at_a_time() -> None:
    """A row that needs substitutes would otherwise wait for itself."""
    budget = MemoryBudget(100 * MB)
    with budget.lease() as reserve:
        for _ in range(5):
            reserve(90 * MB)
        assert budget._left == 10 * MB
        reserve(SMALL)
        assert budget._left == 100 * MB
    with pytest.raises(ZeroDivisionError), budget.lease() as reserve:
        reserve(90 * MB)
        raise ZeroDivisionError
    assert budget._left == 100 * MB


def test_a_large_one_is_not_overtaken_for_ever() -> None:
    budget, order = MemoryBudget(100 * MB), []
    first = budget.lease()
    first.__enter__()(60 * MB)

    def work(size: int) -> None:
        with budget.lease() as reserve:
            reserve(size)
            order.append(size)

    threads = []
    for size in (90 * MB, 30 * MB):
        threads.append(threading.Thread(target=work, args=(size,)))
        threads[-1].start()
        while len(budget._line) < len(threads):
            time.sleep(0.001)
    first.__exit__(None, None, None)
    for thread in threads:
        thread.join()
    assert order == [90 * MB, 30 * MB]


def test_what_is_over_the_whole_budget_is_refused_and_counted(tmp_path: Path) -> None:
    data = bomb(1500)
    small = MemoryBudget(pillow_bytes(1500 * 1500) - 1)
    with small.lease() as reserve, pytest.raises(BadPicture, match=OVER_BUDGET):
        decode(data, reserve=reserve)
    with small.lease() as reserve, pytest.raises(Failure) as told:
        make_picture(data, PictureConfig(), reserve=reserve)
    assert told.value.status == "too_much_memory" and told.value.status in OF_PICTURES
    assert "decode_gb is 0.054" in told.value.reason
    (tmp_path / "in").mkdir()
    (tmp_path / "in/bomb.webp").write_bytes(data)
    (tmp_path / "in/good.webp").write_bytes(bomb(64))
    config = ShardConfig(str(tmp_path / "in"), str(tmp_path / "out"), caption=("name",), decode_gb=0.05)
    assert gather(config).skipped == {"too_much_memory": 1}
    assert gather(replace(config, decode_gb=1.0)).skipped  # the same data set: it is kept as it is
    write_shards(tmp_path / "s", [Record(data, "webp", "bomb", {}), Record(bomb(64), "webp", "good", {})])
    tight = DataConfig(shards=str(tmp_path / "s"), threads=2, bad_share=0.1, decode_gb=0.05, ahead=0)
    with Loader(tight, 4, LoaderSizes(8), 0) as loader, pytest.raises(UserError, match=f"x {OVER_BUDGET}"):
        next(loader)


def test_the_defaults_let_every_permitted_picture_through() -> None:
    assert pillow_bytes(MAX_PIXELS) <= DataConfig().decode_gb * 1e9
    for name in ("web256", "original"):
        recipe = fetch_recipe(name)
        assert pillow_bytes(int(recipe.picture.max_megapixels * 1e6)) <= recipe.decode_gb * 1e9


def test_scaled_jpegs_take_little() -> None:
    asked: list[int] = []
    out = io.BytesIO()
    Image.new("RGB", (2048, 2048)).save(out, "JPEG")
    decode(out.getvalue(), (64, 64), reserve=asked.append)
    make_picture(out.getvalue(), PictureConfig(side=64), reserve=asked.append)
    assert asked == [jpeg_bytes(2048 * 2048, 8, False)] * 2
    out = io.BytesIO()
    Image.new("RGB", (512, 512)).save(out, "JPEG", progressive=True)
    decode(out.getvalue(), reserve=asked.append)
    assert asked[-1] == jpeg_bytes(512 * 512, 1, True)


PEAK = """
import io, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from PIL import Image
from majolica.config.fetch import PictureConfig
from majolica.data.fetch.picture import make_picture
from majolica.data.pictures.decode import decode
from majolica.data.pictures.memory import MemoryBudget
assert 'torch' not in sys.modules
data, budget = Path(sys.argv[1]).read_bytes(), MemoryBudget(int(sys.argv[2]))
def peak():  # of this program: ru_maxrss would begin with that of the process which started it
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])
def work(number):
    with budget.lease() as reserve:
        decode(data, reserve=reserve) if number % 2 else make_picture(data, PictureConfig(), reserve=reserve)
with MemoryBudget(1).lease() as reserve:
    decode(Path(sys.argv[3]).read_bytes(), reserve=reserve)
before = peak()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(work, range(8)))
print((peak() - before) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc elsewhere")
@pytest.mark.slow
def test_memory_of_eight_threads(tmp_path: Path) -> None:
    """Measured from outside, half as training decodes and half as fetch does; one bomb takes most of the budget."""
    (tmp_path / "bomb").write_bytes(bomb(SIDE))
    (tmp_path / "small").write_bytes(bomb(16))
    budget = int(1.3 * pillow_bytes(SIDE * SIDE))
    words = [str(tmp_path / "bomb"), str(budget), str(tmp_path / "small")]
    done = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert SIDE * SIDE * 3 < int(done.stdout) < budget + KEPT


def test_the_option_is_checked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="decode_gb is 0"):
        gather(ShardConfig(str(tmp_path), str(tmp_path / "out"), decode_gb=0.0))
