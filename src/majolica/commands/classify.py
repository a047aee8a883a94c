"""`majolica classify PICTURE... --labels ...`: zero-shot classification with a trained run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.command_line import call_verb
from majolica.commands.notices import print_notices
from majolica.commands.options import Flag
from majolica.commands.picture_files import PictureFiles, find_pictures, print_unread
from majolica.commands.terminal import read_words
from majolica.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

TOP = 5
"""Labels that are printed of each picture, unless something else is asked for."""


def run(args: list[str]) -> None:
    """Parse `args` and classify."""
    call_verb(classify, args, "majolica classify")


def classify(
    pictures: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="PICTURE|FOLDER ...")],
    /,
    labels: tuple[str, ...] = (),
    labels_file: Path | None = None,
    templates_file: str = "",
    run: Path = DEFAULT_RUN,
    top: int | None = None,
    json: Flag = False,
) -> None:
    """Say which of the labels fits each picture best.

    A picture that cannot be read is named and left out; the exit code then is 2.

    Args:
        pictures: Picture files, and folders that are searched for pictures.
        labels: What to choose from, each in quotes: "red apple" "dolphin".
        labels_file: A text file of labels, one a line.
        templates_file: A text file of sentences around {} (with article) or {label}, or imagenet for the 80 of CLIP.
        run: Folder of the trained run.
        top: How many labels to print for each picture; 5 when not given, all with --json.
        json: Print a JSON object a line: picture, best, and probabilities by label, the best first.
    """
    if not pictures:
        raise UserError("nothing to classify: name picture files, or folders of them")
    if top is not None and top < 1:
        raise UserError(f"--top is {top}: at least 1")
    names = gather_labels(labels, labels_file)
    paths = find_pictures(pictures)
    from majolica.sampling.pipeline import Pipeline
    from majolica.text.template_sets import find_templates

    templates = find_templates(templates_file).templates if templates_file else None
    with print_notices():
        pipeline = Pipeline.load(run)
        tell = _print_unread_as_json if json else print_unread
        files = PictureFiles(paths, pipeline.resolution, pipeline.fit, tell=tell, raises_single=not json)
        labels_KE = pipeline.embed_labels(names, templates)
        for good, images_B3HW in files.read():
            probabilities_BK = pipeline.compare(pipeline.embed_images(images_B3HW), labels_KE)
            for path, row_K in zip(good, probabilities_BK, strict=True):
                ranked = _rank(row_K, names, top or (len(names) if json else TOP))
                print(_as_json(path, ranked) if json else _as_text(path, ranked), flush=True)
    files.check()


def gather_labels(given: Sequence[str], file: Path | None) -> list[str]:
    """Labels of the command line, and names of the class list in a file, as `majolica eval` reads it.

    UserError for fewer than two, for one that is given twice, and for a file that is no class list.
    """
    labels = list(read_words(given, "label"))
    if file:
        from majolica.eval.labelled.class_list import read_class_list

        labels += read_class_list(file).names
    if not labels:
        raise UserError('nothing to choose from: give labels, as in --labels "red apple" dolphin, or --labels-file')
    from majolica.sampling.inputs import read_labels

    return read_labels(labels)


def _rank(row_K: Tensor, names: Sequence[str], top: int) -> dict[str, float]:
    return {names[index]: row_K[index].item() for index in row_K.argsort(descending=True, stable=True)[:top].tolist()}


def _as_text(path: Path, ranked: dict[str, float]) -> str:
    return "\n".join([str(path), *(f"  {share:6.1%}  {label}" for label, share in ranked.items())])


def _as_json(path: Path, ranked: dict[str, float]) -> str:
    rounded = {label: round(share, 6) for label, share in ranked.items()}
    return json.dumps({"picture": str(path), "best": next(iter(ranked)), "probabilities": rounded})


def _print_unread_as_json(path: Path, reason: str) -> None:
    print_unread(path, reason)
    print(json.dumps({"picture": str(path), "error": reason}), flush=True)
