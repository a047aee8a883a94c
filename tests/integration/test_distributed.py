"""Two and four gloo processes against one: the same rows, losses and weights; sharded and not; saved and resumed."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from majolica.config.run import RunConfig
from majolica.config.split import RowSplit
from majolica.distributed.group import Group, sum_counts
from majolica.distributed.reduce import Traffic, wrap_in_ddp
from majolica.launch.prepare import prepare
from majolica.launch.start import train
from majolica.objectives.contrastive import Pairs, sigmoid_loss
from majolica.signals import collect_signals
from majolica.train import state, step
from ranks import changed, on_ranks
from tiny import tiny_run

GLOBAL_BATCH = 16
Arrays = dict[str, np.ndarray]


def config_for(shards: Path, world: int, **train: Any) -> RunConfig:
    """The same global batch for any number of ranks; 5 of 16 rows are clean, which two ranks cannot share evenly."""
    config = tiny_run(shards)
    loss = dataclasses.replace(config.loss, clean_share=0.3, clean_share_end=0.3)
    return changed(dataclasses.replace(config, loss=loss), batch=GLOBAL_BATCH // world, processes=world, **train)


def trained(group: Group, config: RunConfig, out: Path, steps: int, resume: bool = False) -> dict[str, Any]:
    """Losses, weights and rows of some steps; a checkpoint is left in `out`."""
    run = state.build_run(config, out, group)
    if resume:
        state.restore(run, print)
    rows: dict[int, Arrays] = {}
    real = step.make_rows

    def seen(images: Tensor, *rest: Any) -> Any:
        made, targets = real(images, *rest)
        positions = fed[-1].positions_B.tolist()
        columns = {"base": made.base_B3HW, "t": made.t_B, "text": made.condition.has_text_B}
        for index, position in enumerate(positions):
            rows[position] = {name: column[index].numpy().copy() for name, column in columns.items()}
        return made, targets

    fed: list[Any] = []
    fetch = run.feed._fetch

    def remembered() -> Any:
        batch, where = fetch()
        fed.append(batch)
        return batch, where

    step.make_rows, run.feed._fetch = seen, remembered  # type: ignore[assignment,method-assign]
    try:
        losses = [{k: float(v) for k, v in step.optimiser_step(run)[0].items() if not v.ndim} for _ in range(steps)]
    finally:
        step.make_rows = real
        run.feed.close()
    assert state.save(run, print)
    held = sum(v.nbytes for o in run.optimisers for s in o.state.values() for v in s.values() if v.ndim)
    return {
        "losses": losses,
        "weights": {name: value.detach().numpy().copy() for name, value in run.model.named_parameters()},
        "rows": rows,
        "sent": run.traffic.reset(),
        "held": held + sum(value.nbytes for value in run.ema.average.values()),
    }


def run_ranks(config: RunConfig, out: Path, steps: int, resume: bool = False) -> list[dict[str, Any]]:
    if not resume:
        prepare(config, out, resume=False)
    return on_ranks(config.train.processes, trained, out, config, out, steps, resume)


def saved(out: Path) -> dict[str, Tensor]:
    folder = max((out / "checkpoints").iterdir())
    return {f"{p.stem}.{k}": v for p in folder.glob("*.safetensors") for k, v in load_file(p).items()}


def different(a: dict[str, Any], b: dict[str, Any]) -> set[str]:
    assert a.keys() == b.keys()
    return {name for name in a if not np.array_equal(np.asarray(a[name]), np.asarray(b[name]))}


def largest(a: Arrays, b: Arrays) -> float:
    return max(float(np.abs(a[name] - b[name]).max()) for name in a)


def mean_losses(answers: list[dict[str, Any]], name: str) -> np.ndarray:
    """Mean over the ranks, by step."""
    return np.mean([[losses[name] for losses in answer["losses"]] for answer in answers], axis=0)


@pytest.fixture(scope="module")
def one(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three steps of one process."""
    [answer] = run_ranks(config_for(shards, 1), tmp_path_factory.mktemp("one"), 3)
    return answer


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_train_as_one_process_does(shards: Path, tmp_path: Path, one: dict[str, Any], world: int) -> None:
    many = run_ranks(config_for(shards, world), tmp_path, 3)
    rows = {position: row for answer in many for position, row in answer["rows"].items()}
    assert rows.keys() == one["rows"].keys() and len(rows) == 3 * 2 * GLOBAL_BATCH
    assert {position for position, row in rows.items() if different(row, one["rows"][position])} == set()
    for answer in many[1:]:
        assert different(answer["weights"], many[0]["weights"]) == set()
    for name in ("loss", "flow", "fine", "contrastive"):
        np.testing.assert_allclose(mean_losses(many, name), mean_losses([one], name), rtol=1e-5)
    # Sums of float32 in another order; Adam's first steps divide a gradient by its own size.
    assert largest(one["weights"], many[0]["weights"]) < 1e-4


def counts_of_a_rank(group: Group) -> list[tuple[str, int]]:
    return list(
        sum_counts({"both": 1 + group.rank, f"rank {group.rank}": 4} if group.rank else {"both": 1}, group).items()
    )


def test_counts_of_all_ranks_are_added_up(tmp_path: Path) -> None:
    assert on_ranks(2, counts_of_a_rank, tmp_path) == [[("rank 1", 4), ("both", 3)]] * 2


def test_a_rank_may_have_no_clean_rows_and_another_no_noisy_ones(shards: Path, tmp_path: Path) -> None:
    """Of two rows one is clean; the ranks have one row each."""
    config = changed(config_for(shards, 1), batch=2, accumulate=2)
    config = dataclasses.replace(config, loss=dataclasses.replace(config.loss, clean_share=0.5, clean_share_end=0.5))
    [alone] = run_ranks(config, tmp_path / "one", 2)
    many = run_ranks(changed(config, batch=1, processes=2), tmp_path / "two", 2)
    np.testing.assert_allclose(mean_losses(many, "loss"), mean_losses([alone], "loss"), rtol=1e-5)
    assert largest(alone["weights"], many[0]["weights"]) < 1e-4


def test_one_micro_step_a_step_trains_alike(shards: Path, tmp_path: Path) -> None:
    """Without `no_sync`: where a static graph would be legal, and gives other gradients (docs/adr/041)."""
    [alone] = run_ranks(config_for(shards, 1, accumulate=1), tmp_path / "one", 3)
    many = run_ranks(config_for(shards, 2, accumulate=1), tmp_path / "two", 3)
    np.testing.assert_allclose(mean_losses(many, "loss"), mean_losses([alone], "loss"), rtol=1e-5)
    assert largest(alone["weights"], many[0]["weights"]) < 1e-4


def gradients_of_a_rank(group: Group) -> tuple[list[np.ndarray], ...]:
    """Local gradients, plain DDP's, and those of our hook in float32 and bfloat16; and the bytes of the last."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(24, 40), nn.Tanh(), nn.Linear(40, 3))
    x = torch.randn(8, 24, generator=torch.Generator().manual_seed(group.rank))

    def gradients(network: nn.Module) -> list[np.ndarray]:
        model.zero_grad()
        network(x).square().sum().backward()
        return [value.grad.numpy().copy() for value in model.parameters()]

    traffic = Traffic()
    plain = gradients(DistributedDataParallel(model, gradient_as_bucket_view=True))
    single = gradients(wrap_in_ddp(model, group, torch.float32, Traffic()))
    rounded = gradients(wrap_in_ddp(model, group, torch.bfloat16, traffic))
    return gradients(model), plain, single, rounded, [np.array(traffic.sent)]


def bf16(x: Tensor) -> Tensor:
    return x.to(torch.bfloat16).float()


@pytest.mark.parametrize("world", [2, 4])
def test_the_hook_is_a_rounded_all_reduce(tmp_path: Path, world: int) -> None:
    answers = on_ranks(world, gradients_of_a_rank, tmp_path)
    for index in range(4):
        local = [torch.tensor(answer[0][index]) for answer in answers]
        _, plain, single, rounded, _ = (torch.tensor(answers[0][part][index]) for part in (0, 1, 2, 3, 0))
        assert all(np.array_equal(rounded, answer[3][index]) for answer in answers)
        total = torch.stack([bf16(x) for x in local]).sum(0)
        if world == 2:
            assert torch.equal(single, plain)
            assert torch.equal(rounded, bf16(total) / 2)
        torch.testing.assert_close(single, plain, rtol=1e-6, atol=1e-6)
        # world - 1 additions, each rounded to 8 bits.
        bound = (world - 1) * 2**-8 * torch.stack([x.abs() for x in local]).sum(0) / world + 1e-7
        assert ((rounded - total / world).abs() <= bound).all()
        assert not torch.equal(rounded, single)
    assert answers[0][4][0] == 2 * (24 * 40 + 40 + 40 * 3 + 3)


def test_gradients_travel_once_per_optimiser_step(shards: Path, tmp_path: Path) -> None:
    bf16_run = config_for(shards, 2, reduce="bf16", accumulate=3)
    for answer in run_ranks(bf16_run, tmp_path, 2):
        assert answer["sent"] == 2 * 2 * sum(value.size for value in answer["weights"].values())


def test_zero_is_bit_equal_and_halves_what_a_rank_holds(shards: Path, tmp_path: Path) -> None:
    whole = run_ranks(config_for(shards, 2), tmp_path / "whole", 3)
    parts = run_ranks(config_for(shards, 2, shard_optimizer=True, ema_device="cpu"), tmp_path / "parts", 3)
    for a, b in zip(whole, parts, strict=True):
        assert different(a["weights"], b["weights"]) == set()
    assert different(saved(tmp_path / "whole"), saved(tmp_path / "parts")) == set()
    held = [answer["held"] for answer in parts]
    assert sum(held) == whole[0]["held"] and max(held) < 0.6 * whole[0]["held"]


@pytest.mark.parametrize(("world", "sharded"), [(1, True), pytest.param(4, False, marks=pytest.mark.slow), (4, True)])
def test_a_run_goes_on_with_another_number_of_ranks(
    shards: Path, tmp_path: Path, one: dict[str, Any], world: int, sharded: bool
) -> None:
    first = config_for(shards, 2, shard_optimizer=not sharded)
    run_ranks(first, tmp_path, 2)
    before = saved(tmp_path)
    other = config_for(shards, world, shard_optimizer=sharded)
    run_ranks(other, tmp_path, 0, resume=True)  # loads and saves again
    assert different(before, saved(tmp_path)) == set()
    resumed = run_ranks(other, tmp_path, 1, resume=True)
    np.testing.assert_allclose(mean_losses(resumed, "loss"), mean_losses([one], "loss")[2:], rtol=1e-5)
    assert largest(one["weights"], resumed[0]["weights"]) < 1e-4


MICRO_STEPS, ROWS = 3, 8


def window_of_a_rank(group: Group) -> list[list[np.ndarray]]:
    """Gradients of this rank's losses, summed over the ranks, averaged over all orders of the micro-steps."""
    image, text, captions = embeddings()
    at = [image, text, *(torch.tensor(value, dtype=torch.float64) for value in (2.0, -1.0))]
    at = [x.requires_grad_() for x in at]
    orders = list(itertools.permutations(range(MICRO_STEPS)))
    total = torch.zeros((), dtype=torch.float64)
    for order in orders:
        window: list[Pairs] = []
        for micro in order:
            each = ROWS // group.world
            mine = slice(micro * ROWS + group.rank * each, micro * ROWS + (group.rank + 1) * each)
            here = Pairs(at[0][mine], at[1][mine], captions[mine])
            others = step.gather_pairs(here, window, group, RowSplit(ROWS, noisy=0, fine=0))
            total = total + sigmoid_loss(here, at[2], at[3], others.ranks, others.earlier, each)
    gradients = torch.autograd.grad(total / (len(orders) * MICRO_STEPS * group.world), at)
    if group.world > 1:
        for gradient in gradients:
            dist.all_reduce(gradient)
    return [gradient.numpy() for gradient in gradients]


def embeddings() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    count = MICRO_STEPS * ROWS
    image, text = (F.normalize(torch.randn(count, 8, generator=generator, dtype=torch.float64), dim=1) for _ in "it")
    captions = torch.arange(count)
    captions[[3, 9, 14, 22]] = 1  # across ranks and micro-steps
    return image, text, captions


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_window_over_real_ranks_averages_to_the_full_batch(tmp_path: Path, world: int) -> None:
    image, text, captions = embeddings()
    scale, bias = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (2.0, -1.0))
    image.requires_grad_(), text.requires_grad_()
    logits = scale * image @ text.T + bias
    match = captions[:, None] == captions
    loss = F.softplus(torch.where(match, -logits, logits)).sum() / len(image)
    wanted = torch.autograd.grad(loss, [image, text, scale, bias])
    for answer in on_ranks(world, window_of_a_rank, tmp_path):
        for found, expected in zip(answer, wanted, strict=True):
            np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_schedulers_signals_are_heard_and_forgotten(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with collect_signals() as asked:
        signal.raise_signal(number)
    assert asked == [number] and signal.getsignal(number) is before


def test_sigterm_under_torchrun_saves_and_resume_reaches_the_same_weights(shards: Path, tmp_path: Path) -> None:
    """The signal reaches torchrun alone, as from Kubernetes; the ranks agree on the step at which they stop."""
    config = config_for(shards, 2, steps=40, log_every=1, checkpoint_every=1000, shard_optimizer=True)
    prepare(config, tmp_path / "parts", resume=False)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "majolica.launch.worker", str(tmp_path / "parts" / "config.yaml"), str(tmp_path / "parts")]
    worker = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    log, end = tmp_path / "parts" / "log.jsonl", time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") >= 3) and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGTERM)
    out, _ = worker.communicate(timeout=60)
    assert worker.returncode != 0 and "and saved; go on with" in out
    [folder] = (tmp_path / "parts" / "checkpoints").iterdir()
    steps = int(folder.name)
    assert 3 <= steps < 40 and steps == len(log.read_text().splitlines())
    assert json.loads((folder / "state.json").read_text())["samples"] == steps * 2 * GLOBAL_BATCH
    rest = changed(config, steps=40)
    on_ranks(2, trained, tmp_path / "ranks", rest, tmp_path / "parts", 40 - steps, True)
    train(config, tmp_path / "whole")
    assert different(saved(tmp_path / "parts"), saved(tmp_path / "whole")) == set()


@pytest.mark.slow
def test_sigusr1_to_one_rank_stops_all_at_one_step_when_a_scheduler_starts_them(shards: Path, tmp_path: Path) -> None:
    """As in examples/slurm_64gpu.sbatch: no torchrun, the rank in the environment, 130 means saved."""
    config = config_for(shards, 2, steps=4000, log_every=1, checkpoint_every=10_000)
    prepare(config, tmp_path, resume=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    command = [sys.executable, "-m", "majolica.launch.worker", str(tmp_path / "config.yaml"), str(tmp_path)]
    workers = []
    for rank in "01":
        own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", **meeting}
        workers.append(subprocess.Popen(command, env=os.environ | own, stderr=subprocess.DEVNULL))
    log, end = tmp_path / "log.jsonl", time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") >= 3) and time.monotonic() < end:
        time.sleep(0.01)
    workers[1].send_signal(signal.SIGUSR1)
    assert [worker.wait(60) for worker in workers] == [130, 130]
    [folder] = (tmp_path / "checkpoints").iterdir()
    assert int(folder.name) == len(log.read_text().splitlines()) < 4000
