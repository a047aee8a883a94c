"""What goes wrong in a training and must not end it, nor change what is learned."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from majolica.config.run import RunConfig
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.distributed.group import Group
from majolica.errors import UserError
from majolica.launch.prepare import prepare_run
from majolica.launch.start import train
from majolica.objectives.objective import Objective
from majolica.train import state, step
from mishaps import interrupt_in
from ranks import changed, on_ranks
from tiny import tiny_run, weights

NAN = float("nan")


def log_of(run: Path) -> list[dict[str, Any]]:
    """Every line of a log, by a parser that knows no NaN."""
    return [json.loads(line, parse_constant=pytest.fail) for line in (run / "log.jsonl").read_text().splitlines()]


def differing(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> set[str]:
    assert a.keys() == b.keys()
    return {name for name in a if not torch.equal(a[name], b[name])}


def poison(monkeypatch: pytest.MonkeyPatch, calls: set[int], name: str = "flow") -> None:
    """Let one loss of the micro-steps with these numbers be no number."""
    real, count = Objective.compute_losses, [0]

    def losses(*args: Any) -> dict[str, torch.Tensor]:
        found = real(*args)
        count[0] += 1
        if count[0] in calls:
            bad = found[name] * NAN
            found |= {name: bad, "loss": found["loss"] + bad}
        return found

    monkeypatch.setattr(Objective, "compute_losses", losses)


@pytest.mark.parametrize("name", ["flow", "contrastive"])
def test_a_poisoned_step_is_skipped_counted_and_said(
    name: str, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second of its two micro-steps alone: the whole step is left out, and the next ones go on."""
    poison(monkeypatch, {6}, name)
    config = changed(tiny_run(shards), log_every=2, checkpoint_every=1, keep=9)
    train(config, tmp_path)
    log = log_of(tmp_path)
    assert [line["step"] for line in log] == [2, 4, 6]
    assert [line["skipped_steps"] for line in log] == [0, 1, 1]
    assert [line["skipped_in_a_row"] for line in log] == [0, 0, 0]
    assert [line["losses_left_out"] for line in log] == [0, 1, 0]
    for line in log:
        assert all(line[key] > 0 for key in ("loss", "flow", "contrastive", "gradient_norm", "lr"))
    said = [line for line in capsys.readouterr().err.splitlines() if "skipped:" in line or "was skipped" in line]
    assert len(said) == 1 and said[0].startswith("step 3 was skipped, 1 in all: ")
    same = differing(weights(tmp_path, 2), weights(tmp_path, 3))
    assert same == set()  # weights, both optimisers' states and the average
    moved = differing(weights(tmp_path, 3), weights(tmp_path, 4))
    assert any(key.startswith("model.") for key in moved) and any(key.endswith("|momentum") for key in moved)


def test_an_interval_without_a_finite_loss_still_has_its_line(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    poison(monkeypatch, {5, 6, 7, 8})
    train(tiny_run(shards), tmp_path)
    log = log_of(tmp_path)
    assert [line["step"] for line in log] == [2, 4, 6]
    assert "flow" not in log[1] and log[1]["contrastive"] > 0 and log[1]["skipped_in_a_row"] == 2
    assert log[1]["losses_left_out"] == 2 and log[2]["flow"] > 0
    said = capsys.readouterr().err
    assert "steps 3, 4 were skipped, 2 in all" in said and "flow -" in said


def test_too_many_in_a_row_end_the_run_after_their_line(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "MOST_SKIPS", 3)
    poison(monkeypatch, set(range(3, 100)))
    with pytest.raises(UserError, match="3 steps in a row had gradients that are not finite"):
        train(changed(tiny_run(shards, steps=20), log_every=4), tmp_path)
    [line] = log_of(tmp_path)
    assert line["skipped_in_a_row"] == 3 and line["skipped_steps"] == 3


def trained_with_a_bad_rank(group: Group, config: RunConfig, out: Path, bad: int) -> Any:
    """Three steps, the second poisoned on rank `bad` alone: all states after each, and the sums of the tally."""
    count, real = [0], Objective.compute_losses

    def losses(*args: Any) -> dict[str, torch.Tensor]:
        found = real(*args)
        count[0] += 1
        if group.rank == bad and count[0] == 3:
            found |= {"flow": found["flow"] * NAN, "loss": found["loss"] * NAN}
        return found

    Objective.compute_losses = losses  # type: ignore[method-assign]
    run = state.build_run(config, out, group)
    states = []
    for number in (1, 2, 3):
        run.tally.add(number, step.optimiser_step(run)[0])
        held = {f"model.{name}": value.detach() for name, value in run.model.named_parameters()}
        held |= {f"ema.{name}": value for name, value in run.ema.average.items()}
        held |= {
            f"{n}.{k}.{slot}": torch.as_tensor(value)
            for n, optimiser in enumerate(run.optimisers)
            for k, slots in enumerate(optimiser.state.values())
            for slot, value in slots.items()
        }
        states.append({name: value.double().sum().item() for name, value in held.items()})
    sums = run.tally.sum_up(group)
    run.feed.close()
    return states, sums.skipped, sums.left_out, sums.losses["flow"].mean.item(), sums.losses["flow"].count


@pytest.mark.parametrize("sharded", [False, True])
def test_one_poisoned_rank_is_all_ranks_skipped_step(shards: Path, tmp_path: Path, sharded: bool) -> None:
    config = changed(tiny_run(shards), processes=2, batch=4, shard_optimizer=sharded)
    prepare_run(config, tmp_path, resume=False)
    ranks = on_ranks(2, trained_with_a_bad_rank, tmp_path, config, tmp_path, 1)
    for states, skipped, left_out, flow, count in ranks:
        assert (skipped, left_out, count) == ([2], 1, 2.5)  # two ranks' values of two steps and one's of the other
        assert flow > 0
        assert states[0] == states[1] != states[2]
    first, second = ([s for s in rank[0]] for rank in ranks)
    for ours, theirs in zip(first, second, strict=True):
        assert all(ours[name] == theirs[name] for name in ours if name.startswith("model."))
    assert ranks[0][3] == ranks[1][3]


def test_a_short_run_says_at_its_end_what_could_not_be_read(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its 96 rows are too few for `data.bad_share`; a run that was stopped and resumed says the same.

    It has no properties, whose survey reads more rows before the first step and refuses what is beyond that share.
    """
    good = ShardSet(shards).read(0)
    bad = dataclasses.replace(good, image=b"no picture")
    write_shards(tmp_path / "set", (bad if i % 7 == 0 else good for i in range(300)))
    config = changed(tiny_run(tmp_path / "set"), checkpoint_every=100)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, properties=()))
    train(config, tmp_path / "whole")
    count = json.loads((tmp_path / "whole" / "summary.json").read_text())["unreadable_samples"]
    number = count["picture cannot be decoded"]
    assert len(count) == 1 and number > 3
    line = f"{number} samples could not be read and were replaced by others, in 96 rows: {number} x picture cannot be"
    assert line in (said := capsys.readouterr().out)
    assert "a larger share than --data.bad-share 0.01, at which training stops once it has read 100 rows" in said
    with monkeypatch.context() as patch:
        interrupt_in(4, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "parts")
    capsys.readouterr()
    train(config, tmp_path / "parts", resume=True)
    assert line in capsys.readouterr().out


@pytest.mark.parametrize("stop", [3, 4, 5])
def test_the_log_of_a_resumed_run_is_that_of_a_run_that_never_stopped(
    stop: int, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between two lines or at one, after a poisoned step."""
    config = changed(tiny_run(shards), log_every=4, checkpoint_every=100)
    with monkeypatch.context() as patch:
        poison(patch, {3})
        train(config, tmp_path / "whole")
    parts = tmp_path / "parts"
    with monkeypatch.context() as patch:
        poison(patch, {3})
        interrupt_in(stop, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config, parts)
    train(config, parts, resume=True)
    timing = ("seconds", "seconds_per_step", "samples_per_s", "data_wait", "memory_gb", "sent_mb")
    whole, resumed = (
        [{name: value for name, value in line.items() if name not in timing} for line in log_of(run)]
        for run in (tmp_path / "whole", parts)
    )
    assert whole == resumed and [line["step"] for line in whole] == [4, 6]
    assert [(line["skipped_steps"], line["losses_left_out"]) for line in whole] == [(1, 1), (1, 0)]


@pytest.mark.parametrize("activation_gb", [0.0, pytest.param(0.0016, marks=pytest.mark.slow)])
def test_painting_changes_nothing_that_is_learned(activation_gb: float, shards: Path, tmp_path: Path) -> None:
    config = changed(tiny_run(shards, steps=3), activation_gb=activation_gb)
    train(config, tmp_path / "blind")
    train(changed(config, sample_every=1, sample_share=1.0), tmp_path / "seeing")
    assert differing(weights(tmp_path / "blind", 3), weights(tmp_path / "seeing", 3)) == set()
    folder = tmp_path / "seeing" / "samples"
    assert sorted(path.name for path in folder.glob("*.png")) == [f"{n:08d}.png" for n in (1, 2, 3)]
    prompts = (folder / "prompts.txt").read_text().splitlines()
    with Image.open(folder / "00000003.png") as grid:
        assert json.loads(grid.text["prompts"]) == prompts and grid.text["step"] == "3"  # type: ignore[attr-defined]
    held_out = ShardSet(shards.parent / "heldout")
    assert set(prompts) & {held_out.caption(i) for i in range(len(held_out))}
    assert not (tmp_path / "blind" / "samples").exists()


def test_prompts_are_chosen_once_and_a_resumed_run_keeps_them(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path | str] = []
    real = ShardSet.__init__

    def counted(self: ShardSet, folder: Path | str, *args: Any, **named: Any) -> None:
        opened.append(folder)
        real(self, folder, *args, **named)

    monkeypatch.setattr(ShardSet, "__init__", counted)
    config = changed(tiny_run(shards), sample_every=1, sample_share=1.0)
    train(config, tmp_path)
    assert opened.count(str(shards)) == 3  # by the tokenizer, for the properties and by the loader: never for a grid
    assert len(opened) == 5  # and the two held-out sets once each
    (tmp_path / "samples" / "prompts.txt").write_text("a fox\n")
    opened.clear()
    train(changed(config, steps=7), tmp_path, resume=True)
    assert opened == [str(shards)]
    with Image.open(tmp_path / "samples" / "00000007.png") as grid:
        assert json.loads(grid.text["prompts"]) == ["a fox"]  # type: ignore[attr-defined]


def test_captions_that_cannot_be_painted_do_not_end_a_training(shards: Path, tmp_path: Path) -> None:
    source = ShardSet(shards)
    bad = ["", "x" * 3000, " "]
    records = [source.read(i) for i in range(24)]
    records = [dataclasses.replace(r, caption=bad[i % 3] if i < 12 else r.caption) for i, r in enumerate(records)]
    # Without metadata: a caption in there would stand in for an empty one.
    write_shards(tmp_path / "set", (Record(r.image, r.extension, r.caption, {}) for r in records))
    config = tiny_run(tmp_path / "set", steps=2)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, empty_captions="keep"))
    train(changed(config, sample_every=1), tmp_path / "run")
    prompts = (tmp_path / "run" / "samples" / "prompts.txt").read_text().splitlines()
    assert 0 < len(prompts) <= 12 and all(0 < len(prompt) < 2000 for prompt in prompts)
