"""A private collection of high-resolution pictures, described by a table of one's own."""

from __future__ import annotations

from majolica.config.filter import CaptionRule, DedupConfig, FilterConfig, ResolutionRule, RulesConfig, UrlRule


def private() -> FilterConfig:
    """Your own pictures: any address, at least 1,024 px, a caption; nothing else is assumed to be known."""
    return FilterConfig(
        recipe="private",
        rules=RulesConfig(
            # Paths, file:// and s3:// are allowed here, because nobody else wrote the table.
            url=UrlRule(schemes=()),
            # The pictures are for training at high resolution. A table may lack sizes: they are measured when packed.
            resolution=ResolutionRule(min_side=1024, null="keep"),
            caption=CaptionRule(min_chars=1),
        ),
        dedup=DedupConfig(url=True),
    )
