"""Sample grids: which captions, how often, and never the end of a training."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from majolica.config.data import DataConfig, SourceConfig
from majolica.config.training import TrainConfig
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError
from majolica.run.step_plan import StepPlan
from majolica.train import sample
from majolica.train.prompts import choose_prompts, read_prompts
from majolica.train.sample import Sampler
from majolica.train.watch import share as share_of_time

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)


def shards(folder: Path, captions: Sequence[str]) -> ShardSet:
    write_shards(folder, (Record(PIXEL, "png", caption, {}) for caption in captions), per_shard=10)
    return ShardSet(folder, empty_captions="keep")


def test_held_out_captions_come_first(tmp_path: Path) -> None:
    trained = shards(tmp_path / "train", [f"trained {i}" for i in range(30)])
    shards(tmp_path / "heldout", ["held out", "held out", "trained 3"])
    shards(tmp_path / "combinations", ["new together"])
    chosen = choose_prompts(DataConfig(shards=str(tmp_path / "train")), [trained], 6, str.strip)
    assert set(chosen[:3]) == {"held out", "new together", "trained 3"}
    assert len(chosen) == len(set(chosen)) == 6 and all(c.startswith("trained") for c in chosen[3:])


def test_captions_of_the_held_out_samples_that_are_named_come_first(tmp_path: Path) -> None:
    trained = shards(tmp_path / "train", [f"trained {i}" for i in range(30)])
    shards(tmp_path / "away", ["held out"])
    named = DataConfig(shards=str(tmp_path / "train"), heldout=str(tmp_path / "away"))
    assert choose_prompts(named, [trained], 3, str.strip)[0] == "held out"
    elsewhere = DataConfig(shards=str(tmp_path / "train"), heldout="s3://bucket/held")
    assert all(caption.startswith("trained") for caption in choose_prompts(elsewhere, [trained], 3, str.strip))


def test_without_held_out_samples_captions_are_spread_over_all_sources(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("a", "b")]
    sets = [shards(place, [f"{place.name} {i}" for i in range(100)]) for place in places]
    config = DataConfig(sources=tuple(SourceConfig(str(place)) for place in places))
    chosen = choose_prompts(config, sets, 16, str.strip)
    for name in ("a", "b"):
        numbers = [int(c.split()[1]) for c in chosen if c.startswith(name)]
        assert len(numbers) == 8 and min(numbers) < 25 and max(numbers) >= 75
    assert choose_prompts(config, sets, 16, str.strip) == chosen


def test_captions_that_cannot_be_painted_are_passed_over(tmp_path: Path) -> None:
    captions = ["", " \t", "x" * 5000, "a fox", "a fox", "an\nowl"] * 5
    config = DataConfig(shards=str(tmp_path / "set"))
    assert sorted(choose_prompts(config, [shards(tmp_path / "set", captions)], 16, str.strip)) == ["a fox", "an owl"]
    long = shards(tmp_path / "none", ["x" * 5000] * 3)
    assert choose_prompts(DataConfig(shards=str(tmp_path / "none")), [long], 16, str.strip) == []


def test_own_prompts_are_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    assert read_prompts(path) == []
    path.write_bytes(b"a fox\n\n  an owl \n" + b"x" * 5000 + b"\n\xff\n")
    assert read_prompts(path) == ["a fox", "an owl", "�"]


class Folding:
    """A vocabulary that does not tell capitals from small letters."""

    def normalize(self, captions: Sequence[str]) -> list[str]:
        return [caption.casefold() for caption in captions]


def run_of(folder: Path, **train: Any) -> Any:
    """As much of a run as a sampler asks for."""
    config = SimpleNamespace(train=TrainConfig(**{"sample_every": 10, **train}), data=DataConfig())
    (folder / "samples").mkdir(exist_ok=True)
    (folder / "samples" / "prompts.txt").write_text("a fox\n")
    return SimpleNamespace(
        config=config,
        plan=StepPlan(100),
        out=folder,
        group=SimpleNamespace(first=True),
        seconds=0.0,
        step=0,
        tokenizer=Folding(),
    )


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        UserError("the prompt is empty"),
        RuntimeError("out of memory\nand a page about it"),
        ZeroDivisionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_fails_is_said_once_and_painted_again_later(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    painted: list[int] = []
    run = run_of(tmp_path, sample_share=1.0)

    def paint(self: Sampler, run: Any, average: Any) -> None:
        if run.step < 30:
            raise error
        painted.append(run.step)

    monkeypatch.setattr(sample, "ema_by_name", lambda run: {})
    monkeypatch.setattr(Sampler, "_paint", paint)
    sampler = Sampler(run, said.append)
    for run.step in (10, 20, 30, 40):
        run.seconds += 10
        sampler(run)
    assert painted == [30, 40]
    [line] = said
    assert line.startswith("a sample grid was not painted (") and "\n" not in line


def test_data_that_cannot_be_read_costs_the_grids_alone(tmp_path: Path) -> None:
    said: list[str] = []
    run = run_of(tmp_path)
    (tmp_path / "samples" / "prompts.txt").unlink()
    run.config.data = DataConfig(shards=str(tmp_path / "set"))

    def unreadable(i: int) -> str:
        raise OSError(errno.EIO, "Input/output error")

    broken = shards(tmp_path / "set", ["a fox"])
    broken.caption = unreadable  # type: ignore[method-assign]
    run.feed = SimpleNamespace(loader=SimpleNamespace(sets=[broken]))
    assert Sampler(run, said.append).prompts == []
    assert len(said) == 1 and "Input/output error" in said[0]


def test_prompts_are_those_that_the_model_reads(tmp_path: Path) -> None:
    """Captions that differ in case alone are one, and what the grid shows is what was painted."""
    said: list[str] = []
    run = run_of(tmp_path)
    path = tmp_path / "samples" / "prompts.txt"
    path.write_text("A Red Fox\nan owl\n")
    assert Sampler(run, said.append).prompts == ["a red fox", "an owl"]
    path.unlink()
    run.config.data = DataConfig(shards=str(tmp_path / "train"))
    trained = shards(tmp_path / "train", ["A Fox", "a fox", "AN OWL", "an owl", "a FOX"] * 3)
    shards(tmp_path / "heldout", ["a Fox"])
    run.feed = SimpleNamespace(loader=SimpleNamespace(sets=[trained]))
    assert Sampler(run, said.append).prompts == ["a fox", "an owl"] == read_prompts(path)
    assert not said


def test_grids_take_no_more_than_their_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds of training between two grids of one second each: a tenth of the time is every one of them."""
    now = [0.0]
    painted: list[int] = []

    def paint(self: Sampler, run: Any, average: Any) -> None:
        painted.append(run.step)
        now[0] += 1.0

    monkeypatch.setattr(sample, "ema_by_name", lambda run: {})
    monkeypatch.setattr(share_of_time, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(Sampler, "_paint", paint)
    for share, expected in ((1.0, range(10, 101, 10)), (0.1, range(10, 101, 10)), (0.05, (10, 40, 60, 80, 100))):
        painted.clear()
        run = run_of(tmp_path, sample_share=share)
        said: list[str] = []
        sampler = Sampler(run, said.append)
        for run.step in range(10, 101, 10):
            run.seconds += 10.0
            sampler(run)
        assert painted == list(expected)
        assert len(said) == (share == 0.05) and all("step 20 is left out" in line for line in said)
