"""The sources of a mixture, opened, and their captions."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from majolica.config.data import DataConfig
from majolica.config.sources import sources_of
from majolica.data.pictures.faults import BadSample
from majolica.data.store.shards import ShardSet
from majolica.plurals import counted

log = logging.getLogger(__name__)


def open_sources(config: DataConfig) -> list[ShardSet]:
    """Open every source. Raises UserError if one cannot be read, and then none stays open."""
    with ExitStack() as opened:
        sets = [opened.enter_context(open_source(config, number)) for number in range(len(sources_of(config)))]
        opened.pop_all()
    return sets


def open_source(config: DataConfig, number: int) -> ShardSet:
    """Open one source of the mixture. Raises UserError if it cannot be read."""
    sources = sources_of(config)
    return open_shards(sources[number].shards, config, len(sources))


def open_shards(place: Path | str, config: DataConfig, parts: int = 1) -> ShardSet:
    """Open a folder or URL of shards; of the cache that `config` allows it uses one of `parts` equal parts.

    Raises UserError if it cannot be read.
    """
    cache = Path(config.remote_cache) if config.remote_cache else None
    return ShardSet(place, cache, int(config.remote_cache_gb * 1e9) // parts, config.empty_captions)


def read_captions(config: DataConfig) -> Iterator[str]:
    """Yield every readable caption of every source, in the order of the shards.

    One source is open at a time, and none is left open when the iterator ends or is dropped.
    """
    for number in range(len(sources_of(config))):
        with open_source(config, number) as shards:
            bad = 0
            for i in range(len(shards)):
                try:
                    yield shards.caption(i)
                except BadSample:
                    bad += 1
            if bad:
                log.warning("%s in %s cannot be read", counted(bad, "caption"), shards.folder)


def hash_manifests(sets: Sequence[ShardSet]) -> str:
    """Return a hash of what all sources hold; equal manifests mean the same numbering of samples."""
    if len(sets) == 1:
        return sets[0].manifest
    return hashlib.sha256("\n".join(shards.manifest for shards in sets).encode()).hexdigest()
