"""Recipes for sources of metadata: named functions that return a full filter configuration."""

from __future__ import annotations

from collections.abc import Callable

from majolica.config.filter import FilterConfig
from majolica.errors import unknown_name
from majolica.recipes.filter.coyo_700m import coyo_700m
from majolica.recipes.filter.laion2b_en import laion2b_en
from majolica.recipes.filter.laion_aesthetic import laion_aesthetic
from majolica.recipes.filter.private import private

SOURCES: dict[str, Callable[[], FilterConfig]] = {
    "laion2b-en": laion2b_en,
    "laion-aesthetic": laion_aesthetic,
    "coyo-700m": coyo_700m,
    "private": private,
}


def source(name: str) -> FilterConfig:
    """Return the configuration of the source called `name`. Raises UserError, with the nearest name, if there is
    none."""
    if name not in SOURCES:
        raise unknown_name("source", name, SOURCES)
    return SOURCES[name]()


def summarise_source(name: str) -> str:
    """Return the first line of the description of a source."""
    return (SOURCES[name].__doc__ or "").strip().splitlines()[0]
