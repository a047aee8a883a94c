"""The configuration of training data: where they lie, how sources are mixed, and how pictures are fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from majolica.config.bounds import SHARE, Bound, above, between

MOST_MEGAPIXELS = 64
"""The loader refuses larger pictures before they are decoded, because a small file can decode to gigabytes."""
TEMPERATURE = Bound("it must be at least 0.1, or 0 for the weights as they are", lambda t: t == 0 or t >= 0.1)


@dataclass(frozen=True)
class SourceConfig:
    """One set of shards in a mixture."""

    shards: str = ""
    """Folder of tars, or a URL that fsspec knows (s3://, gs://, hf://)."""
    weight: float = 1.0
    """The source's share of the samples, relative to the weights of the other sources."""


@dataclass(frozen=True)
class DataConfig:
    """Where samples come from, and how they are augmented."""

    shards: str = ""
    """Folder, or URL that fsspec knows, of img2dataset-layout tars to train on."""
    sources: tuple[SourceConfig, ...] = ()
    """A mixture to train on in place of `shards`."""
    temperature: Annotated[float, TEMPERATURE] = 0.0
    """If it is above 0 (0.1 at least), a source's weight is size^(1/temperature), and the weights in `sources` are
    ignored."""
    weights_end: tuple[float, ...] = ()
    """Weights of the sources from sample `weights_over` on; until then they change linearly. If it is empty, the
    weights never change."""
    weights_over: int = 0
    heldout: str = ""
    """Folder, or URL, of shards that are held out: `train.heldout_every` measures their losses. When empty, the folder
    `heldout` beside the shards, where there is one."""
    tokenizer: str = ""
    """SentencePiece model file. If it is empty, a vocabulary is trained from the captions of the sources."""
    threads: int = 4
    """Threads per process that decode pictures; whoever waits for a batch helps them. Their number never changes what a
    sample is."""
    ahead: int = 2
    """How many batches are read before training asks for them."""
    buckets: bool = False
    """Keep the proportions of pictures: batches have several shapes, all with about the same number of tokens."""
    remote_ahead: int = 2048
    """How many samples each process fetches before they are needed, if the shards are remote."""
    remote_cache: str = ""
    """Folder for the part of remote shards that is in use. If it is empty, it is the system's temporary folder."""
    remote_cache_gb: float = 20.0
    """The most that this folder holds for each process, in 10^9 bytes."""
    cache: bool = False
    """Keep decoded pictures in memory, for data sets that fit there."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How a picture of other proportions fills its frame: `crop` cuts out its centre, `pad` adds white, and `stretch`
    changes its proportions. Using and evaluating the run do the same."""
    decode_gb: Annotated[float, above(0)] = 2.0
    """The most memory that decoding takes at one time in each process, in 10^9 bytes. Threads wait for each other, and
    a picture that needs more than all of it (about 24 bytes a pixel, fewer for JPEG) cannot be read."""
    flip: bool = True
    """Mirror a random half of the pictures horizontally."""
    jitter: Annotated[float, between(0, 1)] = 0.1
    """Strength of colour jitter (brightness, contrast, saturation, hue); 0 turns it off."""
    empty_captions: Literal["skip", "keep"] = "skip"
    """What to do with samples whose caption is empty or invisible: `skip` leaves them out of the order, `keep` trains
    on them."""
    bad_share: Annotated[float, SHARE] = 0.01
    """Training stops if more than this share of a source's samples cannot be read."""
