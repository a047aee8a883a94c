"""What `majolica data filter` is told: where columns are, which rows stay, how many."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from majolica.config.bounds import ANY, at_least, at_least_or_off, between, check_ranges
from majolica.config.engine import EngineConfig
from majolica.errors import UserError

Null = Literal["keep", "drop"]
"""What becomes of a row whose value is unknown, where the rule is on."""

FARTHEST = 6
"""Largest Hamming distance of near-duplicates: beyond it the search grows too fast, and pictures differ."""


@dataclass(frozen=True)
class ColumnsConfig:
    """Names under which a file may keep each column: first match wins, capitals do not matter."""

    url: tuple[str, ...] = ("url",)
    text: tuple[str, ...] = ("text", "caption", "alt_text")
    id: tuple[str, ...] = ("id", "sample_id", "key")
    width: tuple[str, ...] = ("width", "original_width")
    height: tuple[str, ...] = ("height", "original_height")
    license: tuple[str, ...] = ("license",)
    language: tuple[str, ...] = ("language", "lang")
    similarity: tuple[str, ...] = ("similarity", "clip_similarity_vitb32", "clip_similarity_vitl14")
    """Cosine of CLIP's embeddings of picture and caption."""
    nsfw: tuple[str, ...] = ("nsfw",)
    """Category, such as LAION's UNLIKELY, UNSURE and NSFW: a column of text."""
    punsafe: tuple[str, ...] = ("punsafe", "nsfw_score_opennsfw2", "nsfw_score_gantman", "nsfw")
    """Probability; a column `nsfw` of numbers counts."""
    pwatermark: tuple[str, ...] = ("pwatermark", "watermark_score")
    aesthetic: tuple[str, ...] = ("aesthetic", "aesthetic_score", "aesthetic_score_laion_v2")
    phash: tuple[str, ...] = ("phash", "image_phash", "hash")
    """64-bit perceptual hash: 16 hexadecimal digits, or a whole number."""


@dataclass(frozen=True)
class UrlRule:
    """Rows without a URL always go."""

    schemes: tuple[str, ...] = ("http", "https")
    """Schemes that stay; none given: any."""


@dataclass(frozen=True)
class ResolutionRule:
    """Size in pixels; 0 is no limit."""

    min_side: Annotated[int, at_least(0)] = 0
    max_side: Annotated[int, at_least(0)] = 0
    max_pixels: Annotated[int, at_least(0)] = 0
    max_aspect: Annotated[float, at_least_or_off(1)] = 0.0
    """Longer side over shorter."""
    null: Null = "drop"


@dataclass(frozen=True)
class CaptionRule:
    """Length of the caption without the blanks around it; 0 is no limit."""

    min_chars: Annotated[int, at_least(0)] = 0
    max_chars: Annotated[int, at_least(0)] = 0
    min_words: Annotated[int, at_least(0)] = 0
    """Words are what blanks, tabs and line breaks separate."""
    max_words: Annotated[int, at_least(0)] = 0
    null: Null = "drop"


@dataclass(frozen=True)
class LanguageRule:
    """Language of the caption."""

    allowed: tuple[str, ...] = ()
    """Codes that stay, such as en; none given: any."""
    null: Null = "drop"


@dataclass(frozen=True)
class SimilarityRule:
    """Image-text similarity: too low does not fit, too high is often text in the picture."""

    min: Annotated[float, between(-1, 1)] = -1.0
    max: Annotated[float, between(-1, 1)] = 1.0
    null: Null = "drop"


@dataclass(frozen=True)
class NsfwRule:
    """Unsafe pictures, by category, by probability, or by both."""

    allowed: tuple[str, ...] = ()
    """Categories that stay, capitals do not matter; none given: any."""
    max_probability: Annotated[float, between(0, 1)] = 1.0
    """1 is no limit."""
    null: Null = "drop"


@dataclass(frozen=True)
class WatermarkRule:
    """Pictures with a watermark."""

    max_probability: Annotated[float, between(0, 1)] = 1.0
    """1 is no limit."""
    null: Null = "drop"


@dataclass(frozen=True)
class AestheticRule:
    """How pleasing a picture is, about 1 to 10."""

    min: Annotated[float, between(0, 10)] = 0.0
    """0 is no limit."""
    null: Null = "drop"


@dataclass(frozen=True)
class DomainRule:
    """Domains, each with its subdomains: example.org stands for img.example.org too."""

    blocked: tuple[str, ...] = ()
    blocked_files: tuple[str, ...] = ()
    """Text files, a domain on each line."""
    opt_out_files: tuple[str, ...] = ()
    """URLs and domains whose owners object: text files, one on each line, or parquet with a column url or domain."""
    cap: Annotated[int, at_least(0)] = 0
    """Most rows of one domain, the first by the documented hash; 0 is no limit."""
    cap_by: Literal["host", "site"] = "site"
    """host: i.pinimg.com. site: pinimg.com, its last two labels (three before a country: bbc.co.uk)."""


@dataclass(frozen=True)
class RulesConfig:
    """The rules, in the order in which a row meets them."""

    url: UrlRule = field(default_factory=UrlRule)
    resolution: ResolutionRule = field(default_factory=ResolutionRule)
    caption: CaptionRule = field(default_factory=CaptionRule)
    language: LanguageRule = field(default_factory=LanguageRule)
    similarity: SimilarityRule = field(default_factory=SimilarityRule)
    nsfw: NsfwRule = field(default_factory=NsfwRule)
    watermark: WatermarkRule = field(default_factory=WatermarkRule)
    aesthetic: AestheticRule = field(default_factory=AestheticRule)
    domain: DomainRule = field(default_factory=DomainRule)


@dataclass(frozen=True)
class DedupConfig:
    """Which rows count as one. Of equal ones the largest picture stays."""

    url: bool = True
    picture: bool = False
    """One row of each perceptual hash; rows without a hash stay."""
    distance: Annotated[int, between(0, FARTHEST)] = 0
    """Bits in which the hashes of near-duplicates may differ; 0 looks for none."""


@dataclass(frozen=True)
class SampleConfig:
    """How many rows stay: the first by md5 of the seed and the URL, so a smaller sample is part of a larger one."""

    share: Annotated[float, between(0, 1)] = 1.0
    """Part of the URLs that is looked at at all: cheap, for it is decided before duplicates are looked for."""
    budget: Annotated[int, at_least(0)] = 0
    """Exact number of rows in the end, or all where there are fewer; 0 is no limit."""
    seed: Annotated[int, ANY] = 0


@dataclass(frozen=True)
class WorkConfig:
    """How the work is cut. None of it changes which rows come out, or their order."""

    rows_at_once: Annotated[int, between(1, 2**31)] = 2_000_000
    """Rows of input in one task: its memory, and what a killed run does again."""
    rows_per_bucket: Annotated[int, at_least(1)] = 4_000_000
    """Rows of input for each bucket in which duplicates are looked for."""
    rows_per_file: Annotated[int, at_least(1)] = 2_000_000
    """Most rows in a file of the output."""
    memory_mb: Annotated[int, at_least(64)] = 1000
    """Memory of DuckDB in each task; beyond it, it uses the disk."""
    threads: Annotated[int, at_least(0)] = 0
    """Threads of each task; 0 shares the cores among --workers; on Ray it is one."""


@dataclass(frozen=True)
class FilterConfig:
    """One run of `majolica data filter`."""

    recipe: str = "none"
    inputs: tuple[str, ...] = ()
    """Parquet files, globs, folders, or URLs of them: s3://, gs://, hf://."""
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    rules: RulesConfig = field(default_factory=RulesConfig)
    dedup: DedupConfig = field(default_factory=DedupConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    work: WorkConfig = field(default_factory=WorkConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)


def check(config: FilterConfig) -> FilterConfig:
    """`config` itself; UserError for values that contradict one another or lie outside their range."""
    check_ranges(config)
    rules = config.rules
    for name, low, high, off in (
        ("rules.resolution.%s_side", rules.resolution.min_side, rules.resolution.max_side, 0),
        ("rules.caption.%s_chars", rules.caption.min_chars, rules.caption.max_chars, 0),
        ("rules.caption.%s_words", rules.caption.min_words, rules.caption.max_words, 0),
        ("rules.similarity.%s", rules.similarity.min, rules.similarity.max, None),
    ):
        if high != off and low > high:
            raise UserError(f"{name % 'min'} {low:g} is above {name % 'max'} {high:g}: no row would stay")
    dedup = config.dedup
    if dedup.distance and not dedup.picture:
        raise UserError("dedup.distance finds near-duplicates among perceptual hashes: turn dedup.picture on as well")
    if not dedup.url and (dedup.picture or rules.domain.cap):
        raise UserError("dedup.picture and rules.domain.cap count each URL once: leave dedup.url on")
    return config
