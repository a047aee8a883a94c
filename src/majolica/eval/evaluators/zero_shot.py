"""Zero-shot classification: unseen pictures are named by comparing embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.eval.labelled.embed import embed_classes
from majolica.eval.labelled.mentions import find_mentions
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result, Table, share_error
from majolica.eval.recolour import to_grey, turn_hues
from majolica.html.matrices import confusion_heat
from majolica.metrics.intervals import wilson_interval
from majolica.plurals import counted
from majolica.text.template_sets import DEFAULT, TemplateSet, hash_texts


def image_embeddings(pipeline: PipelineLike, images_B3HW: Tensor, chunk: int = 128) -> Tensor:
    """Compute embeddings `(B, E)` of unit length of uint8 pictures, in chunks."""
    starts = range(0, len(images_B3HW), chunk)
    pieces = [pipeline.embed_images(images_B3HW[start : start + chunk]).float().cpu() for start in starts]
    return F.normalize(torch.cat(pieces), dim=-1)


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
        answers = ranked_BK[:, 0].tolist()
        metrics = {
            "zero_shot_top1": share_right(ranked_BK, shown),
            "zero_shot_top5": share_right(ranked_BK, shown, among=5),
            "zero_shot_grey": share_right(rank_names(pipeline, to_grey(images_B3HW), classes_KE), shown),
            "zero_shot_hue": share_right(rank_names(pipeline, turn_hues(images_B3HW), classes_KE), shown),
            "chance": sum(map(len, shown)) / (len(shown) * len(names)),
            "zero_shot_pictures": float(len(shown)),
        }
        confusion = confusion_matrix(shown, len(names), answers)
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
        parts: tuple[Figure | Table, ...] = (*_heat(confusion, names), *_tables(confusion, names))
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


def confusion_matrix(shown: Sequence[set[int]], classes: int, answers: Sequence[int]) -> Tensor:
    """Count the answers, `(K, K)`: the row is what a picture shows, the column is the answer.

    A picture of two things counts in the row of the one that was named, or of the first if neither
    was.
    """
    counts_KK = torch.zeros(classes, classes, dtype=torch.int64)
    for things, answer in zip(shown, answers, strict=True):
        counts_KK[answer if answer in things else min(things), answer] += 1
    return counts_KK


def _heat(confusion_KK: Tensor, names: Sequence[str]) -> tuple[Figure, ...]:
    if len(names) > 64:  # a larger matrix cannot be read
        return ()
    note = "The row is what a picture shows, the column what the model said. Point at a cell to see its count."
    return (Figure("Confusions", confusion_heat(confusion_KK.tolist(), names), note),)


def _tables(confusion_KK: Tensor, names: Sequence[str], most: int = 10) -> tuple[Table, ...]:
    """Make a table of the names that are recognised least often, and of what they are taken for."""
    rows = []
    for i, name in enumerate(names):
        total, right = int(confusion_KK[i].sum()), int(confusion_KK[i, i])
        if total > right:
            wrong = confusion_KK[i].clone()
            wrong[i] = 0
            rows.append((right / total, name, f"{right} of {total}", describe_mistakes(wrong, names)))
    rows.sort()
    if not rows:
        return ()
    cells = [[name, f"{share:.0%}", count, taken] for share, name, count, taken in rows[:most]]
    return (Table("Hardest to recognise", ("shown", "right", "pictures", "taken for"), cells),)


def describe_mistakes(wrong_K: Tensor, names: Sequence[str], most: int = 3) -> str:
    """Describe the most frequent wrong answers in words, such as "fox 3, panda 1"."""
    order = wrong_K.argsort(descending=True, stable=True)[:most].tolist()
    return ", ".join(f"{names[i]} {int(wrong_K[i])}" for i in order if wrong_K[i] > 0) or "–"
