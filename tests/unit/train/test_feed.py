"""The feed hands on the loader's batches, knows where it is, and says how long it waited."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch

from majolica.train.feed import Feed


class Slow:
    """A loader whose batches are numbers, ready after a while."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds, self.position, self.closed = seconds, 0, False

    def __next__(self) -> int:
        time.sleep(self.seconds)
        self.position += 1
        return self.position

    def state(self) -> dict[str, Any]:
        return {"position": self.position}

    def load(self, state: dict[str, Any]) -> None:
        self.position = state["position"]

    def close(self) -> None:
        self.closed = True


def test_state_is_that_after_the_last_batch() -> None:
    feed = Feed(Slow(), torch.device("cpu"))  # type: ignore[arg-type]
    assert feed.state() == {"position": 0}
    assert [next(feed), next(feed)] == [1, 2] and feed.state() == {"position": 2}
    feed.load({"position": 7})
    assert feed.state() == {"position": 7} and next(feed) == 8
    feed.close()
    assert feed.loader.closed


def test_waiting_is_measured() -> None:
    feed = Feed(Slow(0.02), torch.device("cpu"))  # type: ignore[arg-type]
    next(feed), next(feed)
    assert feed.reset() >= 0.04
    assert feed.reset() == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_to_a_gpu_the_batches_and_the_state_are_the_same(tmp_path: Path) -> None:
    from majolica.config.data import DataConfig
    from majolica.data.drawings.make import make_openmoji
    from majolica.data.loading.loader import Loader, LoaderSizes

    make_openmoji(tmp_path, samples=64, resolution=32, names=4, heldout=4, combinations=4)
    config, sizes = DataConfig(shards=str(tmp_path / "train")), LoaderSizes(16, (2,), 4)
    plain, feed = (Feed(Loader(config, 8, sizes, 0), torch.device(name)) for name in ("cpu", "cuda"))
    for _ in range(5):
        here, there = next(plain), next(feed)
        assert torch.equal(here.images_B3HW, there.images_B3HW.cpu())
        assert torch.equal(here.large[2], there.large[2].cpu())
        assert feed.state() == plain.state()
    plain.close(), feed.close()
