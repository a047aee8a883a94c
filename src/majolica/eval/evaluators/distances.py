"""Distances to anyone's own pictures: paints their captions, and compares the results with the real pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from majolica.data.loading.split import space_evenly
from majolica.data.pictures.frame import Fit
from majolica.errors import UserError, to_printable
from majolica.eval.brush import Brush
from majolica.eval.distances.chunks import ChunkPainter
from majolica.eval.distances.describe import PERCEPTION, ExtractorSource, choose_extractor, describe_pictures
from majolica.eval.distances.image_text import mean_with_interval
from majolica.eval.distances.measures import Distances, DistanceSettings, describe_extractor, measure_distances, thin
from majolica.eval.distances.patches import measure_patches
from majolica.eval.distances.real_pictures import Described, describe_source
from majolica.eval.distances.table import distance_table
from majolica.eval.painting_cost import painting_cost
from majolica.eval.protocol import EvalData, PipelineLike, Result, Split
from majolica.features.extractor import Extractor
from majolica.metrics.moments import Moments
from majolica.metrics.statistics import load_statistics
from majolica.plurals import counted


@dataclass(frozen=True)
class OwnDistances:
    """The distances between real pictures and those that are painted from their captions.

    The real pictures are the held-out ones of the run, or those of `source`: a folder of shards, of pictures,
    a table, or a file of statistics (.npz), whose pictures' captions are not known, so that held-out ones are
    painted. Beside them stand the distances between two halves of the real pictures, which a perfect
    painter would reach, and between as many painted and real ones.
    """

    extractor: ExtractorSource
    weights: str
    """SHA-256 of the model's weights."""
    resolution: int
    """The base resolution in pixels, at which everything is painted and compared."""
    largest: int
    """The side of the largest pictures in training; crops of such pictures are compared too."""
    source: Path | None = None
    fit: Fit = "crop"
    """How the pictures of the source are fitted to squares, which should be as in training."""
    pictures: int = 1024
    """The most captions that are painted."""
    crops_of: int = 64
    """The most pictures of which crops are compared."""
    brush: Brush = field(default_factory=Brush)
    cache: Path | None = None
    settings: DistanceSettings = field(default_factory=DistanceSettings)
    name: str = "distances"

    def count_paintings(self, data: EvalData) -> float:
        """Return how much it paints, counted in pictures of the base resolution."""
        whole = self.pictures if self._reads_captions() else min(self.pictures, len(data.reference_split()))
        return whole + len(self._large(data)) * painting_cost(self.largest, self.resolution)

    def explain_lack(self, data: EvalData) -> str:
        """Return what it needs and the data lack."""
        if self._reads_captions():
            return ""
        enough = min(len(data.reference_split()), self.pictures) > 1
        return "" if enough else "A distance needs two held-out pictures with captions, and two that are painted."

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        extractor = choose_extractor(self.extractor, pipeline)
        real = self._describe_real(extractor, data)
        captions = real.captions if isinstance(real, Described) else list(data.reference_split().captions)
        captions = [captions[i] for i in space_evenly(len(captions), self.pictures)]
        size = self.resolution
        painter = ChunkPainter(captions, extractor, self.brush, self.weights, size, size, self.cache)
        painted = painter.paint_all(pipeline)
        record = {**describe_extractor(extractor), **painter.facts(), "data_source": self._kind()}
        if isinstance(real, Moments):
            found, beside = measure_distances(real, painted.features_BD, extractor, self.settings), []
            record |= {"data_sha256": _hash_moments(real)}
        else:
            found = measure_distances(real.features_BD, painted.features_BD, extractor, self.settings)
            beside = self._halves(real.features_BD, painted.features_BD, extractor)
            record |= real.record
        metrics, intervals = dict(found.metrics), dict(found.intervals)
        for end, (_, other) in zip(("equal_counts", "real_halves"), beside, strict=False):
            metrics |= {f"{key}_{end}": value for key, value in other.metrics.items()}
        metrics["image_text"], intervals["image_text"] = mean_with_interval(painted.scores_B)
        large = self._large(data)
        if len(large) > 1:
            metrics |= self._compare_crops(pipeline, extractor, large)
            record |= {"crop_size": self.largest, "crop_pictures": len(large)}
        table = distance_table("Painted and real pictures", found, beside)
        note = self._describe(found, extractor, data)
        own = tuple(metrics) if extractor.name == PERCEPTION else ("image_text",)
        return Result(_TITLE, metrics, (table,), note, {**found.record, **record}, intervals, own)

    def _describe_real(self, extractor: Extractor, data: EvalData) -> Described | Moments:
        if self.source is None:
            split = data.reference_split()
            features_BD = describe_pictures(extractor, split.images_B3HW)
            return Described(features_BD, list(split.captions), {**data.record, "real_side": self.resolution})
        if self._is_statistics():
            return read_moments(self.source, extractor)
        return describe_source(self.source, extractor, self.resolution, self.fit)

    def _halves(self, real_BD: Tensor, painted_BD: Tensor, extractor: Extractor) -> list[tuple[str, Distances]]:
        """Measure half of the real pictures against as many painted ones, and against the other half."""
        if len(real_BD) < 4:
            return []
        first_BD, second_BD = real_BD[::2], real_BD[1::2]
        some_BD = thin(painted_BD, len(second_BD))
        return [
            ("as many painted as in a half", measure_distances(first_BD, some_BD, extractor, self.settings)),
            ("two halves of the real ones", measure_distances(first_BD, second_BD, extractor, self.settings)),
        ]

    def _compare_crops(self, pipeline: PipelineLike, extractor: Extractor, large: Split) -> dict[str, float]:
        painted_B3HW = self.brush.paint(pipeline, list(large.captions), self.largest)
        side = self.resolution if self.largest > self.resolution else self.resolution // 2
        found = measure_patches(large.images_B3HW, painted_B3HW, extractor, side)
        return {f"{key}_{extractor.name}": value for key, value in found.items()}

    def _large(self, data: EvalData) -> Split:
        """Return the pictures of which crops are compared, in the size of the largest training pictures."""
        if self.source is not None:
            return Split(data.heldout.images_B3HW[:0], (), ())
        known = data if self.largest == self.resolution else data.larger(self.largest, self.crops_of)
        split = (known or data).reference_split()
        return split.choose(range(min(self.crops_of, len(split)) if known else 0))

    def _is_statistics(self) -> bool:
        return self.source is not None and self.source.suffix.lower() == ".npz"

    def _reads_captions(self) -> bool:
        """Whether the captions come from the source, and not from the data of the run."""
        return self.source is not None and not self._is_statistics()

    def _kind(self) -> str:
        return "held-out" if self.source is None else "statistics" if self._is_statistics() else "given"

    def _describe(self, found: Distances, extractor: Extractor, data: EvalData) -> str:
        real, painted = found.record["real"], found.record["painted"]
        which = {"given": "given", "statistics": "those of the statistics", "held-out": "held-out"}[self._kind()]
        many = counted(real, "real one") if real else "real ones"
        lines = [
            f"{counted(painted, 'painted picture')} and {many} ({which}) are compared at {self.resolution} px by the"
            f" features of the extractor {extractor.name}. No number here is FID, because the pictures are not those of"
            " a published protocol."
        ]
        if extractor.name == "perception":
            lines.append("The model measures itself, so the numbers compare settings of one model, and not models.")
        if self.source is None and data.trained_on:
            lines.append("Training showed these pictures, because the run has none that are held out.")
        lines += [f"{line[0].upper()}{line[1:]}." for line in found.warnings]
        return " ".join(lines)


_TITLE = "Distances to real pictures (proxies, not FID)"


def read_moments(path: Path, extractor: Extractor) -> Moments:
    """Read a file of statistics, and check as far as its record tells that the extractor is the same.

    Raises UserError if the file cannot be read, or if it is of other features.
    """
    found = load_statistics(path)
    own, known = describe_extractor(extractor), found.record
    other = [key for key, value in own.items() if key in known and known[key] != value]
    if other:
        key = other[0]
        raise UserError(
            f"{to_printable(path)} was made with another extractor ({key} {_quote(known, key)} and not"
            f" {_quote(own, key)}): use the same one, or make the statistics anew"
        )
    return found.moments


def _quote(record: Mapping[str, Any], key: str) -> str:
    return to_printable(record[key])[:40]


def _hash_moments(moments: Moments) -> str:
    content = moments.mean_D.cpu().numpy().tobytes() + moments.scatter_DD.cpu().numpy().tobytes()
    return hashlib.sha256(content).hexdigest()
