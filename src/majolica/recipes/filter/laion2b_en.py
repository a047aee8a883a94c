"""LAION-2B-en: 2.3 billion English pairs from Common Crawl, already above a CLIP similarity of 0.28."""

from __future__ import annotations

from majolica.config.filter import (
    CaptionRule,
    DedupConfig,
    FilterConfig,
    NsfwRule,
    ResolutionRule,
    RulesConfig,
    SimilarityRule,
    WatermarkRule,
)
from majolica.recipes.filter.domains import WEB


def laion2b_en() -> FilterConfig:
    """LAION-2B-en, its joined copies included: at least 256 px, safe, no watermark, captions of 3 words and more."""
    return FilterConfig(
        recipe="laion2b-en",
        rules=RulesConfig(
            # The model trains at 256 px. Strips and banners beyond 3:1 lose most of themselves to a square crop.
            resolution=ResolutionRule(min_side=256, max_pixels=89_478_485, max_aspect=3.0),
            # One or two words are mostly file names and brands; above 1,000 characters it is page text.
            caption=CaptionRule(min_chars=5, max_chars=1000, min_words=3, max_words=256),
            # There is no language rule, because its makers chose English captions and there is no column of languages.
            # For laion2B-multi add --rules.language.allowed en.
            # The similarity is that of CLIP B/32. The set was cut at 0.28 already; 0.30 is the limit of LAION-400M.
            similarity=SimilarityRule(min=0.30),
            # Every copy has the category, but only joined copies have the probability, so unknown values are kept.
            nsfw=NsfwRule(allowed=("UNLIKELY",), max_probability=0.3, null="keep"),
            watermark=WatermarkRule(max_probability=0.8, null="keep"),
            domain=WEB,
        ),
        # dedup.picture is off: as far as we know, the `hash` in joined copies is that of URL and caption.
        dedup=DedupConfig(url=True),
    )
