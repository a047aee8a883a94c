"""`majolica extend RUN --property NAME`: teach a trained run a further property; its own weights stay as they are."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.notices import print_notices
from majolica.commands.progress import bar
from majolica.config.run_folder import config_of_run
from majolica.errors import UserError, unknown_name
from majolica.files import check_writable
from majolica.properties.registry import known_properties


def run(args: list[str]) -> None:
    """Parse `args` and teach."""
    tyro.cli(extend, args=args, prog="majolica extend")


def extend(
    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")] = DEFAULT_RUN,
    /,
    property: str = "",
    data: str = "",
    minutes: float = 3.0,
    steps: int = 0,
    rank: int = 8,
    batch: int = 64,
    lr: float = 3e-3,
    seed: int = 0,
    out: Path | None = None,
) -> None:
    """Teach a trained run a property that it was not trained with, through an adapter.

    From then on `majolica generate --run RUN --set NAME=VALUE` sets it. Where it is not set, the run paints what it
    painted before, to the bit.

    Args:
        run: Folder of the trained run.
        property: A name that is built in, or a Python file that defines PROPERTY; its name is that of the file.
        data: Folder or URL of shards to learn from; those of the run if not given.
        minutes: Minutes of training.
        steps: Steps of training; if above 0, they take the place of the minutes.
        rank: Rank of the keys and values of the adapter.
        batch: Pictures in a step.
        lr: Peak learning rate.
        seed: Seed of the first weights and of the order of the data.
        out: File to write; adapters/NAME.safetensors in the run folder if not given.
    """
    for name, value in (("minutes", minutes), ("rank", rank), ("batch", batch), ("lr", lr)):
        if not 0 < value < math.inf:
            raise UserError(f"--{name} is {value:g}: give a number above 0")
    if steps < 0:
        raise UserError(f"--steps is {steps}: give a whole number, or 0 to count minutes")
    config_of_run(run, "", f"no run in {run}: train one (majolica demo), or name its folder")
    is_file = property.endswith(".py")
    if not property:
        raise UserError(f"say what to teach: --property with one of {', '.join(known_properties())}, or with a file.py")
    if not is_file and property not in known_properties():
        raise unknown_name("property", property, known_properties())
    name = Path(property).stem if is_file else property
    check_writable(out or run / "adapters" / f"{name}.safetensors")
    from majolica.properties.user_file import load_property_file
    from majolica.train.extend import ExtendRequest
    from majolica.train.extend import extend as teach

    if is_file:
        load_property_file(Path(property))
    request = ExtendRequest(run, name, out, data, minutes, steps, rank, batch, lr, seed=seed)
    with print_notices(), bar("teaching") as progress:
        path = teach(request, _say, progress)
    named = f" --adapter {path}" if out else ""
    print(f"written to {path}; try: majolica generate PROMPT --run {run}{named} --set {name}=VALUE")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
