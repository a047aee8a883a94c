"""Builds the evaluators that take data, files or extractors from the options."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from majolica.errors import UserError
from majolica.eval.coco.plan import plan_coco
from majolica.eval.coco.references import reference_folder
from majolica.eval.context import Context
from majolica.eval.distances.describe import PERCEPTION
from majolica.eval.embedders import open_clip_embedder
from majolica.eval.evaluators.coco import CocoDistance
from majolica.eval.evaluators.distances import OwnDistances
from majolica.eval.evaluators.early_sight import EarlySight
from majolica.eval.evaluators.guidance import GuidanceSweep
from majolica.eval.evaluators.image_text import ImageText
from majolica.eval.evaluators.labelled_zero_shot import LabelledZeroShot
from majolica.eval.evaluators.probe import Probes
from majolica.eval.evaluators.retrieval import Retrieval, load_captioned
from majolica.eval.evaluators.zero_shot import ZeroShot
from majolica.eval.labelled.class_list import ClassList, read_class_list
from majolica.eval.labelled.clip_benchmark import BenchmarkedModel
from majolica.eval.labelled.pictures import LabelledPictures
from majolica.eval.labelled.source import open_labelled
from majolica.eval.protocol import EvalData, Evaluator, PipelineLike, Result
from majolica.text.template_sets import DEFAULT, TemplateSet, find_templates

FEW = 256
"""Captions that a sweep paints at each value, if the options do not say."""


@dataclass(frozen=True)
class Missing:
    """Stands for an evaluator whose data the options do not name."""

    name: str
    reason: str

    def count_paintings(self, data: EvalData) -> float:
        """Return 0, because it paints nothing."""
        return 0

    def explain_lack(self, data: EvalData) -> str:
        """Return what is missing."""
        return self.reason

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        raise AssertionError(self.reason)


def build_zero_shot(context: Context) -> Evaluator:
    """Build zero-shot classification: of the labelled pictures that the options name, or of held-out ones."""
    if context.data is None:
        labels = _read_labels(context)
        return ZeroShot(labels.names if labels else (), _find_templates(context))
    return LabelledZeroShot(
        _open_labelled(context),
        _find_templates(context),
        progress=context.progress,
        model=_name_model(context),
    )


def build_early_sight(context: Context) -> Evaluator:
    """Build zero-shot classification of noisy pictures, of the same pictures as `build_zero_shot`."""
    if context.options.labels and not context.data:
        raise UserError("early-sight reads the labels of given pictures: name these too, with --data")
    pictures = _open_labelled(context) if context.data else None
    return EarlySight(pictures, templates=_find_templates(context), progress=context.progress)


def build_retrieval(context: Context) -> Evaluator:
    """Build image-text retrieval: over the shards that the options name, or over held-out pictures."""
    if context.data is None:
        return Retrieval(fit=context.fit)
    limit = context.options.pictures or None
    split = load_captioned(context.data, context.base, context.fit, limit)
    return Retrieval(split, fit=context.fit, source=str(context.data), model=_name_model(context))


def _name_model(context: Context) -> BenchmarkedModel:
    return BenchmarkedModel(f"majolica-{context.config.recipe}", context.weights, context.folder)


def build_image_text(context: Context) -> Evaluator:
    """Build the similarity of pictures and captions, also by the model of open_clip that the options name."""
    options = context.options
    if options.extractor in ("", PERCEPTION):
        return ImageText(context.painted)
    if not options.weights:
        return Missing(
            "image-text", f"The weights of open_clip's {options.extractor} are needed: name them by --weights."
        )
    return ImageText(context.painted, (partial(open_clip_embedder, options.extractor, Path(options.weights)),))


def build_probe(context: Context) -> Evaluator:
    """Build the linear probe and k-NN on labelled pictures, of which a part is the test set."""
    if context.data is None:
        return Missing("probe", "Labelled pictures are needed: name them with --data.")
    return Probes(_open_labelled(context), progress=context.progress)


def build_distances(context: Context) -> Evaluator:
    """Build the distances to real pictures: held-out ones, or those that the options name."""
    return OwnDistances(
        context.open_extractor(),
        context.weights,
        context.base,
        context.largest,
        context.data,
        context.fit,
        context.painted.pictures,
        brush=context.brush,
        cache=context.cache,
    )


def build_guidance(context: Context) -> Evaluator:
    """Build the sweep over guidance weights."""
    pictures = context.options.pictures or FEW
    return GuidanceSweep(
        context.open_extractor(),
        context.weights,
        context.base,
        pictures=pictures,
        brush=context.brush,
        cache=context.cache,
    )


def build_coco(context: Context) -> Evaluator:
    """Build FID on MS-COCO. The number of pictures in the options is that of a quick look: see `plan_coco`."""
    options, folder = context.options, context.data
    if folder is None:
        return Missing("coco", "The folder of MS-COCO is needed: name it with --coco, or as `data` of the evaluator.")
    if options.extractor == PERCEPTION:
        return Missing("coco", "Its extractor cannot be the model itself: name inception, dinov2 or clip.")
    ids = Path(options.ids) if options.ids else None
    plan = plan_coco(folder, options.split, options.pictures or None, options.seed, ids=ids)
    return CocoDistance(
        plan,
        context.open_extractor("inception"),
        context.weights,
        context.base,
        reference_folder(folder, (context.folder or folder) / "references"),
        context.cache,
        context.folder,
        options.size or None,
        context.brush,
        progress=context.progress,
    )


def _open_labelled(context: Context) -> LabelledPictures:
    assert context.data
    return open_labelled(context.data, _read_labels(context), context.base, context.fit)


def _read_labels(context: Context) -> ClassList | None:
    options = context.options
    return read_class_list(Path(options.labels), options.first_synonym) if options.labels else None


def _find_templates(context: Context) -> TemplateSet:
    return find_templates(context.options.templates) if context.options.templates else DEFAULT
