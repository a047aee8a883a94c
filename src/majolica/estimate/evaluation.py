"""Estimating the time that evaluation takes from a run."""

from __future__ import annotations

from majolica.config.evaluation import EvaluatorConfig
from majolica.config.run import RunConfig
from majolica.estimate.figures import Estimate
from majolica.estimate.trace import Trace

PAINTED = {
    **{"coco": 30_000, "distances": 256, "guidance": 1_536, "image-text": 256, "memorisation": 256},
    **{"gallery": 32, "control-brief": 560, "control-deep": 2_880, "control-plain": 560, "control-weights": 800},
    **{"control-held": 640, "detail": 138, "grounds": 256, "palettes": 80},
}
PAINTED["captions"] = sum(PAINTED[name] for name in ("gallery", "control-brief", "image-text", "distances"))
"""About how many pictures of the base resolution evaluators paint, and the suite that a run in training can use, if the
options do not say; with ten properties."""
READ = {"coco": 0, "zero-shot": 50_000}
"""Pictures that evaluators embed; those of zero-shot are ImageNet's."""
READ_OTHERWISE = 1_024
TAKE_PICTURES = {
    "coco": 1,
    "distances": 1,
    "grounds": 1,
    "image-text": 1,
    "memorisation": 1,
    "guidance": 6,
    "detail": 138 / 64,
}
"""Evaluators whose options say how many captions they paint, and how often each."""
NEED_DATA = ("coco", "probe")
"""Evaluators that are left out without data of their own."""
GUIDED = 1.4
"""How many times as long a pass takes with guidance of the caption (docs/benchmarks.md, "Properties")."""


def estimate_evaluation(config: RunConfig, traced: Trace, speed: float, training: float) -> list[Estimate]:
    """Return the time of the evaluators, each time and as a share of `training`.

    Those that need data of their own count only if these are named.

    `speed` is that of a GPU in FLOP/s, and `training` the time of the whole training in seconds. Pictures are
    divided among the GPUs; what evaluators compute besides, such as the features of pictures, is not counted.
    """
    train, found, whole = config.train, [], 0.0
    row = traced.forward_flops / train.batch
    for each in train.evaluators:
        every = each.every or train.eval_every
        if not every or (each.name in NEED_DATA and not each.data):
            continue
        seconds = count_passes(each) * row / speed / train.processes
        whole += seconds * -(-train.steps // every)
        note = f"every {every:,} steps; a pass takes as long as the forward pass of a training row"
        found.append(Estimate("evaluation", each.name, seconds, "s", "formula", note))
    if found:
        found.append(Estimate("evaluation", "days", whole / 86400, "days", "formula", "in the whole run"))
        found.append(Estimate("evaluation", "share", whole / training, "", "formula", "of the training time"))
    return found


def count_passes(options: EvaluatorConfig) -> float:
    """Return how many passes of the model an evaluation takes, for pictures that are painted or embedded."""
    painted: float = PAINTED.get(options.name, 0)
    if options.pictures and options.name in TAKE_PICTURES:
        painted = options.pictures * TAKE_PICTURES[options.name]
    guided = GUIDED if options.guidance != 1 else 1.0
    return painted * (2 * options.steps - 1) * guided + (
        READ.get(options.name, READ_OTHERWISE) if options.data else READ_OTHERWISE
    )
