"""All evaluators by name, and the suites that are made of them.

A new evaluator needs a file in `eval/evaluators/` and a line in `EVALUATORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from majolica.config.evaluation import EvaluatorConfig
from majolica.errors import UserError, unknown_name
from majolica.eval import builders
from majolica.eval.context import Context
from majolica.eval.evaluators.compositions import Compositions
from majolica.eval.evaluators.control import Control
from majolica.eval.evaluators.control_limits import ControlLimits
from majolica.eval.evaluators.control_weights import ControlWeights
from majolica.eval.evaluators.detail import Detail
from majolica.eval.evaluators.fidelity import Fidelity
from majolica.eval.evaluators.gallery import Gallery
from majolica.eval.evaluators.grounds import GroundColours
from majolica.eval.evaluators.heldout_loss import HeldOutLoss
from majolica.eval.evaluators.likeness import Likeness
from majolica.eval.evaluators.memorisation import Memorisation
from majolica.eval.evaluators.palettes import PaletteControl
from majolica.eval.idle_options import CHOICES, SETTINGS, check_extractor, find_idle
from majolica.eval.protocol import EvalData, Evaluator, same_metrics_error


@dataclass(frozen=True)
class Entry:
    """How an evaluator is built, and what it says."""

    about: str
    build: Callable[[Context], Evaluator]
    judged: bool = False
    """Whether it asks the judges of drawings."""
    reads: tuple[str, ...] = ()
    """Which of the options (`majolica.eval.idle_options`) it reads."""
    reads_of_data: tuple[str, ...] = ()
    """Which further ones it reads of pictures that the options name."""
    family: str = ""
    """The family of its metrics: two evaluators of one family write metrics of the same names."""


BRUSH = ("steps", "guidance", "churn", "seed")
PAINTED = ("pictures", *BRUSH)
LABELLED = ("data", "labels", "templates", "first_synonym")
DISTANCES = ("extractor", "weights", "resize")
"""What evaluators read that paint, that paint as many pictures as are asked for, that name labelled pictures, and that
compare features of an extractor."""

EVALUATORS: dict[str, Entry] = {
    "gallery": Entry(
        "pictures of held-out captions, at several sizes",
        lambda c: Gallery(c.base, c.largest, brush=c.brush),
        reads=BRUSH,
    ),
    "control-brief": Entry(
        "whether pictures have the properties that were asked for",
        lambda c: Control(c.quick_properties, brush=c.brush, name="control-brief"),
        reads=BRUSH,
        family="control",
    ),
    "control-deep": Entry(
        "the same with more prompts, seeds and values",
        lambda c: Control(c.measured, prompts=16, seeds=2, values=9, brush=c.brush, name="control-deep"),
        reads=BRUSH,
        family="control",
    ),
    "control-plain": Entry(
        "control by the model alone, without projection and calibration",
        lambda c: Control(c.measured, brush=c.brush, plain=True, name="control-plain"),
        reads=BRUSH,
    ),
    "control-held": Entry(
        "control where all other properties are held",
        lambda c: Control(c.measured, values=4, brush=replace(c.brush, hold=True), name="control-held"),
        reads=BRUSH,
    ),
    "control-weights": Entry(
        "control and cross-talk by the weight of properties",
        lambda c: ControlWeights(c.measured, brush=c.brush),
        reads=BRUSH,
    ),
    "control-limits": Entry(
        "what properties cost, and who wins if caption and property disagree",
        lambda c: ControlLimits(c.measured, c.judges.panel, brush=c.brush),
        judged=True,
        reads=BRUSH,
    ),
    "palettes": Entry(
        "whether pictures are made of the colours that were asked for",
        lambda c: PaletteControl(brush=c.brush),
        reads=BRUSH,
    ),
    "zero-shot": Entry(
        "naming unseen or given pictures (--data, --labels-file)",
        builders.build_zero_shot,
        reads=LABELLED,
    ),
    "early-sight": Entry(
        "naming noisy pictures: how early it sees what it paints",
        builders.build_early_sight,
        reads=LABELLED,
    ),
    "retrieval": Entry(
        "finding the caption of a picture, and the picture of a caption",
        builders.build_retrieval,
        reads=("data",),
        reads_of_data=("pictures",),
    ),
    "probe": Entry(
        "a linear probe and nearest neighbours on its embeddings (--data)",
        builders.build_probe,
        reads=("data", "labels", "first_synonym"),
    ),
    "fidelity": Entry(
        "whether two judges see in pictures what the caption names",
        lambda c: Fidelity(c.judges.panel, c.painted),
        judged=True,
        reads=PAINTED,
    ),
    "compositions": Entry(
        "things, backgrounds, pairs, counts and places, judged by rules",
        lambda c: Compositions(c.judges.panel, c.measured, brush=c.brush),
        judged=True,
        reads=BRUSH,
    ),
    "image-text": Entry(
        "similarity of pictures and captions, also by open_clip (--extractor)",
        builders.build_image_text,
        reads=(*PAINTED, "extractor", "weights"),
    ),
    "likeness": Entry(
        "the Frechet distance to real drawings, on the features of a judge",
        lambda c: Likeness(c.judges.features, c.painted, c.config.model.patch),
        judged=True,
        reads=PAINTED,
    ),
    "grounds": Entry(
        "whether backgrounds have the colours that captions name",
        lambda c: GroundColours(c.painted),
        reads=PAINTED,
    ),
    "distances": Entry(
        "Frechet, kernel and sliced distances, precision and recall (--extractor, --data)",
        builders.build_distances,
        reads=("data", *DISTANCES, *PAINTED),
    ),
    "guidance": Entry(
        "distance and image-text score by guidance weight",
        builders.build_guidance,
        reads=(*DISTANCES, "pictures", "steps", "churn", "seed"),
    ),
    "coco": Entry(
        "FID on MS-COCO (majolica eval coco)",
        builders.build_coco,
        reads=("data", *DISTANCES, *PAINTED, "size", "split", "ids"),
    ),
    "memorisation": Entry(
        "how near pictures are to training pictures",
        lambda c: Memorisation(c.config, c.painted),
        reads=PAINTED,
    ),
    "heldout-loss": Entry("losses of held-out and of training pictures", lambda c: HeldOutLoss()),
    "detail": Entry(
        "what larger pictures have beyond their base pictures",
        lambda c: Detail(
            c.base,
            c.largest // c.base,
            c.config.model.patch,
            c.options.pictures or min(c.painted.pictures, Detail.pictures),
            brush=c.brush,
        ),
        reads=PAINTED,
    ),
}
"""In the order of the report."""

SUITES: dict[str, tuple[str, ...]] = {
    "drawings": ("gallery", "control-brief", "zero-shot", "fidelity", "likeness", "grounds", "detail"),
    "captions": ("gallery", "control-brief", "zero-shot", "retrieval", "image-text", "distances", "heldout-loss"),
    "control": ("control-deep", "control-plain", "control-held", "control-weights", "control-limits", "palettes"),
    "everything": tuple(
        name
        for name in EVALUATORS
        if name not in ("control-deep", "control-plain", "control-held", "control-weights", "coco", "probe")
    ),
}
"""Suites by name. The first two are what a run gets if no other is named: `drawings` if it was trained on those of
`majolica data openmoji`, and `captions` on anyone's own pictures."""


def choose_evaluators(names: Sequence[str], data: EvalData | None) -> list[str]:
    """Return the names of the evaluators of some suites and evaluators, each once.

    Without names they are those of the suite that suits the data. Raises UserError for a name that is neither.
    """
    chosen: list[str] = []
    for name in names or (("drawings",) if data and data.drawn else ("captions",)):
        if name not in SUITES and name not in EVALUATORS:
            raise unknown_name("suite or evaluator", name, [*SUITES, *EVALUATORS])
        chosen += SUITES.get(name, (name,))
    return list(dict.fromkeys(chosen))


def build_evaluators(names: Sequence[str], context: Context) -> dict[str, Evaluator]:
    """Build evaluators, by name.

    Raises UserError if the options name data or files that cannot be used, or something that none of them reads, and
    if two of them write the same metrics.
    """
    options, chosen = context.options, ", ".join(names)
    for choice, noun in find_idle(CHOICES, options, list_read(names, options)).items():
        readers = ", ".join(name for name, entry in EVALUATORS.items() if choice in entry.reads)
        raise UserError(f"{chosen} would not use the given {noun}: {readers} would")
    check_extractor(options, [name for name in names if "extractor" in EVALUATORS[name].reads])
    if options.data:
        blind = [name for name in names if "data" not in EVALUATORS[name].reads]
        if blind:
            raise UserError(f"{', '.join(blind)} would not look at {options.data}: evaluate without that data")
    _check_families(names)
    return {name: EVALUATORS[name].build(context) for name in names}


def list_read(names: Sequence[str], options: EvaluatorConfig) -> set[str]:
    """Return which options at least one of the evaluators reads."""
    entries = [EVALUATORS[name] for name in names]
    read = {option for entry in entries for option in entry.reads}
    return read | {option for entry in entries for option in entry.reads_of_data if options.data}


def check_settings(names: Sequence[str], options: EvaluatorConfig) -> None:
    """Raise UserError if the options give one of `SETTINGS` that none of the evaluators reads."""
    if idle := list(find_idle(SETTINGS, options, list_read(names, options)).values()):
        raise UserError(f"{', '.join(names)} would not use the given {idle[0]}: leave it out")


def _check_families(names: Sequence[str]) -> None:
    for first, second in combinations(names, 2):
        if EVALUATORS[first].family and EVALUATORS[first].family == EVALUATORS[second].family:
            raise same_metrics_error(first, second)


def describe_evaluators() -> str:
    """Return a list of all evaluators and suites, for a terminal."""
    width = max(map(len, (*EVALUATORS, *SUITES))) + 2
    lines = [f"  {name:{width}}{entry.about}" for name, entry in EVALUATORS.items()]
    suites = [f"  {name:{width}}{', '.join(parts)}" for name, parts in SUITES.items()]
    return "\n".join(["evaluators", *lines, "suites", *suites])
