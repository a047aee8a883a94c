"""`majolica extend RUN --property NAME`: teach a trained run a further property; its own weights stay as they are.

`majolica extend RUN --reference` teaches it to follow a reference picture.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.command_line import call_verb
from majolica.commands.notices import print_notices
from majolica.commands.progress import bar
from majolica.commands.terminal import print_status
from majolica.config.run_folder import config_of_run
from majolica.errors import UserError, unknown_name
from majolica.properties.file_name import check_property_file
from majolica.properties.registry import known_properties

REFERENCE = "reference"
"""The name of the adapter's file that follows reference pictures."""


def run(args: list[str]) -> None:
    """Parse `args` and teach."""
    call_verb(extend, args, "majolica extend")


def extend(
    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")] = DEFAULT_RUN,
    /,
    property: str = "",
    reference: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    data: str = "",
    minutes: float = 3.0,
    steps: int = 0,
    batch: int = 64,
    lr: float | None = None,
    seed: int = 0,
    out: Path | None = None,
) -> None:
    """Teach a trained run a property that it was not trained with, or to follow reference pictures, through an adapter.

    From then on `majolica generate --run RUN --set NAME=VALUE` sets the property, and `--reference picture.png` shows
    the picture. Where neither is given, the run paints what it painted before, to the bit.

    Args:
        run: Folder of the trained run.
        property: A name that is built in, or a Python file that defines PROPERTY; its name is that of the file.
        reference: Teach it to follow the subject and the style of a reference picture, in place of a property.
        data: Folder or URL of shards to learn from; those of the run if not given.
        minutes: Minutes of training.
        steps: Steps of training; if above 0, they take the place of the minutes.
        batch: Pictures in a step.
        lr: Peak learning rate; 0.03 for a property and 0.003 for a reference if not given.
        seed: Seed of the first weights and of the order of the data.
        out: New .safetensors file to write; RUN/adapters/NAME.safetensors if not given (reference for NAME).
    """
    for name, value in (("minutes", minutes), ("batch", batch), ("lr", lr)):
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"--{name} is {value:g}: give a number above 0")
    if steps < 0:
        raise UserError(f"--steps is {steps}: give a whole number, or 0 to count minutes")
    config_of_run(run, "", f"no run in {run}: train one (majolica demo), or name its folder")
    name = REFERENCE if reference else _check_property(property)
    if reference and property:
        raise UserError(f"--reference and --property {property} are two things to teach: one after the other")
    from majolica.train.lesson import PROPERTY_RATE, REFERENCE_RATE, LessonPlan

    plan = LessonPlan(minutes, steps, batch, lr or (REFERENCE_RATE if reference else PROPERTY_RATE), seed)
    with print_notices(), bar("teaching") as progress:
        if reference:
            from majolica.train.extend_reference import ReferenceRequest, extend_reference

            path = extend_reference(ReferenceRequest(run, out, data, plan=plan), print_status, progress)
        else:
            from majolica.properties.user_file import load_property_file
            from majolica.train.extend import ExtendRequest
            from majolica.train.extend import extend as teach

            if property not in known_properties():
                load_property_file(Path(property))
            path = teach(ExtendRequest(run, name, out, data, plan=plan), print_status, progress)
    named = f" --adapter {path}" if out else ""
    wish = "--reference PICTURE" if reference else f"--set {name}=VALUE"
    print(f"written to {path}; try: majolica generate PROMPT --run {run}{named} {wish}")


def _check_property(property: str) -> str:
    """The name of the property that is to be taught; UserError where there is none."""
    if not property:
        known = ", ".join(known_properties())
        raise UserError(f"say what to teach: --property with one of {known}, or with a file.py; or --reference")
    if property in known_properties():
        return property
    path = Path(property)
    if path.suffix != ".py" and path.name == property and not path.exists():  # a name, and not a file
        raise unknown_name("property", property, known_properties())
    if path.stem == REFERENCE:
        raise UserError(f"a property cannot be called {REFERENCE}, which --reference is: give {property} another name")
    return check_property_file(path)
