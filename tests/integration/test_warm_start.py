"""Several ranks begin with trained weights: all have what the first one reads, or all refuse."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from majolica.config.io import load_config
from majolica.config.run import RunConfig
from majolica.distributed.group import Group
from majolica.errors import UserError
from majolica.launch.prepare import prepare_run
from majolica.launch.start import train
from majolica.train import state
from majolica.train.warm_start import warm_start
from ranks import changed, on_ranks
from tiny import tiny_run


def started(group: Group, config: RunConfig, out: Path) -> tuple[dict[str, list[float]], list[str]]:
    """A rank's averaged and first weights; only the first rank can read what it begins with."""
    if not group.first:
        config = changed(config, init_from="/nowhere")
    said: list[str] = []
    run = state.build_run(config, out, group)
    try:
        warm_start(run, said.append)
    finally:
        run.feed.close()
    found = {f"ema.{name}": value.flatten().tolist() for name, value in run.ema.average.items()}
    return found | {name: value.flatten().tolist() for name, value in run.model.named_parameters()}, said


def test_all_ranks_begin_with_what_the_first_one_reads(shards: Path, tmp_path: Path) -> None:
    trained = tmp_path / "trained"
    train(tiny_run(shards, steps=2), trained)
    config = changed(tiny_run(shards), init_from=str(trained), processes=2, batch=4, shard_optimizer=True)
    prepare_run(config, tmp_path / "run", resume=False)
    config = load_config(tmp_path / "run" / "config.yaml")
    answers = on_ranks(2, started, tmp_path / "ranks", config, tmp_path / "run")
    source = load_file(trained / "checkpoints" / "00000002" / "ema.safetensors")
    for found, _ in answers:
        assert source.keys() <= found.keys()
        for name, values in found.items():
            assert values == source[name.removeprefix("ema.")].flatten().tolist()
    assert [len(said) for _, said in answers] == [1, 0]


def refused(group: Group, config: RunConfig, out: Path) -> str:
    try:
        started(group, config, out)
    except UserError as error:
        return str(error)
    return ""


def test_what_the_first_rank_refuses_all_ranks_refuse(shards: Path, tmp_path: Path) -> None:
    config = changed(tiny_run(shards), processes=2, batch=4)
    prepare_run(config, tmp_path / "run", resume=False)
    config = changed(config, init_from=str(tmp_path / "gone"))
    first, second = on_ranks(2, refused, tmp_path / "ranks", config, tmp_path / "run")
    assert "is not there" in first and "the first rank cannot read" in second
