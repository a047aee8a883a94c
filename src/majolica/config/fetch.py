"""What `majolica data fetch` downloads, how politely, and what it makes of each picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from majolica.config.bounds import above, at_least, at_least_or_off, at_most, check_ranges
from majolica.config.engine import EngineConfig
from majolica.errors import UserError, unknown


@dataclass(frozen=True)
class WebConfig:
    """Limits of one download. A megabyte is 1,000,000 bytes."""

    connections: Annotated[int, at_least(1)] = 256
    """Downloads at the same time, in each process."""
    deadline: Annotated[float, above(0)] = 20.0
    """Seconds for a URL in all: redirects, robots.txt and repeats included, waiting for its turn excluded."""
    connect: Annotated[float, above(0)] = 8.0
    """Seconds to reach a host."""
    retries: Annotated[int, at_least(0)] = 2
    """Repeats after a failure that may pass: a reset connection, 429, 5xx."""
    backoff: Annotated[float, at_least(0)] = 1.0
    """Seconds before the first repeat; doubled for each further one. A longer Retry-After is respected."""
    max_megabytes: Annotated[float, above(0)] = 25.0
    """Larger files are given up as soon as that is known."""
    redirects: Annotated[int, at_least(0)] = 5
    """Most redirects; every hop obeys the rules for schemes, ports, addresses and robots."""
    ports: tuple[int, ...] = (80, 443, 8080, 8443)
    """Ports that may be asked; none listed: any."""
    verify_tls: bool = True
    """Refuse hosts whose certificate does not hold."""
    allow_private: bool = False
    """Also connect to private, loopback and other addresses that are not public. For a network you trust."""


@dataclass(frozen=True)
class PoliteConfig:
    """How hosts are treated. Limits are those of one process: several together ask that many times as often."""

    user_agent: str = "majolica"
    """Name in requests, and the one that robots.txt and X-Robots-Tag are searched for."""
    contact: str = ""
    """URL or e-mail address that requests carry, for those who wonder who is asking."""
    per_host: Annotated[int, at_least(1)] = 8
    """Connections to one host at the same time."""
    delay: Annotated[float, at_least(0)] = 0.0
    """Seconds between the starts of two requests to one host. A longer Crawl-delay is respected."""
    robots: bool = True
    """Ask each host's robots.txt first, and do as it says (RFC 9309)."""
    opt_outs: tuple[str, ...] = ("noai", "noimageai", "noml", "noindex", "noimageindex", "tdm-reservation")
    """Words in X-Robots-Tag for which a picture is left out; tdm-reservation is a header of its own."""
    give_up: Annotated[int, at_least(0)] = 20
    """Failures in a row after which the rest of a host's URLs fail at once; 0: never."""


@dataclass(frozen=True)
class PictureConfig:
    """What is stored of a picture."""

    resize: Literal["shorter", "original"] = "shorter"
    """Scale the shorter side down to `side`, or keep every pixel. Nothing is ever scaled up."""
    side: Annotated[int, at_least(1)] = 256
    """Shorter side in pixels."""
    format: Literal["jpg", "png", "webp"] = "jpg"
    """Format of what is encoded again."""
    quality: Annotated[int, at_least(1), at_most(100)] = 95
    """Of JPEG and WebP, 1 to 100."""
    keep: bool = True
    """Store the downloaded bytes where there is nothing to change: a still, upright, opaque RGB picture of
    that size. Otherwise every picture is encoded again, which also drops EXIF."""
    max_megapixels: Annotated[float, above(0)] = 64.0
    """Larger pictures are refused by their header, before decoding."""
    min_side: Annotated[int, at_least(1)] = 16
    """Smaller pictures are refused."""
    max_aspect: Annotated[float, at_least_or_off(1)] = 0.0
    """Longer over shorter side above which a picture is refused; 0: any."""


@dataclass(frozen=True)
class FetchConfig:
    """From rows with URLs to shards of pictures."""

    input: tuple[str, ...] = ()
    """Parquet files, folders or patterns; also s3://, gs://, hf:// and whatever else fsspec opens."""
    out: str = ""
    """Folder of the shards, on a disk that every worker sees."""
    url_column: str = ""
    """Column of URLs; the usual names are found."""
    caption_column: str = ""
    """Column of captions; the usual names are found."""
    empty_captions: Literal["skip", "keep"] = "skip"
    """Rows whose caption is null, empty or invisible: skip does not ask for their pictures, keep stores these with an
    empty caption."""
    per_shard: Annotated[int, at_least(1)] = 10_000
    """URLs in a shard."""
    threads: Annotated[int, at_least(0)] = 0
    """Threads that decode and encode, in each process; 0: as many as there are cores."""
    decode_gb: Annotated[float, above(0)] = 2.0
    """Most memory that decoding takes at one time in each process, in 10^9 bytes: threads wait for each other, and
    a picture that needs more than all of it (about 24 bytes a pixel, fewer for JPEG) is refused."""
    open_shards: Annotated[int, at_least(1)] = 2
    """Shards that a process works on at the same time, so that the last slow URLs of one hold nothing up."""
    dedup: bool = True
    """Keep only the first of pictures with the same bytes, by key, across all shards."""
    web: WebConfig = field(default_factory=WebConfig)
    polite: PoliteConfig = field(default_factory=PoliteConfig)
    picture: PictureConfig = field(default_factory=PictureConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)


def _web256() -> FetchConfig:
    """Shorter side 256: what the base resolution needs."""
    return FetchConfig()


def _web512() -> FetchConfig:
    """Shorter side 512: room for crops and for twice the base resolution."""
    return replace(FetchConfig(), picture=PictureConfig(side=512))


def _original() -> FetchConfig:
    """Every pixel as it was sent, up to 100 megapixels: for high-resolution sources."""
    picture = PictureConfig(resize="original", max_megapixels=100.0, min_side=512)
    web = WebConfig(max_megabytes=60.0, deadline=60.0)
    return replace(FetchConfig(), picture=picture, per_shard=1000, web=web, decode_gb=4.0)


RECIPES: dict[str, Callable[[], FetchConfig]] = {"web256": _web256, "web512": _web512, "original": _original}
"""Name -> a configuration to start from; the first line of the docstring is its help."""


def fetch_recipe(name: str) -> FetchConfig:
    """The configuration called `name`; UserError suggests the nearest."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]()


def check(config: FetchConfig) -> None:
    """Raise UserError for a value that cannot work, naming the option."""
    check_ranges(config)
    polite = config.polite
    if not polite.user_agent.replace("-", "").replace("_", "").isalpha() or not polite.user_agent.isascii():
        raise UserError(
            f"polite.user_agent is {polite.user_agent!r}: robots.txt knows only names of letters, - and _; "
            "what else you want to say belongs in polite.contact"
        )
    if not (polite.contact + "x").isprintable() or not polite.contact.isascii():
        raise UserError(f"polite.contact is {polite.contact!r}: it must be printable ASCII")
