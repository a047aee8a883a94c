"""LAION-Aesthetics: subsets of LAION-5B with a predicted aesthetic score, 120 million and more at 4.5 and above."""

from __future__ import annotations

from majolica.config.filter import (
    AestheticRule,
    CaptionRule,
    DedupConfig,
    FilterConfig,
    NsfwRule,
    ResolutionRule,
    RulesConfig,
    WatermarkRule,
)
from majolica.recipes.filter.domains import WEB


def laion_aesthetic() -> FilterConfig:
    """LAION-Aesthetics: score 5 and above, at least 512 px, strict on watermarks and safety."""
    return FilterConfig(
        recipe="laion-aesthetic",
        rules=RulesConfig(
            # These pictures are for the later part of training, where detail matters, so they are larger than 256 px.
            resolution=ResolutionRule(min_side=512, max_pixels=89_478_485, max_aspect=2.5),
            caption=CaptionRule(min_chars=5, max_chars=1000, min_words=2),
            # These subsets carry punsafe and pwatermark, so an unknown value is suspicious.
            nsfw=NsfwRule(max_probability=0.1, null="drop"),
            watermark=WatermarkRule(max_probability=0.5, null="drop"),
            aesthetic=AestheticRule(min=5.0, null="drop"),
            domain=WEB,
        ),
        dedup=DedupConfig(url=True),
    )
