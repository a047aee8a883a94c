"""How well pictures match their captions, by the embeddings of the model itself."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from majolica.eval.embedders import image_embeddings, text_embeddings
from majolica.eval.protocol import PipelineLike


def image_text_scores(pipeline: PipelineLike, images_B3HW: Tensor, captions: Sequence[str]) -> Tensor:
    """Return 100 times the cosine between the embeddings of each uint8 picture and of its caption, `(B,)` float32.

    This is the score of Hessel et al., "CLIPScore" (arXiv 2104.08718), without its factor of 2.5 and without
    raising negative values to 0, and by the embeddings of the evaluated model instead of CLIP. Its values
    therefore compare settings of one model, and not models.
    """
    return 100 * (image_embeddings(pipeline, images_B3HW) * text_embeddings(pipeline, captions)).sum(1)


def mean_with_interval(scores_B: Tensor) -> tuple[float, tuple[float, float]]:
    """Return the mean of independent values, and its 95 % interval by their standard error."""
    mean, reach = float(scores_B.double().mean()), 1.96 * float(scores_B.double().std() / len(scores_B) ** 0.5)
    return mean, (mean - reach, mean + reach)
