"""What `majolica data fetch` downloads, how politely, and what it makes of each picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from majolica.config.bounds import above, at_least, at_least_or_off, at_most, check_ranges
from majolica.config.data import MOST_MEGAPIXELS
from majolica.config.engine import EngineConfig
from majolica.errors import UserError, unknown_name


@dataclass(frozen=True)
class WebConfig:
    """Limits of one download. A megabyte is 1,000,000 bytes."""

    connections: Annotated[int, at_least(1)] = 256
    """Downloads at the same time, in each process."""
    deadline: Annotated[float, above(0)] = 20.0
    """Seconds that a URL may take in all. Redirects, robots.txt and repeats count; waiting for its turn does not."""
    connect: Annotated[float, above(0)] = 8.0
    """Seconds to reach a host."""
    retries: Annotated[int, at_least(0)] = 2
    """How often a URL is asked for again after a failure that may pass: a reset connection, 429 or 5xx."""
    backoff: Annotated[float, at_least(0)] = 1.0
    """Seconds before the first repeat; they double for each further one. A longer Retry-After is respected."""
    max_megabytes: Annotated[float, above(0)] = 25.0
    """A larger file is given up as soon as its size is known."""
    redirects: Annotated[int, at_least(0)] = 5
    """The most redirects that are followed; each hop obeys the rules for schemes, ports, addresses and robots."""
    ports: tuple[int, ...] = (80, 443, 8080, 8443)
    """Ports that may be asked. If none is listed, any port may be."""
    verify_tls: bool = True
    """Refuse hosts whose certificate does not hold."""
    allow_private: bool = False
    """Also connect to private, loopback and other addresses that are not public, for a network that you trust."""


@dataclass(frozen=True)
class PoliteConfig:
    """How hosts are treated. The limits hold for one process, so several processes ask that many times as often."""

    user_agent: str = "majolica"
    """The name that requests carry, and that robots.txt and X-Robots-Tag are searched for."""
    contact: str = ""
    """URL or e-mail address that requests carry, for hosts that want to know who is asking."""
    per_host: Annotated[int, at_least(1)] = 8
    """Connections to one host at the same time."""
    delay: Annotated[float, at_least(0)] = 0.0
    """Seconds between the starts of two requests to one host. A longer Crawl-delay is respected."""
    robots: bool = True
    """Ask each host's robots.txt first, and do as it says (RFC 9309)."""
    opt_outs: tuple[str, ...] = ("noai", "noimageai", "noml", "noindex", "noimageindex", "tdm-reservation")
    """A picture is left out if X-Robots-Tag has one of these words; tdm-reservation is a header of its own."""
    give_up: Annotated[int, at_least(0)] = 20
    """After so many failures in a row, the remaining URLs of a host fail at once; 0 means never."""


@dataclass(frozen=True)
class PictureConfig:
    """Which pictures are stored, and in what form."""

    resize: Literal["shorter", "original"] = "shorter"
    """Scale the shorter side down to `side`, or keep every pixel. Nothing is ever scaled up."""
    side: Annotated[int, at_least(1)] = 256
    """Shorter side in pixels."""
    format: Literal["jpg", "png", "webp"] = "jpg"
    """Format of pictures that are encoded again."""
    quality: Annotated[int, at_least(1), at_most(100)] = 95
    """Quality of JPEG and WebP, 1 to 100."""
    keep: bool = True
    """Store the bytes as they were downloaded if nothing has to change, because the picture is a still, upright, opaque
    RGB picture of the right size. Without this, every picture is encoded again, which also drops its EXIF data."""
    max_megapixels: Annotated[float, above(0)] = 64.0
    """Larger pictures are refused from their header alone, before they are decoded."""
    min_side: Annotated[int, at_least(1)] = 16
    """Pictures with a shorter side below this, in pixels, are refused."""
    max_aspect: Annotated[float, at_least_or_off(1)] = 0.0
    """Pictures are refused if their longer side is more than so many times the shorter; 0 is no limit."""


@dataclass(frozen=True)
class FetchConfig:
    """From rows with URLs to shards of pictures."""

    input: tuple[str, ...] = ()
    """Parquet files, folders or patterns; also s3://, gs://, hf:// and whatever else fsspec opens."""
    out: str = ""
    """Folder for the shards, on a disk that every worker sees."""
    url_column: str = ""
    """Column of URLs. If it is empty, the usual names are looked for."""
    caption_column: str = ""
    """Column of captions. If it is empty, the usual names are looked for."""
    empty_captions: Literal["skip", "keep"] = "skip"
    """What to do with rows whose caption is null, empty or invisible: `skip` does not ask for their pictures, `keep`
    stores the pictures with an empty caption."""
    per_shard: Annotated[int, at_least(1)] = 10_000
    """URLs in a shard."""
    threads: Annotated[int, at_least(0)] = 0
    """Threads that decode and encode, in each process; 0 means as many as there are cores."""
    decode_gb: Annotated[float, above(0)] = 2.0
    """The most memory that decoding takes at one time in each process, in 10^9 bytes. Threads wait for each other, and
    a picture that needs more than all of it (about 24 bytes a pixel, fewer for JPEG) is refused."""
    open_shards: Annotated[int, at_least(1)] = 2
    """Shards that a process works on at the same time, so that the last slow URLs of a shard hold nothing up."""
    dedup: bool = True
    """Of pictures with the same bytes, keep only the first by key, across all shards."""
    web: WebConfig = field(default_factory=WebConfig)
    polite: PoliteConfig = field(default_factory=PoliteConfig)
    picture: PictureConfig = field(default_factory=PictureConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)


def _web256() -> FetchConfig:
    """Shorter side 256, which the base resolution needs."""
    return FetchConfig()


def _web512() -> FetchConfig:
    """Shorter side 512, which leaves room for crops and for twice the base resolution."""
    return replace(FetchConfig(), picture=PictureConfig(side=512))


def _original() -> FetchConfig:
    """Every pixel as it was sent, for high-resolution sources."""
    picture = PictureConfig(resize="original", min_side=512)
    web = WebConfig(max_megabytes=60.0, deadline=60.0)
    return replace(FetchConfig(), picture=picture, per_shard=1000, web=web, decode_gb=4.0)


RECIPES: dict[str, Callable[[], FetchConfig]] = {"web256": _web256, "web512": _web512, "original": _original}
"""Name -> a configuration to start from; the first line of the docstring is its help."""


def fetch_recipe(name: str) -> FetchConfig:
    """The configuration called `name`; UserError suggests the nearest."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]()


def check_fetch(config: FetchConfig) -> None:
    """Raise UserError for a value that cannot work, naming the option."""
    check_ranges(config)
    if config.picture.resize == "original" and config.picture.max_megapixels > MOST_MEGAPIXELS:
        raise UserError(
            f"picture.max_megapixels above {MOST_MEGAPIXELS} needs --picture.resize shorter: the loader refuses larger"
            " pictures"
        )
    polite = config.polite
    if not polite.user_agent.replace("-", "").replace("_", "").isalpha() or not polite.user_agent.isascii():
        raise UserError(
            f"polite.user_agent is {polite.user_agent!r}: robots.txt knows only names of letters, - and _; "
            "what else you want to say belongs in polite.contact"
        )
    if not (polite.contact + "x").isprintable() or not polite.contact.isascii():
        raise UserError(f"polite.contact is {polite.contact!r}: it must be printable ASCII")
