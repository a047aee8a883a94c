"""Image-text similarity: do painted pictures match their prompts as well as real pictures match their captions?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from majolica.eval.embedders import Embedder, own_embedder
from majolica.eval.paintings import Paintings
from majolica.eval.protocol import EvalData, PipelineLike, Result, Split, Table
from majolica.metrics.intervals import bootstrap_interval, wilson_interval
from majolica.plurals import counted


@dataclass(frozen=True)
class ImageText:
    """The mean cosine similarity of painted pictures and their prompts.

    Beside it stand that of real pictures of the same prompts, which a perfect painter would reach, and that of
    painted pictures with the prompts of others, which a painter that ignores its prompts would reach. The cosine
    is that of CLIPScore (Hessel et al., arXiv 2104.08718) without its factor of 2.5. The share of pictures
    whose own prompt is the nearest of all is the R-precision of Xu et al. ("AttnGAN", arXiv 1711.10485).
    The model's own eye judges its own pictures, so it may be fooled by what it believes itself.
    """

    painted: Paintings
    others: tuple[Callable[[], Embedder], ...] = ()
    """Functions that load further embedders, such as `open_clip_embedder` with its arguments."""
    name: str = "image-text"

    def count_paintings(self, data: EvalData) -> float:
        """Return the number of pictures that it paints, if no other evaluator has painted them."""
        return self.painted.claim(data)

    def explain_lack(self, data: EvalData) -> str:
        """Return why it cannot be measured, if there are no captions to paint."""
        return data.explain_no_captions()

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        embedders = [own_embedder(pipeline), *(load() for load in self.others)]
        painted = self.painted.paint(pipeline, data)
        source = data.prompts()
        real_B3HW = source.images_B3HW[find_rows(source, painted.prompts)]
        metrics, intervals, rows = dict[str, float](), dict[str, tuple[float, float]](), []
        for embedder in embedders:
            texts_BE = embedder.texts(painted.prompts)
            found = {
                "": compare(embedder.images(painted.images_B3HW) @ texts_BE.T, painted.prompts),
                "_real": compare(embedder.images(real_B3HW) @ texts_BE.T, painted.prompts),
            }
            metrics_here, intervals_here = _measure(embedder.key, found)
            metrics |= metrics_here
            intervals |= intervals_here
            rows.append(_row(embedder, metrics, intervals))
        records = {key: value for embedder in embedders for key, value in embedder.record.items()}
        protocol = {**data.record, **self.painted.brush.record, "painted": len(painted.prompts), **records}
        note = self._describe(metrics, intervals, len(painted.prompts))
        header = ("by", "painted", "real", "prompts of others", "own prompt is nearest", "real")
        table = Table("Similarity of pictures and prompts", header, rows)
        own = tuple(name for name in metrics if name.startswith("image_text_own"))
        return Result("Pictures and their prompts", metrics, (table,), note, protocol, intervals, own)

    def _describe(self, metrics: Mapping[str, float], intervals: Mapping[str, tuple[float, float]], count: int) -> str:
        low, high = intervals["image_text_own"]
        shuffled = metrics.get("image_text_own_shuffled")
        others = "" if shuffled is None else f" Painted pictures and the prompts of others have {shuffled:.3f}."
        return (
            f"Over {counted(count, 'prompt')}, the cosine between the embeddings of a painted picture and of its prompt"
            f" is {metrics['image_text_own']:.3f} ({low:.3f} to {high:.3f}) on average; that of real pictures of these"
            f" captions is {metrics['image_text_own_real']:.3f}.{others} The model judges its own pictures here, so"
            " this compares settings of one model, and not models."
        )


def find_rows(source: Split, prompts: Sequence[str]) -> list[int]:
    """Return the rows of pictures with these captions; equal captions get different pictures, in order."""
    places: dict[str, list[int]] = {}
    for row, caption in enumerate(source.captions):
        places.setdefault(caption, []).append(row)
    turns = dict.fromkeys(places, 0)
    rows = []
    for prompt in prompts:
        rows.append(places[prompt][turns[prompt] % len(places[prompt])])
        turns[prompt] += 1
    return rows


@dataclass(frozen=True)
class Similarities:
    """How similar B pictures are to the B prompts."""

    own_B: Tensor
    """To their own prompts."""
    others_B: Tensor
    """To all prompts with other words, on average; NaN if there are none."""
    nearest_B: Tensor
    """Whether no prompt with other words is as similar as the own one, bool."""


def compare(similar_BB: Tensor, prompts: Sequence[str]) -> Similarities:
    """Compare the similarities of pictures (rows) and prompts (columns)."""
    numbers = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompts))}
    ids_B = torch.tensor([numbers[prompt] for prompt in prompts])
    other_BB = ids_B[:, None] != ids_B
    own_B = similar_BB.diagonal().double()
    others_B = (similar_BB.double() * other_BB).sum(1) / other_BB.sum(1)
    nearest_B = own_B > similar_BB.double().masked_fill(~other_BB, -torch.inf).max(1).values
    return Similarities(own_B, others_B, nearest_B)


def _measure(key: str, found: Mapping[str, Similarities]) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    metrics, intervals = dict[str, float](), dict[str, tuple[float, float]]()
    for end, similar in found.items():
        name, share = f"image_text_{key}{end}", float(similar.nearest_B.double().mean())
        metrics[name], intervals[name] = float(similar.own_B.mean()), bootstrap_interval(similar.own_B)
        if not bool(similar.others_B.isfinite().all()):
            continue  # all prompts are one, which is the nearest to any picture
        nearest = f"image_text_{key}_nearest{end}"
        metrics[nearest], intervals[nearest] = share, wilson_interval(share, len(similar.nearest_B))
    others_B = found[""].others_B
    if bool(others_B.isfinite().all()):  # else all prompts are one
        shuffled = f"image_text_{key}_shuffled"
        metrics[shuffled], intervals[shuffled] = float(others_B.mean()), bootstrap_interval(others_B)
    return metrics, intervals


def _row(embedder: Embedder, metrics: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]) -> list[str]:
    cells = [embedder.title]
    for end in ("", "_real", "_shuffled"):
        name = f"image_text_{embedder.key}{end}"
        cells.append("{:.3f} ({:.3f} to {:.3f})".format(metrics[name], *intervals[name]) if name in metrics else "–")
    for end in ("", "_real"):
        name = f"image_text_{embedder.key}_nearest{end}"
        cells.append("{:.1%} ({:.1%} to {:.1%})".format(metrics[name], *intervals[name]) if name in metrics else "–")
    return cells
