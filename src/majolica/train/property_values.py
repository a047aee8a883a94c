"""What values the properties have among the training pictures, measured before a run begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor

from majolica.config.run import RunConfig
from majolica.data.loading.loader import Loader, LoaderSizes
from majolica.plurals import counted
from majolica.properties.categories import EncodeName, NameTable, Numbering
from majolica.properties.quantiles import fit_quantiles, load_categories, load_quantiles, save_quantiles
from majolica.properties.registry import choose_categories, choose_columns, find_property, measure_all
from majolica.run.weights import home_of
from majolica.train.warm_properties import declared_properties

PICTURES = 1024
BATCH = 64
LEAST_SPREAD = 1e-3
"""The share of its range that a property has to vary over to be learned; smaller differences count as none."""
MOST_OUTSIDE = 0.01
"""The share of the pictures in which a user's measure may give values outside of the range that its file states."""


def measure_property_values(config: RunConfig, folder: Path) -> list[str]:
    """Write the quantiles of the properties and the names of categories to the run folder.

    They are those of the first pictures in the order of training. Returns a line for each property that cannot be
    learned from them.
    """
    names = config.model.properties
    if not names:
        return []
    found, categories = survey_values(names, config)
    quantiles, tables = _inherited(config)
    knots = {name: fit_quantiles(find_property(name), values_N) for name, values_N in found.items()}
    save_quantiles(folder, knots | quantiles, categories | tables)
    new = [name for name in names if name not in quantiles]
    reasons = [explain_unlearnable(name, found[name], categories.get(name, NameTable())) for name in new]
    return [f"{reason}: the run cannot learn to set it" for reason in reasons if reason]


def survey_values(names: Sequence[str], config: RunConfig) -> tuple[dict[str, Tensor], dict[str, NameTable]]:
    """The values `(N,)` of each property in the first `PICTURES` of training, and the names of the categories.

    The values of a category are numbers of the survey, which only tell whether a picture has a name.
    """
    numberings = {name: Numbering() for name in choose_categories(names)}
    found = dict(zip(names, _measure_first_pictures(names, config, numberings).T, strict=True))
    return found, {name: numbering.choose(found[name].tolist()) for name, numbering in numberings.items()}


def explain_unlearnable(name: str, values_N: Tensor, table: NameTable) -> str:
    """Why a property cannot be learned from its values in the first pictures, or "" if it can.

    Values beyond the range are a fault of a user's own measure only: nobody can ask for them.
    """
    entry, values_N = find_property(name), values_N[values_N.isfinite()]
    if not len(values_N):
        return f"{name} has no value in any of the first pictures"
    if entry.is_category:
        return f"{name} is {table.names[0]!r} in all of the first pictures" if len(table.names) == 1 else ""
    low, high, least = values_N.min().item(), values_N.max().item(), LEAST_SPREAD * entry.span
    outside = int(((values_N < entry.low - least) | (values_N > entry.high + least)).sum())
    if entry.source and outside > MOST_OUTSIDE * len(values_N):
        end = f"outside of its range from {entry.low:g} to {entry.high:g}"
        count = counted(len(values_N), "picture")
        return f"{name} measures {low:g} to {high:g}, {end} in {outside:,} of the first {count}"
    if high - low <= least:
        return f"{name} hardly varies in the first pictures, from {low:g} to {high:g}"
    return ""


def _measure_first_pictures(names: Sequence[str], config: RunConfig, categories: Mapping[str, EncodeName]) -> Tensor:
    """The properties of the first `PICTURES`, `(N, P)`; `categories` say which value a name has."""
    data = dataclasses.replace(config.data, cache=False, ahead=1)
    size = LoaderSizes(config.model.resolution, patch=config.model.patch)
    columns = choose_columns(names)
    with closing(Loader(data, BATCH, size, config.train.seed, columns=columns, categories=categories)) as loader:
        batches = (next(loader) for _ in range(PICTURES // BATCH))
        parts = [measure_all(names, batch.images_B3HW.float() / 255, batch.columns) for batch in batches]
    return torch.cat(parts)


def _inherited(config: RunConfig) -> tuple[dict[str, Tensor], dict[str, NameTable]]:
    """The quantiles and names of the run whose weights this one begins with: its encoder has learned their places."""
    if not config.train.init_from:
        return {}, {}
    home = home_of(Path(config.train.init_from))
    theirs = declared_properties(Path(config.train.init_from)) or ()
    shared = [name for name in config.model.properties if name in theirs]
    tables = {name: table for name, table in load_categories(home, shared).items() if table.names}
    return dict(zip(shared, load_quantiles(home, shared), strict=True)), tables
