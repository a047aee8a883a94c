"""Configurations of the filter, each with other rules on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from majolica.config.filter import (
    AestheticRule,
    CaptionRule,
    DedupConfig,
    DomainRule,
    LanguageRule,
    NsfwRule,
    ResolutionRule,
    RulesConfig,
    SampleConfig,
    SimilarityRule,
    WatermarkRule,
)

STRICT = RulesConfig(
    resolution=ResolutionRule(min_side=150, max_side=950, max_pixels=800_000, max_aspect=3.0),
    caption=CaptionRule(min_chars=3, max_chars=30, min_words=1, max_words=5),
    language=LanguageRule(allowed=("en",)),
    similarity=SimilarityRule(min=0.22, max=0.38),
)
LENIENT = RulesConfig(
    resolution=ResolutionRule(min_side=120, null="keep"),
    caption=CaptionRule(min_words=1, null="keep"),
    language=LanguageRule(allowed=("en", "de"), null="keep"),
    similarity=SimilarityRule(min=0.21, null="keep"),
    nsfw=NsfwRule(allowed=("UNLIKELY", "UNSURE"), max_probability=0.9, null="keep"),
    watermark=WatermarkRule(max_probability=0.9, null="keep"),
    aesthetic=AestheticRule(min=3.2, null="keep"),
)
SCORES = RulesConfig(
    nsfw=NsfwRule(allowed=("UNLIKELY", "UNSURE"), max_probability=0.7),
    watermark=WatermarkRule(max_probability=0.7),
    aesthetic=AestheticRule(min=4.0),
)
ALL = {
    "rules": replace(LENIENT, domain=DomainRule(cap=25)),
    "dedup": DedupConfig(picture=True, distance=2),
    "sample": SampleConfig(share=0.9, budget=60, seed=5),
}
CASES: dict[str, dict[str, Any]] = {
    "no rules": {},
    "strict": {"rules": STRICT},
    "lenient": {"rules": LENIENT},
    "scores": {"rules": SCORES},
    "share": {"sample": SampleConfig(share=0.3, seed=7)},
    "budget": {"sample": SampleConfig(budget=77, seed=1)},
    "pictures": {"dedup": DedupConfig(picture=True)},
    "near": {"dedup": DedupConfig(picture=True, distance=4)},
    "cap of sites": {"rules": RulesConfig(domain=DomainRule(cap=17))},
    "cap of hosts": {"rules": RulesConfig(domain=DomainRule(cap=11, cap_by="host"))},
    "all": ALL,
}
