"""The pictures that a run is evaluated on: held-out ones, whatever the data are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from majolica.config.run import RunConfig
from majolica.config.sources import name_folder, sources_of
from majolica.data.loading.held_out import find_held_out, find_held_out_beside
from majolica.data.loading.names import NAMES, read_names
from majolica.data.loading.split import load_split
from majolica.data.pictures.frame import Fit
from majolica.eval.facts import read_json
from majolica.eval.protocol import EvalData, Split
from majolica.properties.columns import FRAME, SOURCE_FOLDER

COMBINATIONS = "combinations"
"""The folder of captions to paint beside the training shards, as `majolica data openmoji` makes it."""
LIMIT = 1024
"""The most pictures of a split that are read."""


def load_run_data(config: RunConfig, limit: int = LIMIT) -> EvalData:
    """Read what a run is evaluated on, fitted to its base resolution as in training.

    The held-out pictures are those of `data.heldout`, or of the folders `heldout` beside the shards. If there are
    none, pictures of training take their place, and `EvalData.trained_on` says so. Names are those of names.json
    beside the shards, where there is one. Raises UserError if nothing can be read.
    """
    homes = find_homes(config)
    names = dict.fromkeys(name for home in homes if (home / NAMES).is_file() for name in read_names(home))
    made = [read_json(home / "dataset.json") for home in homes]
    held_out = find_held_out(config.data)
    combinations = [str(folder) for folder in find_held_out_beside(config.data, [COMBINATIONS])]
    training = [source.shards for source in sources_of(config.data)]
    trained_on = not held_out and not combinations
    largest = min((int(each.get("resolution", 0)) for each in made), default=0)

    def read(side: int, limit: int) -> EvalData:
        return EvalData(
            tuple(names),
            read_split(training if trained_on else held_out, config, side, limit),
            read_split(combinations, config, side, limit),
            lambda side, limit: read(side, limit) if side <= largest else None,
            drawn=bool(made) and all(each.get("kind") == "openmoji" for each in made),
            trained_on=trained_on,
        )

    return read(config.model.resolution, limit)


def find_homes(config: RunConfig) -> list[Path]:
    """Find the local folders in which the training shards of a run lie."""
    places = [source.shards for source in sources_of(config.data) if "://" not in source.shards]
    return list(dict.fromkeys(Path(place).parent for place in places))


def read_split(folders: Sequence[str], config: RunConfig, side: int, limit: int) -> Split:
    """Read up to `limit` pictures of some folders of shards: equally many of each, spread evenly over it.

    Their metadata say where they lie and what was cut away, as those of training pictures do.
    """
    if not folders:
        return Split(torch.zeros(0, 3, side, side, dtype=torch.uint8), (), ())
    each = -(-limit // len(folders))
    parts = [load_split(folder, each, side, config.data.fit, spread=True, data=config.data) for folder in folders]
    return Split(
        torch.cat([images_B3HW for images_B3HW, _, _ in parts]),
        [caption for _, captions, _ in parts for caption in captions],
        [
            complete_meta(meta, name_folder(folder), config.data.fit)
            for folder, (_, _, metas) in zip(folders, parts, strict=True)
            for meta in metas
        ],
    )


def complete_meta(meta: Mapping[str, Any], source: str, fit: Fit) -> dict[str, Any]:
    """Return the metadata of a square picture with what training adds to them, which some properties are read from."""
    return {**meta, SOURCE_FOLDER: source, FRAME: 1.0 if fit == "crop" else None}
