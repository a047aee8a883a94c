"""Zero-shot classification: name unseen pictures by comparing embeddings of pictures and of prompts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.errors import Notice, UserError
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result, Split, Table, share_error
from majolica.html.matrices import confusion_heat


def class_embeddings(pipeline: PipelineLike, names: Sequence[str]) -> Tensor:
    """One unit-length text embedding per name, `(K, E)`, as `classify` takes them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)  # nobody wrote these sentences, so nobody can write them better
        return pipeline.embed_labels(names).float().cpu()


def image_embeddings(pipeline: PipelineLike, images_B3HW: Tensor, chunk: int = 128) -> Tensor:
    """Unit-length embeddings `(B, E)` of uint8 pictures, `chunk` at a time."""
    starts = range(0, len(images_B3HW), chunk)
    pieces = [pipeline.embed_images(images_B3HW[start : start + chunk]).float().cpu() for start in starts]
    return F.normalize(torch.cat(pieces), dim=-1)


@dataclass(frozen=True)
class ZeroShot:
    """Top-1 over all names on held-out renderings.

    A picture of two things counts as right when either is named; `chance` allows for that.
    """

    name: str = "zero-shot"

    def paintings(self, data: EvalData) -> float:
        """It paints nothing."""
        return 0

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        if not len(data.heldout):
            raise UserError("there are no held-out pictures to classify: make the data with --heldout above 0")
        index = {name: i for i, name in enumerate(data.names)}
        shown = [{index[name] for name in data.heldout.shown(i)} for i in range(len(data.heldout))]
        classes_KE = class_embeddings(pipeline, data.names)
        similarity_BK = image_embeddings(pipeline, data.heldout.images_B3HW) @ classes_KE.T
        ranked_BK = similarity_BK.argsort(1, descending=True)
        answers = ranked_BK[:, 0].tolist()
        right = [answer in things for answer, things in zip(answers, shown, strict=True)]
        top5 = [not things.isdisjoint(row) for row, things in zip(ranked_BK[:, :5].tolist(), shown, strict=True)]
        metrics = {
            "zero_shot_top1": sum(right) / len(right),
            "zero_shot_top5": sum(top5) / len(top5),
            "chance": sum(map(len, shown)) / (len(shown) * len(data.names)),
            "zero_shot_pictures": float(len(right)),
        }
        confusion = confusion_matrix(data.heldout, data.names, answers)
        note = (
            f"{len(right)} unseen renderings, each named by the nearest of {len(data.names)} text embeddings"
            f" (the sentences of `classify`, averaged): {metrics['zero_shot_top1']:.1%} right,"
            f" ± {share_error(metrics['zero_shot_top1'], len(right)):.1%}; chance is {metrics['chance']:.1%}."
        )
        parts: tuple[Figure | Table, ...] = (*_heat(confusion, data.names), *_tables(confusion, data.names))
        return Result("Zero-shot classification", metrics, parts, note)


def confusion_matrix(split: Split, names: Sequence[str], answers: Sequence[int]) -> Tensor:
    """Counts `(K, K)`: row what is shown, column what was answered.

    A picture of two things counts in the row of the one that was named, or of the first if neither was.
    """
    index = {name: i for i, name in enumerate(names)}
    counts_KK = torch.zeros(len(names), len(names), dtype=torch.int64)
    for i, answer in enumerate(answers):
        shown = [index[name] for name in split.shown(i)]
        counts_KK[answer if answer in shown else shown[0], answer] += 1
    return counts_KK


def _heat(confusion_KK: Tensor, names: Sequence[str]) -> tuple[Figure, ...]:
    if len(names) > 64:  # no one can read a larger one
        return ()
    note = "Row: what is shown. Column: what the model said. Point at a cell for its count."
    return (Figure("Confusions", confusion_heat(confusion_KK.tolist(), names), note),)


def _tables(confusion_KK: Tensor, names: Sequence[str], most: int = 10) -> tuple[Table, ...]:
    """Names that are recognised least, with what they are taken for."""
    rows = []
    for i, name in enumerate(names):
        total, right = int(confusion_KK[i].sum()), int(confusion_KK[i, i])
        if total > right:
            wrong = confusion_KK[i].clone()
            wrong[i] = 0
            rows.append((right / total, name, f"{right} of {total}", mistaken_for(wrong, names)))
    rows.sort()
    if not rows:
        return ()
    cells = [[name, f"{share:.0%}", count, taken] for share, name, count, taken in rows[:most]]
    return (Table("Hardest to recognise", ("shown", "right", "pictures", "taken for"), cells),)


def mistaken_for(wrong_K: Tensor, names: Sequence[str], most: int = 3) -> str:
    """The likeliest wrong answers in words, such as "fox 3, panda 1"."""
    order = wrong_K.argsort(descending=True, stable=True)[:most].tolist()
    return ", ".join(f"{names[i]} {int(wrong_K[i])}" for i in order if wrong_K[i] > 0) or "–"
