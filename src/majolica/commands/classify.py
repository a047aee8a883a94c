"""`majolica classify IMAGE... --labels ...`: zero-shot classification with a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.pictures import load_pictures
from majolica.commands.terminal import read_texts
from majolica.errors import UserError


def run(args: list[str]) -> None:
    """Parse `args` and classify."""
    tyro.cli(classify, args=args, prog="majolica classify")


def classify(
    images: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="IMAGE ...")],
    /,
    labels: tuple[str, ...] = (),
    run: Path = DEFAULT_RUN,
    top: int = 5,
) -> None:
    """Say which of the labels fits each picture best.

    Args:
        images: Image files.
        labels: What to choose from, each in quotes: "red apple" "dolphin".
        run: Folder of the trained run.
        top: How many labels to print for each picture.
    """
    labels = read_texts(labels, "label")
    if not images:
        raise UserError("nothing to classify: name one or more image files")
    if not labels:
        raise UserError('nothing to choose from: give labels, as in --labels "red apple" dolphin')
    from majolica.sampling.pipeline import Pipeline

    pipeline = Pipeline.load(run)
    probabilities = pipeline.classify(load_pictures(images, pipeline.resolution), labels)
    for path, row in zip(images, probabilities, strict=True):
        print(path)
        for index in row.argsort(descending=True)[:top].tolist():
            print(f"  {row[index]:6.1%}  {labels[index]}")
