"""Make a run folder. A cluster job does this once, before its ranks start.

`python -m majolica.launch.prepare CONFIG OUT`
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from majolica.config.checks import check_config
from majolica.config.io import load_config, save_config
from majolica.config.paths import make_paths_absolute
from majolica.config.resolutions import base_only_notes
from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.launch.chosen_evaluators import check_evaluators
from majolica.launch.undo import undo_failed_start
from majolica.lock import hold_folder
from majolica.recipes import recipe_of_file
from majolica.run.weights import checkpoints
from majolica.signals import INTERRUPTED, interrupt_on_signals
from majolica.train.fitting import check_settled, fit_new_run, fit_to_pictures, this_machine
from majolica.train.property_values import measure_property_values
from majolica.train.vocabulary import make_vocabulary
from majolica.train.warm_start import with_its_tokenizer


def prepare_run(config: RunConfig, out: Path, resume: bool) -> RunConfig:
    """Write the quantiles of the properties, the tokenizer and the configuration of a run into `out`.

    Returns the configuration.

    config.yaml is written last, so a folder that has one is fully prepared. In a new run, options
    that the configuration leaves open are fitted to the data and to this machine. A run that resumes
    from a checkpoint keeps its tokenizer. Without a checkpoint the tokenizer is made again, because
    the captions may have been corrected. `launch.rank` saves the options that a resume changes, after
    it has read the checkpoint.
    """
    notes = check_evaluators(config)
    # Paths are absolute, because config.yaml may be read from another working directory.
    config = make_paths_absolute(check_settled(config) if resume else _fit_config(config))
    out.mkdir(parents=True, exist_ok=True)
    for line in notes if resume else (*notes, *base_only_notes(config)):
        print(f"note: {line}", file=sys.stderr, flush=True)
    saved = out / "config.yaml"
    check_vacant(out)
    if not (resume and checkpoints(out)):
        make_vocabulary(config, out)
        for line in measure_property_values(config, out):
            print(f"note: {line}", file=sys.stderr, flush=True)
    if not (resume and saved.exists()):
        save_config(config, saved)
    return config


def check_vacant(out: Path) -> None:
    """Raise UserError if `out` holds a tokenizer but no run that it belongs to."""
    model = out / "tokenizer.model"
    if model.exists() and not (out / "config.yaml").exists():
        raise UserError(f"{model} belongs to no run: move it away; to use it, name it with --data.tokenizer")


def _fit_config(config: RunConfig) -> RunConfig:
    """Fit `config` to its pictures, to this machine and to its first weights; print what changed."""
    config, picture_lines = fit_to_pictures(config)
    config, machine_lines = fit_new_run(config, this_machine())
    config, tokenizer_lines = with_its_tokenizer(config)
    for line in (*picture_lines, *machine_lines, *tokenizer_lines):
        print(line, file=sys.stderr, flush=True)
    return check_config(config)


def main(arguments: list[str]) -> int:
    text = "Make a new run's folder: its tokenizer and its configuration. The workers are then started with --resume."
    parser = argparse.ArgumentParser("python -m majolica.launch.prepare", description=text)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a file made with `majolica train --print-config`")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the run")
    options = parser.parse_args(arguments)
    out: Path = options.out
    try:
        with interrupt_on_signals(), hold_folder(out):
            if checkpoints(out):
                raise UserError(f"{out} already holds a run: start the ranks with --resume, or choose another folder")
            with undo_failed_start(out):
                prepare_run(check_config(load_config(options.config, recipe_of_file)), out, resume=False)
    except UserError as error:
        print(f"majolica: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("majolica: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
