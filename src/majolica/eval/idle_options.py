"""Options of an evaluation that would count for nothing, because none of the chosen evaluators reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from majolica.config.evaluation import EvaluatorConfig
from majolica.errors import UserError
from majolica.eval.distances.describe import PERCEPTION

CHOICES = {
    "data": "data",
    "labels": "labels",
    "templates": "templates",
    "first_synonym": "first synonyms",
    "extractor": "extractor",
    "weights": "weights of an extractor",
    "resize": "way of resizing",
    "size": "size",
    "split": "split",
    "ids": "list of captions",
}
"""Options that some evaluators read, and what a message calls them. To give one to evaluators that do not is a
mistake."""
SETTINGS = {
    "pictures": "number of pictures",
    "steps": "number of steps",
    "guidance": "guidance",
    "churn": "churn",
    "seed": "seed",
}
"""Further ones, on what is painted. `majolica eval` refuses them as it refuses `CHOICES`. The configuration of a
training run may give them to evaluators that do not read them, and a line says so."""


def find_idle(kinds: Mapping[str, str], options: EvaluatorConfig, read: Collection[str]) -> dict[str, str]:
    """Return those of `CHOICES` or `SETTINGS` that the options give and that are not among those that are `read`."""
    return {
        kind: noun
        for kind, noun in kinds.items()
        if getattr(options, kind) != getattr(EvaluatorConfig, kind) and kind not in read
    }


def check_extractor(options: EvaluatorConfig, readers: Collection[str]) -> None:
    """Raise UserError for options of an extractor that is not used, and for first synonyms of labels not given.

    `readers` are the evaluators that read which extractor is to be used.
    """
    if options.first_synonym and not options.labels:
        raise UserError("first synonyms are those of a file of labels, and none is given: name one, or leave them out")
    used = {options.extractor or ("inception" if name == "coco" else PERCEPTION) for name in readers}
    if options.weights and used == {PERCEPTION}:
        raise UserError("the given weights are of an extractor, and none is used: name it too")
    if options.resize != EvaluatorConfig.resize and "inception" not in used:
        raise UserError("the given way of resizing is for inception, and that is not used: name it as the extractor")
