"""Options of the command line that would count for nothing, because another option takes their place."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from majolica.config.run import RunConfig
from majolica.config.sources import spell_place_options
from majolica.errors import UserError


def list_given(args: Sequence[str]) -> set[str]:
    """Return the options that the words of a command line name, without their values and spelled with hyphens."""
    return {word.partition("=")[0].replace("_", "-") for word in args if word.startswith("--")}


def check_idle(config: RunConfig, given: Collection[str]) -> None:
    """Raise UserError if one of the options `given`, which the user has just named, would count for nothing.

    Other fields are not looked at: a recipe has shards and steps, and a file that names sources or minutes need not say
    that these no longer count.
    """
    data, train = config.data, config.train
    if data.sources and "--data.shards" in given:
        raise UserError(
            "--data.shards does not count while the configuration has data.sources: give other places of these with"
            f" {spell_place_options(data)}, or take data.sources out of it"
        )
    weights = sorted(option for option in given if re.fullmatch(r"--data\.sources\.\d+\.weight", option))
    if weights and data.temperature > 0:
        raise UserError(
            f"{weights[0]} does not count while --data.temperature is {data.temperature:g}, which weighs the sources by"
            " their size: leave it out, or give --data.temperature 0 beside it"
        )
    if data.weights_over and not data.weights_end and "--data.weights-over" in given:
        raise UserError(
            "--data.weights-over does not count without --data.weights-end, the weights that are reached then: give"
            " both, or leave it out"
        )
    if train.schedule_from and (idle := [name for name in ("--train.steps", "--train.minutes") if name in given]):
        raise UserError(
            f"{idle[0]} does not count while --train.schedule-from names a run, whose steps are taken: leave it out, or"
            " give --train.schedule-from '' beside it"
        )
    if train.minutes and train.steps and "--train.steps" in given:  # 0 steps fit other options to the pictures as well
        raise UserError(
            f"--train.steps does not count while --train.minutes is {train.minutes:g}: leave it out, or give"
            " --train.minutes 0 beside it"
        )
