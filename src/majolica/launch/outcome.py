"""What has become of a run, and what to do next, in words."""

from __future__ import annotations

import shlex
from pathlib import Path

from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.launch.undo import has_begun
from majolica.run.advice import spell_command
from majolica.run.weights import checkpoints, step_of
from majolica.train.prompts import PROMPTS, read_prompts


def describe_finished(config: RunConfig, out: Path, step: int, begun: int) -> str:
    """A run that has reached its last step, in this start or, where it had begun at `step`, in an earlier one."""
    prompt = next(iter(read_prompts(out / PROMPTS)), "a red apple")
    paint = spell_command(f"generate {shlex.quote(prompt)} --run", out)
    done = f"trained to step {step}"
    if begun == step:
        done = f"{out} is finished at step {step}, nothing is left to train"
    lines = [f"{done}; paint with: {paint}"]
    if (Path(config.data.shards).parent / "names.json").exists():  # what evaluation asks about
        lines.append(f"evaluate with: {spell_command('eval', out)}")
    minutes = config.train.minutes
    longer = f"--train.minutes {2 * minutes:g}" if minutes else f"--train.steps {2 * step}"
    longer += " --train.schedule-from ''" if config.train.schedule_from else ""
    lines.append(f"train longer with: {spell_command('train --resume', out)} {longer}")
    return "\n".join(lines)


def describe_stopped(out: Path, step: int, advise: bool) -> str:
    """A run that was asked to stop; with the way to go on where nobody says it who started this process."""
    return f"\nstopped at step {step} and saved" + (
        f"; go on with: {spell_command('train --resume', out)}" if advise else ""
    )


def check_saved(out: Path, step: int) -> None:
    """UserError where the last step is in no checkpoint: nothing later makes up for it."""
    steps = [step_of(folder.name) for folder in checkpoints(out)]
    if step in steps:
        return
    resume = f"`{spell_command('train --resume', out)}`"
    if steps:
        then = f"{resume} goes on from step {steps[0]}"
    else:
        then = f"{resume} begins again at step 0" if has_begun(out) else "begin again with the same command"
    raise UserError(f"step {step}, the last, was not saved: make room on the disk; then {then}")
