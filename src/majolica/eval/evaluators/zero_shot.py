"""Zero-shot classification: unseen pictures are named by comparing embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from majolica.eval.embedders import image_embeddings
from majolica.eval.labelled.confusions import confusion_parts, hardest_classes
from majolica.eval.labelled.embed import embed_classes
from majolica.eval.labelled.mentions import find_mentions
from majolica.eval.labelled.scores import confusion_counts
from majolica.eval.protocol import EvalData, PipelineLike, Result, share_error
from majolica.eval.recolour import to_grey, turn_hues
from majolica.metrics.intervals import wilson_interval
from majolica.plurals import counted
from majolica.text.template_sets import DEFAULT, TemplateSet, hash_texts


@dataclass(frozen=True)
class ZeroShot:
    """The share of held-out pictures whose most similar name is right.

    Names, and what a picture shows, are those of the data; or else the names are labels, and a picture shows those that
    its caption mentions. A picture of two things counts as right if either is named; `chance` takes that into account.
    """

    labels: tuple[str, ...] = ()
    """Labels in place of the names of the data."""
    templates: TemplateSet = DEFAULT
    name: str = "zero-shot"

    def count_paintings(self, data: EvalData) -> float:
        """Return 0, because nothing is painted."""
        return 0

    def explain_lack(self, data: EvalData) -> str:
        """Return what it needs and the data lack."""
        if not self.labels:
            return data.explain_no_names()
        return "" if any(self._things(data)) else "No caption of the held-out pictures mentions any of the labels."

    def _things(self, data: EvalData) -> list[set[int]]:
        """Return, for each held-out picture, the places of the names of what it shows."""
        if self.labels:
            return [find_mentions(caption, self.labels) for caption in data.heldout.captions]
        index = {name: i for i, name in enumerate(data.names)}
        return [{index[name] for name in data.heldout.shown(i) if name in index} for i in range(len(data.heldout))]

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        names, things = self.labels or data.names, self._things(data)
        known = [i for i, some in enumerate(things) if some]
        shown = [things[i] for i in known]
        images_B3HW = data.heldout.images_B3HW[known]
        classes_KE, templates = embed_classes(pipeline, names, self.templates)
        ranked_BK = rank_names(pipeline, images_B3HW, classes_KE)
        answers_B = ranked_BK[:, 0]
        metrics = {
            "zero_shot_top1": share_right(ranked_BK, shown),
            "zero_shot_top5": share_right(ranked_BK, shown, among=5),
            "zero_shot_grey": share_right(rank_names(pipeline, to_grey(images_B3HW), classes_KE), shown),
            "zero_shot_hue": share_right(rank_names(pipeline, turn_hues(images_B3HW), classes_KE), shown),
            "chance": sum(map(len, shown)) / (len(shown) * len(names)),
            "zero_shot_pictures": float(len(shown)),
        }
        confusion_KK = confusion_counts(answers_B, attribute_answers(shown, answers_B), len(names))
        what = "picture of training" if data.trained_on else "unseen rendering" if data.drawn else "held-out picture"
        many = "pictures of training" if data.trained_on else ""
        note = (
            f"Each of {counted(len(shown), what, many)} gets the name whose text embedding is most similar, out"
            f" of {len(names)} (each is the mean over {counted(templates['templates_used'], 'sentence')})."
            f" {metrics['zero_shot_top1']:.1%} are right, ± {share_error(metrics['zero_shot_top1'], len(shown)):.1%};"
            f" chance is {metrics['chance']:.1%}. Of the same pictures in grey {metrics['zero_shot_grey']:.1%} are"
            f" right, and with their hue turned by a third of a circle or two {metrics['zero_shot_hue']:.1%}: a model"
            " that knows things by their shape loses little."
        )
        parts = (*confusion_parts(confusion_KK, names), *hardest_classes(confusion_KK, names))
        shares = ("zero_shot_top1", "zero_shot_top5", "zero_shot_grey", "zero_shot_hue")
        intervals = {name: wilson_interval(metrics[name], len(shown)) for name in shares}
        protocol = {**data.record, "pictures": len(shown), "names_sha256": hash_texts(list(names))}
        protocol |= templates
        return Result("Zero-shot classification", metrics, parts, note, protocol, intervals)


def rank_names(pipeline: PipelineLike, images_B3HW: Tensor, classes_KE: Tensor) -> Tensor:
    """Rank the names by their similarity to each uint8 picture; returns their indices `(B, K)`."""
    return (image_embeddings(pipeline, images_B3HW) @ classes_KE.T).argsort(1, descending=True)


def share_right(ranked_BK: Tensor, shown: Sequence[set[int]], among: int = 1) -> float:
    """Return the share of pictures that show one of their first `among` names."""
    right = [not things.isdisjoint(row) for row, things in zip(ranked_BK[:, :among].tolist(), shown, strict=True)]
    return sum(right) / len(right)


def attribute_answers(shown: Sequence[set[int]], answers_B: Tensor) -> Tensor:
    """Return the thing of each picture that its answer is counted for, int64 `(B,)`.

    Of a picture of two things it is the one that was named, or the first if neither was.
    """
    pairs = zip(shown, answers_B.tolist(), strict=True)
    return torch.tensor([answer if answer in things else min(things) for things, answer in pairs])
