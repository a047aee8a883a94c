"""What `majolica data filter` is told: which columns to read, which rows stay, and how many of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from majolica.config.bounds import ANY, at_least, at_least_or_off, between, check_ranges
from majolica.config.engine import EngineConfig
from majolica.errors import UserError

Null = Literal["keep", "drop"]
"""What a rule that is on does with a row whose value is unknown."""

FARTHEST = 6
"""Largest Hamming distance of near-duplicates. Beyond it the search grows too fast, and pictures differ."""


@dataclass(frozen=True)
class ColumnsConfig:
    """Names under which a file may keep each column. The first match counts, and capitals do not matter."""

    url: tuple[str, ...] = ("url",)
    text: tuple[str, ...] = ("text", "caption", "alt_text")
    id: tuple[str, ...] = ("id", "sample_id", "key")
    width: tuple[str, ...] = ("width", "original_width")
    height: tuple[str, ...] = ("height", "original_height")
    license: tuple[str, ...] = ("license",)
    language: tuple[str, ...] = ("language", "lang")
    similarity: tuple[str, ...] = ("similarity", "clip_similarity_vitb32", "clip_similarity_vitl14")
    """Cosine of the CLIP embeddings of picture and caption."""
    nsfw: tuple[str, ...] = ("nsfw",)
    """A column of text with a category, such as LAION's UNLIKELY, UNSURE and NSFW."""
    punsafe: tuple[str, ...] = ("punsafe", "nsfw_score_opennsfw2", "nsfw_score_gantman", "nsfw")
    """A column of probabilities; a column `nsfw` counts if it holds numbers."""
    pwatermark: tuple[str, ...] = ("pwatermark", "watermark_score")
    aesthetic: tuple[str, ...] = ("aesthetic", "aesthetic_score", "aesthetic_score_laion_v2")
    phash: tuple[str, ...] = ("phash", "image_phash", "hash")
    """64-bit perceptual hash, as 16 hexadecimal digits or as a whole number."""


@dataclass(frozen=True)
class UrlRule:
    """Rules for URLs. Rows without a URL are always left out."""

    schemes: tuple[str, ...] = ("http", "https")
    """Schemes that stay. If none is given, any scheme stays."""


@dataclass(frozen=True)
class ResolutionRule:
    """Limits of the size in pixels; 0 is no limit."""

    min_side: Annotated[int, at_least(0)] = 0
    max_side: Annotated[int, at_least(0)] = 0
    max_pixels: Annotated[int, at_least(0)] = 0
    max_aspect: Annotated[float, at_least_or_off(1)] = 0.0
    """The most that the longer side may be, as a multiple of the shorter side."""
    null: Null = "drop"


@dataclass(frozen=True)
class CaptionRule:
    """Limits of the length of the caption, without the blanks around it; 0 is no limit."""

    min_chars: Annotated[int, at_least(0)] = 0
    max_chars: Annotated[int, at_least(0)] = 0
    min_words: Annotated[int, at_least(0)] = 0
    """Words are separated by blanks, tabs and line breaks."""
    max_words: Annotated[int, at_least(0)] = 0
    null: Null = "drop"


@dataclass(frozen=True)
class LanguageRule:
    """Language of the caption."""

    allowed: tuple[str, ...] = ()
    """Codes of languages that stay, such as en. If none is given, any language stays."""
    null: Null = "drop"


@dataclass(frozen=True)
class SimilarityRule:
    """Similarity of picture and caption. If it is too low they do not fit; if it is very high, the caption is often
    written in the picture."""

    min: Annotated[float, between(-1, 1)] = -1.0
    max: Annotated[float, between(-1, 1)] = 1.0
    null: Null = "drop"


@dataclass(frozen=True)
class NsfwRule:
    """Unsafe pictures, by category, by probability, or by both."""

    allowed: tuple[str, ...] = ()
    """Categories that stay; capitals do not matter. If none is given, any category stays."""
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
    """Aesthetic score: how pleasing a picture is, from about 1 to 10."""

    min: Annotated[float, between(0, 10)] = 0.0
    """0 is no limit."""
    null: Null = "drop"


@dataclass(frozen=True)
class DomainRule:
    """Domains, each with its subdomains: example.org stands for img.example.org as well."""

    blocked: tuple[str, ...] = ()
    blocked_files: tuple[str, ...] = ()
    """Text files that list domains, one on each line."""
    opt_out_files: tuple[str, ...] = ()
    """Lists of URLs and domains whose owners object to the use: text files with one on each line, or parquet files with
    a column url or domain. A URL covers every spelling for which fetching would ask for the same thing."""
    cap: Annotated[int, at_least(0)] = 0
    """The most rows of one domain; the first by the documented hash stay. 0 is no limit."""
    cap_by: Literal["host", "site"] = "site"
    """What counts as a domain for the cap. `host` is i.pinimg.com; `site` is pinimg.com, the last two labels of the
    host (three before a country: bbc.co.uk)."""


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
    """Which rows count as the same. Of rows that are the same, the one with the largest picture stays."""

    url: bool = True
    picture: bool = False
    """Keep one row of each perceptual hash; rows without a hash stay."""
    distance: Annotated[int, between(0, FARTHEST)] = 0
    """How many bits the hashes of near-duplicates may differ in; 0 looks for no near-duplicates."""


@dataclass(frozen=True)
class SampleConfig:
    """How many rows stay. These are the first by md5 of the seed and the URL, so a smaller sample is part of a larger
    one."""

    share: Annotated[float, between(0, 1)] = 1.0
    """Share of the URLs that is considered at all. It saves work, because it is decided before duplicates are looked
    for."""
    budget: Annotated[int, at_least(0)] = 0
    """Exact number of rows in the end, or all rows if there are fewer; 0 is no limit."""
    seed: Annotated[int, ANY] = 0


@dataclass(frozen=True)
class WorkConfig:
    """How the work is divided. None of this changes which rows come out, or their order."""

    rows_at_once: Annotated[int, between(1, 2**31)] = 2_000_000
    """Rows of input in one task. This decides how much memory a task takes, and how much a killed run does again."""
    rows_per_bucket: Annotated[int, at_least(1)] = 4_000_000
    """Rows of input for each of the buckets within which duplicates are looked for."""
    rows_per_file: Annotated[int, at_least(1)] = 2_000_000
    """The most rows in a file of the output."""
    memory_mb: Annotated[int, at_least(64)] = 1000
    """Memory of DuckDB in each task, in megabytes; if it needs more, it uses the disk."""
    threads: Annotated[int, at_least(0)] = 0
    """Threads of each task. 0 shares the cores among --workers; on Ray it is one thread."""


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


def check_filter(config: FilterConfig) -> FilterConfig:
    """Return `config` itself. Raises UserError for values that contradict each other or lie outside of their range."""
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
