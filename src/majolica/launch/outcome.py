"""The messages at the end of a run: how it ended, and which commands come next."""

from __future__ import annotations

import shlex
from pathlib import Path

from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.launch.undo import has_begun
from majolica.run.advice import spell_command
from majolica.run.weights import checkpoints, step_of
from majolica.train.prompts import suggest_prompt


def describe_finished(config: RunConfig, out: Path, step: int, begun: int) -> str:
    """Return the message for a run that has reached its last step.

    `begun` is the step at which this process began. If it equals `step`, an earlier process had
    already finished the run.
    """
    prompt = suggest_prompt(config.data, out)
    paint = spell_command(f"generate {shlex.quote(prompt) if prompt else 'PROMPT'} --run", out)
    state = f"trained to step {step}"
    if begun == step:
        state = f"{out} is finished at step {step}, nothing is left to train"
    lines = [f"{state}; paint with: {paint}", f"evaluate with: {spell_command('eval', out)}"]
    minutes = config.train.minutes
    longer = f"--train.minutes {2 * minutes:g}" if minutes else f"--train.steps {2 * step}"
    longer += " --train.schedule-from ''" if config.train.schedule_from else ""
    lines.append(f"train longer with: {spell_command('train --resume', out)} {longer}")
    return "\n".join(lines)


def describe_stopped(out: Path, step: int, advise: bool) -> str:
    """Return the message for a run that was asked to stop.

    With `advise`, it also gives the command that continues the run.
    """
    return f"\nstopped at step {step} and saved" + (
        f"; go on with: {spell_command('train --resume', out)}" if advise else ""
    )


def check_saved(out: Path, step: int) -> None:
    """Raise UserError if no checkpoint holds the last step, because no later save can replace it."""
    steps = [step_of(folder.name) for folder in checkpoints(out)]
    if step in steps:
        return
    resume = f"`{spell_command('train --resume', out)}`"
    if steps:
        advice = f"{resume} goes on from step {steps[0]}"
    else:
        advice = f"{resume} begins again at step 0" if has_begun(out) else "begin again with the same command"
    raise UserError(f"step {step}, the last, was not saved: make room on the disk; then {advice}")
