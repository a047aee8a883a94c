"""COYO-700M: 747 million pairs from Common Crawl, scored but hardly filtered; 580 million distinct pictures."""

from __future__ import annotations

from majolica.config.filter import (
    CaptionRule,
    ColumnsConfig,
    DedupConfig,
    FilterConfig,
    NsfwRule,
    ResolutionRule,
    RulesConfig,
    SimilarityRule,
    WatermarkRule,
)
from majolica.recipes.filter.domains import WEB


def coyo_700m() -> FilterConfig:
    """COYO-700M: at least 256 px, safe, no watermark, one row of each perceptual hash."""
    return FilterConfig(
        recipe="coyo-700m",
        columns=ColumnsConfig(
            # B/32 comes first, because LAION's similarity has the same scale. OpenNSFW2 makes fewer errors on drawings.
            similarity=("clip_similarity_vitb32", "clip_similarity_vitl14"),
            punsafe=("nsfw_score_opennsfw2", "nsfw_score_gantman"),
        ),
        rules=RulesConfig(
            resolution=ResolutionRule(min_side=256, max_pixels=89_478_485, max_aspect=3.0),
            caption=CaptionRule(min_chars=5, max_chars=1000, min_words=3, max_words=256),
            # Its makers did not filter the set, so this limit matters more than for LAION; 0.28 is LAION-2B-en's.
            similarity=SimilarityRule(min=0.28),
            nsfw=NsfwRule(max_probability=0.3),
            watermark=WatermarkRule(max_probability=0.8),
            domain=WEB,
        ),
        # 22 % of the rows repeat another row's picture.
        dedup=DedupConfig(url=True, picture=True),
    )
