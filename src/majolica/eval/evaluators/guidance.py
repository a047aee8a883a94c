"""What guidance does: the distance to real pictures and the agreement with captions, at several weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from majolica.data.loading.split import space_evenly
from majolica.eval.brush import Brush
from majolica.eval.distances.chunks import ChunkPainter
from majolica.eval.distances.describe import PERCEPTION, ExtractorSource, choose_extractor, describe_pictures
from majolica.eval.distances.image_text import mean_with_interval
from majolica.eval.distances.measures import Names, bias_warnings, describe_extractor
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result, Table
from majolica.features.extractor import Extractor
from majolica.html.charts import Points, charts, line_chart
from majolica.metrics.frechet import frechet_to
from majolica.metrics.moments import Moments
from majolica.plurals import counted

GUIDANCES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


@dataclass(frozen=True)
class GuidanceSweep:
    """Paints the same captions from the same seeds at several guidance weights.

    More guidance follows captions more closely and gives less varied pictures; where the distance is
    smallest depends on the run (Ho and Salimans, "Classifier-Free Diffusion Guidance", arXiv 2207.12598).
    """

    extractor: ExtractorSource
    weights: str
    """SHA-256 of the model's weights."""
    resolution: int
    """The base resolution in pixels, at which everything is painted and compared."""
    guidances: tuple[float, ...] = GUIDANCES
    pictures: int = 256
    """The most captions that are painted at each weight."""
    brush: Brush = field(default_factory=Brush)
    """Its guidance is not used."""
    cache: Path | None = None
    name: str = "guidance"

    def count_paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints."""
        return len(self.guidances) * min(self.pictures, len(data.reference_split()))

    def explain_lack(self, data: EvalData) -> str:
        """Return what it needs and the data lack."""
        enough = min(len(data.reference_split()), self.pictures) > 1
        return "" if enough else "A distance needs two held-out pictures with captions, and two that are painted."

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        extractor = choose_extractor(self.extractor, pipeline)
        real = Moments.of(describe_pictures(extractor, data.reference_split().images_B3HW))
        points = self._paint(pipeline, extractor, real, data)
        names, count = Names(extractor, published=False), int(self.count_paintings(data)) // len(self.guidances)
        metrics, intervals = {}, {}
        for point in points:
            metrics[f"guidance_{point.guidance:g}_{names.key('fd')}"] = point.distance
            metrics[f"guidance_{point.guidance:g}_image_text"] = point.score
            intervals[f"guidance_{point.guidance:g}_image_text"] = point.bounds
        how = {name: value for name, value in self._painter(extractor, data).facts().items() if name != "guidance"}
        counts = {"guidances": list(self.guidances), "painted": count, "real": real.count}
        protocol = {**how, **describe_extractor(extractor), **data.record, **counts}
        best = min(points, key=lambda point: point.distance).guidance
        lines = [
            f"{counted(count, 'caption')} are painted at each weight from the same seeds. The distance to"
            f" {counted(real.count, 'real picture')} ({names.title}) is smallest at a guidance of {best:g}. The"
            " image-text score is 100 times the mean cosine between the model's own embeddings of a picture and of its"
            " caption.",
            *(f"{line[0].upper()}{line[1:]}." for line in bias_warnings(real, count)),
        ]
        parts = (_draw(points, names.title), _tabulate(points, names.title))
        own = tuple(name for name in metrics if extractor.name == PERCEPTION or name.endswith("_image_text"))
        return Result("Guidance", metrics, parts, " ".join(lines), protocol, intervals, own)

    def _paint(
        self, pipeline: PipelineLike, extractor: Extractor, real: Moments, data: EvalData
    ) -> list[GuidancePoint]:
        points, distance_to = [], frechet_to(real)
        for guidance in self.guidances:
            painter = self._painter(extractor, data, guidance)
            painted = painter.paint_all(pipeline)
            distance = distance_to(Moments.of(painted.features_BD))
            points.append(GuidancePoint(guidance, distance, *mean_with_interval(painted.scores_B)))
        return points

    def _painter(self, extractor: Extractor, data: EvalData, guidance: float = 1.0) -> ChunkPainter:
        captions, side = data.reference_split().captions, self.resolution
        chosen = [captions[i] for i in space_evenly(len(captions), self.pictures)]
        brush = replace(self.brush, guidance=guidance)
        return ChunkPainter(chosen, extractor, brush, self.weights, side, side, self.cache)


@dataclass(frozen=True)
class GuidancePoint:
    """What was found at one guidance weight."""

    guidance: float
    distance: float
    score: float
    """The mean image-text score."""
    bounds: tuple[float, float]
    """Its 95 % interval."""


def _draw(points: Sequence[GuidancePoint], title: str) -> Figure:
    weights = [point.guidance for point in points]
    distances = line_chart(Points(weights, [point.distance for point in points]), title, "guidance")
    scores = line_chart(Points(weights, [point.score for point in points]), "Image-text score", "guidance")
    return Figure("Distance and image-text score by guidance", charts([distances, scores]))


def _tabulate(points: Sequence[GuidancePoint], title: str) -> Table:
    rows = [
        (
            f"{point.guidance:g}",
            f"{point.distance:.4g}",
            f"{point.score:.2f}",
            f"{point.bounds[0]:.2f} to {point.bounds[1]:.2f}",
        )
        for point in points
    ]
    return Table("Guidance weights", ("guidance", title, "image-text score", "95 % interval"), rows)
