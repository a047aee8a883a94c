"""`majolica eval coco RUN --coco DIR`: FID on MS-COCO, by the published protocol or as a quick look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.command_line import call_verb
from majolica.commands.evaluate import evaluate_place
from majolica.config.evaluation import EvaluatorConfig
from majolica.errors import UserError


def run(args: list[str]) -> None:
    """Parse `args` and evaluate."""
    call_verb(evaluate_coco, args, "majolica eval coco")


def evaluate_coco(
    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN|CHECKPOINT|FILE")] = DEFAULT_RUN,
    /,
    coco: Path | None = None,
    subset: int = 0,
    ids: str = "",
    split: str = "val2014",
    size: int = 0,
    extractor: str = "",
    weights: str = "",
    resize: Literal["clean-fid", "torch-fidelity", "pytorch-fid"] = "clean-fid",
    steps: int = 20,
    guidance: float = 2.0,
    churn: float = 4.0,
    seed: int = 0,
    processes: int = 0,
) -> None:
    """Paint captions of MS-COCO, and measure the distance to its pictures: FID-30K, if nothing else is asked for.

    The list of captions is written into the run folder, and painting goes on where it was interrupted.

    Args:
        run: Folder of the trained run, one of its checkpoints, or a file of weights beside its config.yaml.
        coco: The folder of COCO, with val2014/ and annotations/ in it.
        subset: Paint only so many captions, against the pictures that they describe; this is never FID.
        ids: File with the captions to paint, as an earlier evaluation wrote it; drawn with the seed when not given.
        split: The split of COCO; FID-30K is on val2014.
        size: Side of the painted pictures in pixels; the base resolution when 0.
        extractor: Whose features are compared: inception when not given, dinov2, or clip.
        weights: File of the extractor's weights; downloaded when not given.
        resize: Whose way of resizing pictures for Inception is followed.
        steps: Steps of the solver for a picture.
        guidance: Weight of the caption in painting; 1 for none.
        churn: Noise that is added over all steps while pictures are painted; 0 adds none.
        seed: Seed of the first picture, and of the list of captions.
        processes: Processes that paint side by side; 0: one a core, up to 8, and one on a GPU.
    """
    if coco is None:
        raise UserError("name the folder of MS-COCO: majolica eval coco RUN --coco DIR, with val2014/ and annotations/")
    if subset < 0 or subset == 1:
        raise UserError(f"--subset is {subset}: give at least 2 captions, or 0 for all 30,000 of FID-30K")
    options = EvaluatorConfig(
        data=str(coco),
        pictures=subset,
        ids=ids,
        split=split,
        size=size,
        extractor=extractor,
        weights=weights,
        resize=resize,
        steps=steps,
        guidance=guidance,
        churn=churn,
        seed=seed,
    )
    evaluate_place(run, ("coco",), options, processes)
