"""A linear probe and nearest neighbours on frozen embeddings of labelled pictures.

Shapes: N pictures, E numbers of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from majolica.callbacks import ReportProgress, ignore_progress
from majolica.errors import UserError
from majolica.eval.evaluators.labelled_zero_shot import explain_one_class
from majolica.eval.labelled.embed import embed_labelled
from majolica.eval.labelled.logistic import TOLERANCE, fit_probe
from majolica.eval.labelled.nearest import vote_of_nearest
from majolica.eval.labelled.pictures import LabelledPictures, Skipped, describe_skipped
from majolica.eval.labelled.scores import mean_recall, mean_recall_interval
from majolica.eval.labelled.splitting import split_by_class
from majolica.eval.protocol import EvalData, PipelineLike, Result, Table
from majolica.metrics.intervals import wilson_interval
from majolica.plurals import counted


@dataclass(frozen=True)
class Probes:
    """The share of test pictures that a linear probe, and the nearest training pictures, name right.

    Both see nothing but the embeddings of training pictures and their labels. The test pictures are a share of every
    class, drawn with `seed`; the training pictures are the others.
    """

    pictures: LabelledPictures
    share: float = 0.2
    neighbours: tuple[int, ...] = (1, 5, 20)
    seed: int = 0
    batch: int = 64
    progress: ReportProgress = ignore_progress
    name: str = "probe"

    def count_paintings(self, data: EvalData) -> float:
        """Return 0, because nothing is painted."""
        return 0

    def explain_lack(self, data: EvalData) -> str:
        """Return that there is only one class, if so."""
        return explain_one_class(self.pictures)

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        parts = self._embed(pipeline)
        train_NE, labels_N = parts.train_NE, parts.train_labels_N
        classes, tested = len(self.pictures.names), parts.test_labels_N
        probe = fit_probe(train_NE, labels_N, classes, seed=self.seed)
        answers = {"linear_probe": probe.logits(parts.test_NE).argmax(1)}
        votes = vote_of_nearest(train_NE, labels_N, parts.test_NE, classes, self.neighbours)
        answers |= {f"knn_{k}": answer_N for k, answer_N in votes.items()}
        metrics: dict[str, float] = {}
        intervals: dict[str, tuple[float, float]] = {}
        rows = []
        for name, answer_N in answers.items():
            share = float((answer_N == tested).double().mean())
            recall, name_of_recall = mean_recall(answer_N, tested, classes), f"{name}_mean_per_class_recall"
            metrics |= {name: share, name_of_recall: recall}
            intervals[name] = wilson_interval(share, len(tested))
            intervals[name_of_recall] = mean_recall_interval(answer_N, tested, classes)
            low, high = intervals[name]
            rows.append([_spell(name), f"{share:.1%}", f"{low:.1%} to {high:.1%}", f"{recall:.1%}"])
        metrics["linear_probe_penalty"] = probe.penalty
        table = Table("Share right", ("classifier", "top-1", "95 % interval", "mean recall of classes"), rows)
        note = _note(self, parts, metrics, probe.regression.gradient)
        return Result("Linear probe and nearest neighbours", metrics, (table,), note, parts.record, intervals)

    def _embed(self, pipeline: PipelineLike) -> _Parts:
        images_NE, reading = embed_labelled(pipeline, self.pictures, self.batch, self.progress)
        labels_N = reading.labels_N
        train, test = split_by_class(labels_N, self.share, self.seed)
        if not len(test):
            raise UserError(f"every class in {self.pictures.source} has a single picture: give two or more")
        known = {reading.digests[i] for i in train.tolist()}
        shared = sum(reading.digests[i] in known for i in test.tolist())
        record = {f"train_{name}": value for name, value in reading.record(self.pictures).items()}
        record |= {"seed": self.seed, "test_share": self.share}
        return _Parts(
            images_NE[train], labels_N[train], images_NE[test], labels_N[test], record, shared, reading.skipped
        )


@dataclass(frozen=True)
class _Parts:
    """Embeddings and labels of what is learned from, and of what is tested on."""

    train_NE: Tensor
    train_labels_N: Tensor
    test_NE: Tensor
    test_labels_N: Tensor
    record: dict[str, Any]
    shared: int
    """Test pictures whose files are training pictures too."""
    skipped: tuple[Skipped, ...]


def _spell(name: str) -> str:
    return "linear probe" if name == "linear_probe" else f"{name.removeprefix('knn_')} nearest"


def _note(probes: Probes, parts: _Parts, metrics: dict[str, float], gradient: float) -> str:
    sentences = [
        f"On frozen embeddings of {counted(len(parts.train_NE), 'training picture')} of"
        f" {len(probes.pictures.names):,} classes, a logistic regression names"
        f" {metrics['linear_probe']:.1%} of {counted(len(parts.test_NE), 'test picture')} right. Its penalty"
        f" ({metrics['linear_probe_penalty']:g}) was chosen on a part of the training pictures."
    ]
    if gradient > TOLERANCE:
        sentences.append(f"The regression is not at its optimum: its largest derivative is {gradient:.1g}.")
    if parts.shared:
        sentences.append(f"{counted(parts.shared, 'test picture')} can also be found among the training pictures.")
    if skipped := describe_skipped(parts.skipped):
        sentences.append(f"{skipped}.")
    return " ".join(sentences)
