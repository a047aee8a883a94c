"""Models that embed pictures and texts in one space: the evaluated model itself, or one of open_clip."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from majolica.errors import Notice, UserError, unknown_name
from majolica.eval.protocol import PipelineLike
from majolica.run.weights import digest

TOGETHER = 64
"""Pictures or texts that are embedded at once."""


def image_embeddings(pipeline: PipelineLike, images_B3HW: Tensor, chunk: int = 128) -> Tensor:
    """Compute embeddings `(B, E)` of unit length of uint8 pictures, in chunks."""
    starts = range(0, len(images_B3HW), chunk)
    pieces = [pipeline.embed_images(images_B3HW[start : start + chunk]).float().cpu() for start in starts]
    return F.normalize(torch.cat(pieces), dim=-1)


def text_embeddings(pipeline: PipelineLike, texts: Sequence[str], chunk: int = 1024) -> Tensor:
    """Compute embeddings `(B, E)` of unit length of captions, in chunks, without notices about their words."""
    starts = range(0, len(texts), chunk)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)  # nobody who evaluates wrote the captions, or can write them better
        pieces = [pipeline.embed_texts(list(texts[start : start + chunk])).float().cpu() for start in starts]
    return F.normalize(torch.cat(pieces), dim=-1)


@dataclass(frozen=True)
class Embedder:
    """A model that embeds pictures and texts."""

    key: str
    """What it is called in the names of metrics."""
    title: str
    images: Callable[[Tensor], Tensor]
    """Returns embeddings `(B, E)` of unit length of uint8 pictures `B3HW`, on the CPU."""
    texts: Callable[[Sequence[str]], Tensor]
    """Returns embeddings `(B, E)` of unit length of texts, on the CPU."""
    record: Mapping[str, Any]
    """What a protocol says of it."""


def own_embedder(pipeline: PipelineLike) -> Embedder:
    """Return the evaluated model as an embedder."""
    return Embedder(
        "own", "the model's own eye", partial(image_embeddings, pipeline), partial(text_embeddings, pipeline), {}
    )


def open_clip_embedder(name: str, weights: Path, device: torch.device | None = None) -> Embedder:
    """Load a model of open_clip by its name there, such as ViT-B-32, with weights from a local file.

    Raises UserError if the package or the file is missing, if open_clip has no such model, or if the weights are not
    those of this model.
    """
    try:
        import open_clip  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise UserError(
            f"the model {name} needs the package open_clip ({error}): pip install open_clip_torch"
        ) from None
    if not weights.is_file():
        raise UserError(f"there is no file {weights} with the weights of {name}: download them, and name the file")
    if name not in (known := open_clip.list_models()):
        raise unknown_name("model of open_clip", name, known)
    place = device or torch.device("cpu")
    try:
        model, _, prepare = open_clip.create_model_and_transforms(name, pretrained=str(weights), device=place)
    except Exception as error:  # open_clip raises whatever torch.load and load_state_dict raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{weights} cannot be read as weights of {name} ({reason})") from error
    model, tokenize = model.eval(), open_clip.get_tokenizer(name)

    @torch.inference_mode()
    def embed_images(images_B3HW: Tensor) -> Tensor:
        pictures = (Image.fromarray(image_3HW.permute(1, 2, 0).contiguous().numpy()) for image_3HW in images_B3HW)
        ready = torch.stack([prepare(picture) for picture in pictures])
        return _embed(model.encode_image, ready, place)

    @torch.inference_mode()
    def embed_texts(texts: Sequence[str]) -> Tensor:
        return _embed(model.encode_text, tokenize(list(texts)), place)

    record = {"open_clip_model": name, "open_clip_sha256": digest(weights), "open_clip_version": open_clip.__version__}
    return Embedder("open_clip", f"open_clip {name}", embed_images, embed_texts, record)


def _embed(encode: Callable[[Tensor], Tensor], inputs: Tensor, device: torch.device) -> Tensor:
    starts = range(0, len(inputs), TOGETHER)
    parts = [encode(inputs[start : start + TOGETHER].to(device)).float().cpu() for start in starts]
    return F.normalize(torch.cat(parts), dim=-1)
