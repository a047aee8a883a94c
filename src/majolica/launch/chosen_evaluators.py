"""Which evaluators a run asks for while it is trained, and what there is to say of them before its first step."""

from __future__ import annotations

from pathlib import Path

from majolica.config.evaluation import EvaluatorConfig
from majolica.config.run import RunConfig
from majolica.config.training import TrainConfig
from majolica.errors import UserError
from majolica.eval.context import make_context, without_judges
from majolica.eval.idle_options import SETTINGS, find_idle
from majolica.eval.protocol import EvalData, Evaluator
from majolica.eval.suites import EVALUATORS, build_evaluators, choose_evaluators, list_read
from majolica.plurals import plural

IN_TRAINING = "those of a run in training"
"""Stands for the hash of weights that change from one evaluation to the next."""
DueEvaluator = tuple[int, str, EvaluatorConfig]
"""How often, in steps; the name; and the options."""


def check_evaluators(config: RunConfig) -> list[str]:
    """Return a line on evaluators that are configured by half, and on each that does not read what it is given.

    Raises UserError if an evaluator is not known, cannot be used while training, or could not be built.
    """
    train = config.train
    if train.best_metric and not any(train.evaluation_cadences):
        raise UserError("--train.best-metric is set, and nothing is evaluated: set --train.eval-every and `evaluators`")
    names: list[str] = []
    idle: list[str] = []
    lines: list[str] = []
    for options, every in zip(train.evaluators, train.evaluation_cadences, strict=True):
        if every:
            names += build_unjudged(options, config)
            lines += describe_unread(options)
        else:
            idle += choose_named(options)
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"`evaluators` names {twice[0]} twice, and their results could not be told apart: name it once")
    if not train.evaluators and train.eval_every > 0:
        return [
            f"--train.eval-every is {train.eval_every:,} and `evaluators` is empty, so nothing is evaluated while"
            " training: list evaluators in a configuration file, or give --train.eval-every 0"
        ]
    if idle and train.evaluators != TrainConfig().evaluators:  # most recipes have those, and 0 turns them off
        return [
            f"`evaluators` names {', '.join(idle)}, and --train.eval-every is 0, so nothing comes of"
            f" {plural(len(idle), 'it', 'them')} while training: say every how many steps",
            *lines,
        ]
    return lines


def describe_unread(options: EvaluatorConfig) -> list[str]:
    """Return a line on the settings of an entry of `evaluators` that the evaluators it names do not read, if any."""
    unread = list(find_idle(SETTINGS, options, list_read(choose_named(options), options)))
    if not unread:
        return []
    what = " and ".join([", ".join(unread[:-1]), unread[-1]] if unread[1:] else unread)
    it = plural(len(unread), "it", "them")
    return [f"`evaluators` gives {what} to {options.name}, which does not read {it}: leave {it} out"]


def find_usable(config: RunConfig, data: EvalData) -> tuple[list[DueEvaluator], list[str]]:
    """Return the evaluators that are due while a run is trained, and a line on each that lacks data."""
    usable: list[DueEvaluator] = []
    lines: list[str] = []
    for options, every in zip(config.train.evaluators, config.train.evaluation_cadences, strict=True):
        for name, evaluator in build_unjudged(options, config).items() if every else ():
            if reason := evaluator.explain_lack(data):
                lines.append(f"{name} will not be evaluated: {reason}")
            else:
                usable.append((every, name, options))
    return usable, lines


def choose_named(options: EvaluatorConfig) -> list[str]:
    """Return the names of the evaluators that options name. Raises UserError if there is no such name."""
    if not options.name:
        raise UserError("an entry of `evaluators` has no name: `majolica eval --list` lists them all")
    return choose_evaluators((options.name,), None)


def build_unjudged(options: EvaluatorConfig, config: RunConfig, folder: Path | None = None) -> dict[str, Evaluator]:
    """Build the evaluators that options name, for use while training.

    Raises UserError for an unknown name, and for an evaluator that asks judges, which take minutes to learn.
    """
    nobody = without_judges("judges are not asked while a run is trained")
    context = make_context(
        config, config.model.properties, nobody, IN_TRAINING, options, folder=folder, in_training=True
    )
    names = choose_named(options)
    for name in names:
        if EVALUATORS[name].judged:
            raise UserError(
                f"`evaluators` names {name}, which asks judges that take minutes to learn: use it"
                " when the training has ended, with `majolica eval`"
            )
    return build_evaluators(names, context)
