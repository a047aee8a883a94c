"""Paints pictures for the report: captions, unseen combinations if there are some, and a few at several resolutions."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field

from majolica.errors import Notice
from majolica.eval.brush import Brush
from majolica.eval.painting_cost import painting_cost
from majolica.eval.pictures import figure_picture
from majolica.eval.protocol import EvalData, Figure, PipelineLike, Result
from majolica.html.figures import FigurePicture, picture_grid, picture_rows


@dataclass(frozen=True)
class Gallery:
    """Paints a grid of captions, of the combinations split if there is one, and a few at several resolutions.

    Its metrics are the seconds that a picture takes at each resolution.
    """

    resolution: int
    largest_trained: int
    """Side in pixels of the largest pictures in training; headings mark those that are larger."""
    pictures: int = 18
    prompts: int = 4
    scales: tuple[int, ...] = (1, 2, 4)
    brush: Brush = field(default_factory=Brush)
    name: str = "gallery"

    def count_paintings(self, data: EvalData) -> float:
        """Return how much it paints, counted in pictures of the base resolution."""
        chosen = len(_choose_captions(data, self.pictures))
        sizes = [self.resolution * scale for scale in self.scales]
        return chosen + min(self.prompts, chosen) * sum(painting_cost(size, self.resolution) for size in sizes)

    def explain_lack(self, data: EvalData) -> str:
        """Return what it needs and the data lack."""
        return data.explain_no_captions()

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        chosen = _choose_captions(data, self.pictures)
        images_B3HW = self.brush.paint(pipeline, chosen)
        tiles = [figure_picture(image, prompt) for image, prompt in zip(images_B3HW, chosen, strict=True)]
        prompts = chosen[: self.prompts]
        rows: list[tuple[str, list[FigurePicture]]] = [(prompt, []) for prompt in prompts]
        metrics = {}
        for scale in self.scales:
            size = self.resolution * scale
            start = time.perf_counter()
            with warnings.catch_warnings():
                # The heading says which sizes are larger than trained.
                warnings.simplefilter("ignore", Notice)
                painted_B3HW = self.brush.paint(pipeline, prompts, size)
            metrics[f"paint_seconds_{size}px"] = (time.perf_counter() - start) / max(1, len(prompts))
            for (_, line), image in zip(rows, painted_B3HW, strict=True):
                line.append(figure_picture(image))
        title, sentence = _describe_prompts(data)
        heads = [self._head(self.resolution * scale) for scale in self.scales]
        parts = (
            Figure(title, picture_grid(tiles, wide=True)),
            Figure(
                "One model, several resolutions",
                picture_rows(heads, rows),
                "The picture is the same at every size, with more detail in larger ones. All are shown equally large.",
            ),
        )
        protocol = {**self.brush.record, **data.record, "scales": list(self.scales)}
        return Result("What it paints", metrics, parts, f"{sentence} Nothing is chosen by hand.", protocol)

    def _head(self, size: int) -> str:
        return f"{size} px" + (", larger than trained" if size > self.largest_trained else "")


def _describe_prompts(data: EvalData) -> tuple[str, str]:
    """Return a title and a sentence on where the prompts come from."""
    if data.combinations:
        sentence = "Each prompt pairs a thing with a background on which training never showed it."
        return "Prompts it never saw", sentence
    source = "training pictures" if data.trained_on else "held-out pictures"
    return f"Captions of {source}", f"The prompts are captions of {source}."


def _choose_captions(data: EvalData, count: int) -> list[str]:
    """Choose at most `count` captions: first one for each thing, then others in their order."""
    source = data.prompts()
    fresh, seen = [], set()
    for i in range(len(source)):
        things = tuple(source.shown(i))[:1]
        if things and things not in seen:
            fresh.append(source.captions[i])
            seen.add(things)
    rest = [caption for caption in dict.fromkeys(source.captions) if caption not in set(fresh)]
    return [*fresh, *rest][:count]
