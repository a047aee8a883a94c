"""FID on MS-COCO: paints captions of its validation set, and compares the pictures with the real ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from majolica.callbacks import ReportProgress, ignore_progress
from majolica.eval.brush import Brush
from majolica.eval.coco.plan import CocoPlan
from majolica.eval.coco.prompts import write_ids
from majolica.eval.coco.references import SIDE, load_or_describe
from majolica.eval.distances.chunks import ChunkPainter, PaintedChunks
from majolica.eval.distances.describe import ExtractorSource, choose_extractor
from majolica.eval.distances.image_text import mean_with_interval
from majolica.eval.distances.measures import Distances, DistanceSettings, measure_distances
from majolica.eval.distances.table import distance_table
from majolica.eval.painting_cost import painting_cost
from majolica.eval.pictures import figure_picture
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result
from majolica.features.extractor import Extractor
from majolica.html.figures import picture_grid
from majolica.plurals import counted


@dataclass(frozen=True)
class CocoDistance:
    """The distance between pictures painted from captions of COCO and its real pictures.

    It is called FID only if the features are those of the published Inception network and everything else
    follows the published protocol: 30,000 captions of val2014 against all its pictures at 256 px. Otherwise the
    metric is `coco_fd_proxy`, and the note says what differs.
    """

    plan: CocoPlan
    extractor: ExtractorSource
    weights: str
    """SHA-256 of the model's weights, by which painted pictures are found again after an interruption."""
    resolution: int
    """The base resolution of the run in pixels."""
    references: Path
    """Folder in which the features of the real pictures are kept."""
    cache: Path | None = None
    """Folder in which the features of painted pictures are kept; without one, an interrupted evaluation begins anew."""
    results: Path | None = None
    """Folder in which the list of captions is written, so that it can be published with the results."""
    size: int | None = None
    """Side in pixels of the painted pictures; by default the base resolution."""
    brush: Brush = field(default_factory=Brush)
    settings: DistanceSettings = field(default_factory=DistanceSettings)
    progress: ReportProgress = ignore_progress
    """Hears how many real pictures are described, and of how many."""
    chunk: int = 250
    name: str = "coco"

    def count_paintings(self, data: EvalData) -> float:
        """Return how much it still has to paint, counted in pictures of the base resolution."""
        known = isinstance(self.extractor, Extractor)
        count = self._painter(self.extractor).count_missing() if known else len(self.plan.prompts.captions)  # type: ignore[arg-type]
        return count * painting_cost(self._size(), self.resolution)

    def explain_lack(self, data: EvalData) -> str:
        """Return "", because COCO was checked when it was read."""
        return ""

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        extractor = choose_extractor(self.extractor, pipeline)
        if self.results is not None:
            write_ids(self.results, self.plan.coco, self.plan.prompts)
        real = load_or_describe(self.plan.coco, self.plan.references, extractor, self.references, SIDE, self.progress)
        painter = self._painter(extractor)
        painted = painter.paint_all(pipeline)
        deviations = self.plan.deviations
        found = measure_distances(
            real.features_BD, painted.features_BD, extractor, self.settings, not deviations, real.moments
        )
        metrics = {_key(name, found): value for name, value in found.metrics.items()}
        intervals = {_key(name, found): bounds for name, bounds in found.intervals.items()}
        metrics["coco_image_text"], intervals["coco_image_text"] = mean_with_interval(painted.scores_B)
        protocol = {**found.record, **self.plan.record(), **real.record, **painter.facts()}
        parts = (distance_table("Painted from captions of COCO", found), self._sheet(painted))
        note = self._describe(found, extractor, deviations)
        return Result(_title(found, self.plan), metrics, parts, note, protocol, intervals, ("coco_image_text",))

    def _size(self) -> int:
        return self.size or self.resolution

    def _painter(self, extractor: Extractor) -> ChunkPainter:
        return ChunkPainter(
            self.plan.prompts.texts,
            extractor,
            self.brush,
            self.weights,
            self._size(),
            SIDE,
            self.cache,
            self.chunk,
        )

    def _sheet(self, painted: PaintedChunks) -> Figure:
        pairs = zip(painted.shown_B3HW, self.plan.prompts.texts, strict=False)
        tiles = [figure_picture(image, text) for image, text in pairs]
        note = f"The first {counted(len(tiles), 'caption')} of the list; none is chosen by hand."
        return Figure("Painted captions of COCO", picture_grid(tiles, wide=True), note)

    def _describe(self, found: Distances, extractor: Extractor, deviations: list[str]) -> str:
        plan = self.plan
        lines = [
            f"{counted(len(plan.prompts.captions), 'caption')} of {plan.coco.split} ({plan.prompts.chosen}) are painted"
            f" at {self._size()} px and compared with {counted(len(plan.references), 'real picture')}, all at"
            f" {SIDE} px, by the features of the extractor {extractor.name}. The image-text score is 100 times the mean"
            " cosine between the model's own embeddings of a picture and of its caption."
        ]
        reasons = [*deviations, *_extractor_deviations(extractor)]
        if reasons:
            lines.append(f"This is a proxy and must not be called FID: {'; '.join(reasons)}.")
        if plan.coco.empty:
            lines.append(f"{counted(plan.coco.empty, 'caption')} without words were left out.")
        lines += [f"{line[0].upper()}{line[1:]}." for line in found.warnings]
        return " ".join(lines)


def _extractor_deviations(extractor: Extractor) -> list[str]:
    return [] if extractor.canonical else ["the features are not those of Inception with its published weights"]


def _key(name: str, found: Distances) -> str:
    """Return the key of a metric in metrics.json."""
    if name == found.frechet:
        return "coco_fid" if found.frechet == "fid" else "coco_fd_proxy"
    return f"coco_{name}"


def _title(found: Distances, plan: CocoPlan) -> str:
    if found.frechet == "fid":
        return f"FID on COCO, {counted(len(plan.prompts.captions), 'caption')}"
    return "Distance to COCO's pictures (a proxy, not FID)"
