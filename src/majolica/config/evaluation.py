"""The options of an evaluator, in the command line and in the configuration of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from majolica.config.bounds import above, at_least

CLIP_TEMPLATES = "imagenet"
"""The name of the 80 sentences of CLIP."""


@dataclass(frozen=True)
class EvaluatorConfig:
    """One evaluator: which one, how often while a run is trained, and on what data."""

    name: str = ""
    """The evaluator: `majolica eval --list` lists them."""
    every: Annotated[int, at_least(0)] = 0
    """Every so many optimiser steps while training; 0 stands for `train.eval_every`."""
    data: str = ""
    """Pictures to evaluate on: a folder, shards or a table, or the folder of MS-COCO. If it is empty, the held-out
    pictures of the run are used, where the evaluator can do with them."""
    labels: str = ""
    """File of the labels: one a line, a folder's name and its label a line, or JSON."""
    templates: str = ""
    """File of the sentences that labels are put into, one a line, or `imagenet` for the 80 of CLIP. If it is empty,
    those of `majolica classify` are used."""
    extractor: str = ""
    """Whose features distances compare: `inception` (with it the distance to COCO is FID), `dinov2`, `clip`, or
    `perception`, the model's own. If it is empty, it is Inception for COCO and perception elsewhere."""
    weights: str = ""
    """File of the extractor's weights. If it is empty, they are downloaded."""
    resize: Literal["clean-fid", "torch-fidelity", "pytorch-fid"] = "clean-fid"
    """Whose way of resizing pictures for Inception is followed; published numbers of FID differ by it."""
    first_synonym: bool = False
    """Use only what stands before the first comma of a label, as for "tench, Tinca tinca" in ImageNet's lists."""
    pictures: Annotated[int, at_least(0)] = 0
    """How many pictures are painted or read; 0 stands for the evaluator's usual number."""
    steps: Annotated[int, above(0)] = 20
    """Steps of the solver for a painted picture."""
    guidance: Annotated[float, above(0)] = 2.0
    """Weight of the caption when pictures are painted; 1 turns guidance off."""
    churn: Annotated[float, at_least(0)] = 4.0
    """Noise that is added over all steps while pictures are painted; 0 adds none."""
    seed: Annotated[int, at_least(0)] = 0
    """Seed of the first painted picture; the next ones count on from it. It also draws the captions of COCO."""
    size: Annotated[int, at_least(0)] = 0
    """Side in pixels of the pictures that are painted for COCO; 0 stands for the base resolution."""
    split: str = "val2014"
    """The split of COCO."""
    ids: str = ""
    """File with the captions of COCO to paint, as an earlier evaluation wrote it. If it is empty, they are drawn."""
