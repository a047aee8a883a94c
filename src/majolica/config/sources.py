"""The sources of the mixture that a run reads."""

from __future__ import annotations

from majolica.config.run import DataConfig, SourceConfig


def sources_of(config: DataConfig) -> tuple[SourceConfig, ...]:
    """Return the sources that a configuration names: those in `sources`, or else the one folder `shards`."""
    return config.sources or (SourceConfig(config.shards),)
