"""The sources of the mixture that a run reads."""

from __future__ import annotations

from majolica.config.data import DataConfig, SourceConfig

SAYS_NOTHING = ("train", "heldout", "shards")
"""Names of folders that do not say where their pictures come from."""


def sources_of(config: DataConfig) -> tuple[SourceConfig, ...]:
    """Return the sources that a configuration names: those in `sources`, or else the one folder `shards`."""
    return config.sources or (SourceConfig(config.shards),)


def spell_place_options(config: DataConfig) -> str:
    """Return the options that say where the data lie, as they are typed."""
    if not config.sources:
        return "--data.shards"
    return " to ".join(dict.fromkeys(f"--data.sources.{number}.shards" for number in (0, len(config.sources) - 1)))


def name_sources(config: DataConfig) -> tuple[str, ...]:
    """The name of each source, that of its folder."""
    return tuple(name_folder(source.shards) for source in sources_of(config))


def name_folder(shards: str) -> str:
    """The name of a folder of shards, or that of the folder around it where its own says nothing, as `train`."""
    parts = [part for part in shards.split("/") if part not in ("", ".", "..")]
    telling = [part for part in parts if part.lower() not in SAYS_NOTHING]
    return (telling or parts or [""])[-1]
