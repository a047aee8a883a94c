"""The sources of the mixture that a run reads."""

from __future__ import annotations

from majolica.config.run import DataConfig, SourceConfig


def sources_of(config: DataConfig) -> tuple[SourceConfig, ...]:
    """The mixture that a configuration names: its sources, or its one folder of shards."""
    return config.sources or (SourceConfig(config.shards),)
