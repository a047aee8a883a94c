"""`majolica train RECIPE|CONFIG.yaml`: any field of the configuration is an option."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from majolica.config import io
from majolica.config.checks import derived, resolve
from majolica.config.fitting import is_open
from majolica.config.run import (
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    RunConfig,
    SourceConfig,
    TrainConfig,
)
from majolica.config.run_folder import config_of_run
from majolica.errors import UserError
from majolica.files import check_folder
from majolica.recipes import RECIPES, recipe, summary

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]


@dataclass(frozen=True)
class Options:
    """Where to and whether, beside every section of a `RunConfig`."""

    model: ModelConfig
    data: DataConfig
    loss: LossConfig
    optim: OptimConfig
    train: TrainConfig
    out: Path | None = None
    """Folder of the run; runs/RECIPE when not given."""
    resume: Path | None = None
    """Go on with the run in this folder, from its last checkpoint and with its configuration."""
    print_config: Flag = False
    """Print the whole configuration as YAML and stop."""
    dry_run: Flag = False
    """Check all that training would check before its first step, and then print what follows from it, and stop."""


def run(args: list[str]) -> None:
    """Parse `args`, then train, or print what was asked for instead."""
    start, args = _start(args)
    options = _parse(start, args)
    config = RunConfig(start.recipe, options.model, options.data, options.loss, options.optim, options.train)
    config = resolve(config)
    if options.print_config:
        print(io.to_yaml(config), end="")
    elif options.dry_run:
        _rehearse(config, options)
        print(describe(config))
    else:
        _train(config, options)


def describe(config: RunConfig) -> str:
    """A few lines on what a configuration comes to."""
    shards = ", ".join(source.shards for source in config.data.sources) or config.data.shards or "not set"
    rows = {name: f"{value:,}" for name, value in derived(config).items()}
    if is_open(config):
        rows["to be fitted"] = "--train.processes 0 and --train.precision auto, to the machine that the run begins on"
    rows |= {"steps": f"{config.train.steps:,}", "shards": shards}
    return "\n".join([f"recipe         {config.recipe}", *(f"{name:14} {text}" for name, text in rows.items())])


def _start(args: list[str]) -> tuple[RunConfig, list[str]]:
    """The configuration that the options change, and the options."""
    if resumed := _resumed(args):
        if not args[0].startswith("-"):
            raise UserError(f"--resume takes its configuration from {resumed}: leave {args[0]!r} out")
        advice = f"no run to resume in {resumed}: there is no config.yaml"
        return io.load(config_of_run(resumed, "--resume", advice)), args
    if args and not args[0].startswith("-"):
        return named(args[0]), args[1:]
    if "-h" in args or "--help" in args:
        return RunConfig(), args
    raise UserError(f"say what to train first: majolica train RECIPE ... ({', '.join(RECIPES)}) or CONFIG.yaml")


def named(name: str) -> RunConfig:
    """The recipe of that name, or the configuration in that YAML file."""
    if name.endswith((".yaml", ".yml")):
        return io.load(Path(name), recipe)
    return recipe(name)


def _resumed(args: list[str]) -> Path | None:
    """The folder of --resume: needed before the options are parsed, for it decides their defaults."""
    for index, word in enumerate(args):
        if word == "--resume" and index + 1 < len(args):
            return Path(args[index + 1])
        if word.startswith("--resume="):
            return Path(word.removeprefix("--resume="))
    return None


def _parse(start: RunConfig, args: list[str]) -> Options:
    default = Options(start.model, start.data, start.loss, start.optim, start.train)
    recipes = "\n".join(f"  {name:10} {summary(name)}" for name in RECIPES)
    text = f"Train a recipe, or a configuration file made with --print-config.\n\nRecipes:\n{recipes}"
    prog = "majolica train RECIPE|CONFIG.yaml"
    return tyro.cli(Options, default=default, args=args, prog=prog, description=text)


def _train(config: RunConfig, options: Options) -> None:
    out = _check(config, options)
    from majolica.launch.start import train

    train(config, out, resume=options.resume is not None)


def _rehearse(config: RunConfig, options: Options) -> None:
    """UserError for what training would refuse, now or before its first step."""
    out = _check(config, options)
    from majolica.launch.rehearse import rehearse

    for note in rehearse(config, out, resume=options.resume is not None):
        print(note)


def _check(config: RunConfig, options: Options) -> Path:
    """The run folder. UserError where it, or what is to be trained on, is not as it must be."""
    if options.resume and options.out and options.out != options.resume:
        raise UserError(f"--resume goes on in {options.resume}: leave --out out")
    out = options.resume or options.out or Path("runs") / config.recipe
    if not options.resume and (out / "config.yaml").exists():
        raise UserError(f"{out} already holds a run: go on with `--resume {out}`, or choose another --out")
    for place in (source.shards for source in config.data.sources or (SourceConfig(config.data.shards),)):
        if "://" not in place and not (place and Path(place).is_dir()):
            raise UserError(_no_shards(config, place))
    check_folder(out)
    return out


def _no_shards(config: RunConfig, folder: str) -> str:
    resolution = config.model.resolution * (config.loss.fine_scale if config.loss.fine_share else 1)
    if not folder:
        return "there is nothing to train on: give a folder of img2dataset tars with --data.shards DIR"
    if config.data.sources:
        return f"no shards at {folder}, one of data.sources: name folders of img2dataset tars, or URLs"
    home = Path(folder).parent
    if Path(folder).name != "train":  # which `majolica data openmoji` calls its shards
        return (
            f"no shards at {folder}: give another folder with --data.shards DIR, or make shards of your own pictures"
            f" with `majolica data shard PICTURES --out {folder}`"
        )
    return (
        f"no shards at {folder}: give another folder with --data.shards DIR, or make some with"
        f" `majolica data openmoji --out {home} --resolution {resolution}` and use {home / 'train'}"
    )
