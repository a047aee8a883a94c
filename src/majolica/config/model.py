"""The configuration of a model: its text tower, its trunk and its decoder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from majolica.config.bounds import ANY, above, at_least


@dataclass(frozen=True)
class TextConfig:
    """The text tower: a bidirectional transformer over SentencePiece pieces."""

    vocab: Annotated[int, above(0)] = 32_000
    """Size of the SentencePiece vocabulary."""
    length: Annotated[int, above(0)] = 64
    """The most pieces of a caption that the tower reads; longer captions are cut."""
    width: Annotated[int, above(0)] = 1024
    depth: Annotated[int, above(0)] = 24
    heads: Annotated[int, above(0)] = 16


@dataclass(frozen=True)
class DecoderConfig:
    """The pixel decoder (the glaze): a small convolutional network that works at any resolution.

    A block takes 20 (`width` / `stride`)^2 multiply-adds per pixel, and a quarter of that at half resolution.
    """

    stride: Annotated[int, above(0)] = 2
    """Side of the squares of pixels on which its features lie; the pixels of a square are channels."""

    width: Annotated[int, above(0)] = 32
    depth: Annotated[int, above(0)] = 3
    """Blocks with features on every square."""
    half_depth: Annotated[int, at_least(0)] = 2
    """Blocks at half resolution, which see twice as far; 0 leaves that level out."""
    detail_noise: Annotated[float, above(0)] = 0.5
    """Standard deviation of the noise from which the details of larger pictures begin; that of the base picture's noise
    is 1. The smaller it is, the earlier details are decided, also against a base picture that is not settled yet."""


@dataclass(frozen=True)
class ModelConfig:
    """Shapes of the network. There are `(resolution // patch) ** 2` tokens, at every output resolution."""

    resolution: Annotated[int, above(0)] = 256
    """Base resolution R0 in pixels; the trunk always sees pictures of this size."""
    patch: Annotated[int, above(0)] = 16
    """Patch side in pixels at the base resolution."""
    width: Annotated[int, above(0)] = 2048
    heads: Annotated[int, above(0)] = 16
    perception_depth: Annotated[int, above(0)] = 18
    """Blocks of the text-free lower half."""
    synthesis_depth: Annotated[int, above(0)] = 18
    """Blocks of the upper half, which attends to the condition."""
    bottleneck: Annotated[int, above(0)] = 256
    """Width of the linear bottleneck between a patch's pixels and the trunk."""
    registers: int = 4
    """Extra learned tokens that carry no pixels."""
    embed: Annotated[int, above(0)] = 1024
    """Width of the joint image-text embedding."""
    logit_bias: Annotated[float, ANY] = -10.0
    """Initial bias of the sigmoid loss, about -log of how many rows each caption is compared with (SigLIP: -10)."""
    properties: tuple[str, ...] = ("brightness", "contrast", "colourfulness")
    """Visual properties that a user can set when painting: names of files in `majolica/properties/builtin`."""
    property_entry: Literal["tokens", "modulation", "both"] = "both"
    """How properties enter synthesis: as tokens that it attends to, as offsets of its modulation, or as both."""
    text: TextConfig = field(default_factory=TextConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)


def with_vocabulary(model: ModelConfig, vocab: int) -> ModelConfig:
    """Return the configuration for a tokenizer of `vocab` pieces, which may have fewer than were asked for."""
    return replace(model, text=replace(model.text, vocab=vocab))
