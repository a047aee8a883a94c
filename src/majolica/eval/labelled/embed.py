"""Embeds labelled pictures and the names of their classes, once, in batches.

Shapes: N pictures, E numbers of an embedding, K classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.callbacks import ReportProgress, ignore_progress
from majolica.errors import Notice
from majolica.eval.labelled.pictures import LabelledBatch, LabelledPictures, Skipped, hash_pictures
from majolica.eval.protocol import PipelineLike
from majolica.text.template_sets import TemplateSet, hash_texts


@dataclass(frozen=True)
class Reading:
    """What was read of a set of pictures, for the protocol of a result."""

    labels_N: Tensor
    """The classes of the pictures that could be read, int64."""
    skipped: tuple[Skipped, ...]
    sha256: str
    """As `hash_pictures` makes it of the pictures that could be read."""
    digests: tuple[str, ...]
    """SHA-256 of the file of each picture that could be read."""

    def record(self, pictures: LabelledPictures) -> dict[str, Any]:
        """Return all of the pictures on which a result depends."""
        return {
            "pictures": len(self.labels_N),
            "pictures_sha256": self.sha256,
            "classes": len(pictures.names),
            "classes_sha256": pictures.classes.hash,
            "fit": pictures.fit,
        }


def map_batches(
    pictures: LabelledPictures,
    work: Callable[[LabelledBatch], Sequence[Tensor]],
    batch: int,
    progress: ReportProgress = ignore_progress,
) -> tuple[list[Tensor], Reading]:
    """Read all pictures, and return what `work` makes of them, concatenated along the first axis of each tensor.

    `work` gets batches of uint8 pictures that could be read. Raises UserError if not one of them can.
    """
    parts: list[Sequence[Tensor]] = []
    numbers: list[int] = []
    rows: list[tuple[str, str, str]] = []
    skipped = [*pictures.skipped]
    for done in _count(pictures.read(batch), len(pictures), progress):
        skipped += done.skipped
        if done.numbers:
            parts.append(work(done))
            numbers += done.numbers
            rows += [
                (pictures.ids[i], pictures.names[pictures.labels[i]], digest)
                for i, digest in zip(done.numbers, done.digests, strict=True)
            ]
    labels_N = torch.tensor([pictures.labels[i] for i in numbers])
    results = [torch.cat(list(some)) for some in zip(*parts, strict=True)]
    return results, Reading(labels_N, tuple(skipped), hash_pictures(rows), tuple(row[2] for row in rows))


def _count(batches: Iterator[LabelledBatch], total: int, progress: ReportProgress) -> Iterator[LabelledBatch]:
    done = 0
    for each in batches:
        yield each
        done += len(each.numbers) + len(each.skipped)
        progress(done, total)


def embed_labelled(
    pipeline: PipelineLike, pictures: LabelledPictures, batch: int = 64, progress: ReportProgress = ignore_progress
) -> tuple[Tensor, Reading]:
    """Return embeddings `(N, E)` of unit length, float32, of the pictures that can be read."""
    (images_NE,), reading = map_batches(
        pictures, lambda part: [pipeline.embed_images(part.images_B3HW).float().cpu()], batch, progress
    )
    return F.normalize(images_NE, dim=-1), reading


def embed_classes(
    pipeline: PipelineLike, names: Sequence[str], templates: TemplateSet
) -> tuple[Tensor, dict[str, Any]]:
    """Return embeddings `(K, E)` of unit length, float32, of names in templates, and what a protocol says of them.

    Templates in which a name is longer than the model reads are left out; the protocol has the hash of the others.
    Raises UserError if that is so in all of them.
    """
    with warnings.catch_warnings():
        # Notices about the words of names and sentences do not help whoever evaluates with a given list of classes.
        warnings.simplefilter("ignore", Notice)
        kept = tuple(pipeline.choose_templates(names, templates.templates))
        classes_KE = F.normalize(pipeline.embed_labels(names, kept).float().cpu(), dim=-1)
    record = {"templates": templates.name, "templates_used": len(kept), "templates_sha256": hash_texts(kept)}
    return classes_KE, record
