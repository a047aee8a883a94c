"""`majolica train RECIPE|CONFIG.yaml`: any field of the configuration is an option."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from majolica.commands.names import check_recipe
from majolica.commands.options import Flag, parse_options
from majolica.config import io
from majolica.config.checks import check_config, derive_values
from majolica.config.data import DataConfig
from majolica.config.fitting import open_options
from majolica.config.idle import check_idle, list_given
from majolica.config.loss import LossConfig
from majolica.config.model import ModelConfig
from majolica.config.resolutions import trained_sizes
from majolica.config.run import RunConfig
from majolica.config.run_folder import config_of_run
from majolica.config.sources import sources_of, spell_place_options
from majolica.config.training import OptimConfig, TrainConfig
from majolica.errors import UserError
from majolica.files import check_folder_writable
from majolica.plurals import plural
from majolica.recipes import RECIPES, recipe, recipe_of_file, summarise_recipe
from majolica.recipes.drawings import OPENMOJI_OPTIONS


@dataclass(frozen=True)
class TrainOptions:
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
    init_from: Path | None = None
    """Begin with the weights of this run folder or safetensors file; short for --train.init-from."""
    print_config: Flag = False
    """Print the whole configuration as YAML and stop."""
    dry_run: Flag = False
    """Check all that training would check before its first step, and then print what follows from it, and stop."""


def run(args: list[str]) -> None:
    """Parse `args`, then train, or print what was asked for instead."""
    start, args = _start(args)
    options = _parse(start, args)
    train = _begin_with(start.train, options)
    config = RunConfig(start.recipe, options.model, options.data, options.loss, options.optim, train)
    config = check_config(config)
    check_idle(config, list_given(args))
    if options.print_config:
        print(io.to_yaml(config), end="")
    elif options.dry_run:
        print(describe_config(_rehearse(config, options)))
    else:
        _train(config, options)


def describe_config(config: RunConfig) -> str:
    """A few lines on what a configuration comes to."""
    shards = ", ".join(source.shards for source in sources_of(config.data)) or "not set"
    rows = {name: f"{value:,}" for name, value in derive_values(config).items()}
    if left := open_options(config):
        rows["to be fitted"] = f"{' and '.join(left)}, to the machine that the run begins on"
    train = config.train
    followed = f", those of --train.schedule-from {train.schedule_from}" if train.schedule_from else ""
    rows |= {"steps": f"{train.steps:,}{followed}", "shards": shards}
    if train.minutes and not followed:
        minutes = f"{train.minutes:g} {plural(train.minutes, 'minute')}"
        rows |= dict.fromkeys(("steps", "samples"), f"as many as fit into {minutes} (--train.minutes)")
    elif not train.steps:
        rows |= dict.fromkeys(("steps", "samples"), "to be fitted to the number of pictures (--train.steps 0)")
    return "\n".join([f"recipe         {config.recipe}", *(f"{name:14} {text}" for name, text in rows.items())])


def _start(args: list[str]) -> tuple[RunConfig, list[str]]:
    """The configuration that the options change, and the options."""
    if resumed := _resumed_folder(args):
        if not args[0].startswith("-"):
            raise UserError(f"--resume takes its configuration from {resumed}: leave {args[0]!r} out")
        advice = f"no run to resume in {resumed}: there is no config.yaml"
        return io.load_config(config_of_run(resumed, "--resume", advice)), args
    if args and not args[0].startswith("-"):
        return find_config(args[0]), args[1:]
    if "-h" in args or "--help" in args:
        return RunConfig(), args
    raise UserError(f"say what to train first: majolica train RECIPE ... ({', '.join(RECIPES)}) or CONFIG.yaml")


def find_config(name: str) -> RunConfig:
    """The recipe of that name, or the configuration in that YAML file."""
    if name.endswith((".yaml", ".yml")):
        return io.load_config(Path(name), recipe_of_file)
    check_recipe(name, RECIPES)
    return recipe(name)


def _resumed_folder(args: list[str]) -> Path | None:
    """The folder of --resume: needed before the options are parsed, for it decides their defaults."""
    folders = [
        following if word == "--resume" else word.removeprefix("--resume=")
        for word, following in zip(args, [*args[1:], ""], strict=False)
        if word == "--resume" or word.startswith("--resume=")
    ]
    if any(not folder or folder.startswith("-") for folder in folders):
        raise UserError("say which run to go on with: majolica train --resume RUN ...")
    if len(folders) > 1:
        raise UserError(f"--resume names {folders[0]} and {folders[1]}: a run goes on by itself, so keep one")
    return Path(folders[0]) if folders else None


def _parse(start: RunConfig, args: list[str]) -> TrainOptions:
    default = TrainOptions(start.model, start.data, start.loss, start.optim, start.train)
    recipes = "\n".join(f"  {name:10} {summarise_recipe(name)}" for name in RECIPES)
    text = f"Train a recipe, or a configuration file made with --print-config.\n\nRecipes:\n{recipes}"
    prog = "majolica train RECIPE|CONFIG.yaml"
    return parse_options(default, args, prog, text)


def _begin_with(start: TrainConfig, options: TrainOptions) -> TrainConfig:
    """The section `train` with the weights that `--init-from` names; UserError where a resumed run is given others."""
    short, train = options.init_from, options.train
    if short and train.init_from not in ("", start.init_from, str(short)):
        raise UserError(f"--init-from {short} and --train.init-from {train.init_from} name two beginnings: keep one")
    if short:
        train = replace(train, init_from=str(short))
    if options.resume and train.init_from != start.init_from:
        raise UserError(
            f"--resume {options.resume} goes on with the weights of that run: leave --init-from out, or train a "
            f"new run with --init-from {train.init_from} and another --out"
        )
    return train


def _train(config: RunConfig, options: TrainOptions) -> None:
    out = _check(config, options)
    from majolica.launch.start import train

    train(config, out, resume=options.resume is not None)


def _rehearse(config: RunConfig, options: TrainOptions) -> RunConfig:
    """`config` with the steps for its pictures, or of the schedule that it follows.

    Raises UserError for what training would refuse before its first step.
    """
    out, resumes = _check(config, options), options.resume is not None
    from majolica.launch.rehearse import rehearse

    for note in rehearse(config, out, resume=resumes):
        print(note)
    from majolica.run.resume import find_plan
    from majolica.train.fitting import fit_to_pictures

    config = fit_to_pictures(config)[0]
    if not config.train.schedule_from:
        return config
    return replace(config, train=replace(config.train, steps=find_plan(config, out, resumes).steps))


def _check(config: RunConfig, options: TrainOptions) -> Path:
    """The run folder. UserError where it, or what is to be trained on, is not as it must be."""
    if options.resume and options.out and options.out != options.resume:
        raise UserError(f"--resume goes on in {options.resume}: leave --out out")
    out = options.resume or options.out or Path("runs") / config.recipe
    if not options.resume and (out / "config.yaml").exists():
        raise UserError(f"{out} already holds a run: go on with `--resume {out}`, or choose another --out")
    for place in (source.shards for source in sources_of(config.data)):
        if "://" not in place and not (place and Path(place).is_dir()):
            raise UserError(_no_shards(config, place))
    _check_held_out(config)
    if not options.resume and config.train.init_from and not Path(config.train.init_from).exists():
        raise UserError(f"--init-from {config.train.init_from} is not there: name a run folder or a safetensors file")
    if not options.resume and config.train.schedule_from:
        from majolica.run.step_plan import begin_plan

        begin_plan(config)
    check_folder_writable(out)
    return out


def _check_held_out(config: RunConfig) -> None:
    """UserError where the held-out samples are not there, or are trained on."""
    held_out = config.data.heldout
    if not held_out or not config.train.heldout_every:
        return
    nearby = _held_out_nearby(Path(held_out))
    if "://" not in held_out and not Path(held_out).is_dir():
        advice = nearby or "name a folder of img2dataset tars, or leave it out"
        raise UserError(f"no shards at --data.heldout {held_out}: {advice}")
    if nearby and not any(Path(held_out).glob("*.tar")):
        raise UserError(f"--data.heldout {held_out} holds no .tar files: {nearby}")
    places = [source.shards for source in sources_of(config.data)]
    if any(place == held_out or Path(place).absolute() == Path(held_out).absolute() for place in places):
        advice = nearby or "name shards that --data.shards and data.sources do not"
        raise UserError(f"--data.heldout {held_out} is trained on: {advice}")


def _held_out_nearby(folder: Path) -> str:
    """Advice to name the folder `heldout`, where the verbs of `majolica data` put shards, in `folder` or beside it."""
    for place in (folder / "heldout", folder.parent / "heldout"):
        if place != folder and any(place.glob("*.tar")):
            return f"give --data.heldout {place}"
    return ""


def _no_shards(config: RunConfig, folder: str) -> str:
    resolution = trained_sizes(config)[-1]
    if not folder:
        return "there is nothing to train on: give a folder of img2dataset tars with --data.shards DIR"
    if config.data.sources:
        options = spell_place_options(config.data)
        return f"no shards at {folder}, one of data.sources: name folders of img2dataset tars, or URLs, with {options}"
    home = Path(folder).parent
    if Path(folder).name != "train":  # which `majolica data openmoji` calls its shards
        return (
            f"no shards at {folder}: give another folder with --data.shards DIR, or make shards of your own pictures"
            f" with `majolica data shard PICTURES --out {folder}`"
        )
    others = f" {OPENMOJI_OPTIONS[config.recipe]}" if config.recipe in OPENMOJI_OPTIONS else ""
    return (
        f"no shards at {folder}: give another folder with --data.shards DIR, or make some with"
        f" `majolica data openmoji --out {home} --resolution {resolution}{others}` and use {home / 'train'}"
    )
