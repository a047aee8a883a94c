"""Recipes: named functions that return a full run configuration. To add one, write a function, and a line here."""

from __future__ import annotations

from collections.abc import Callable

from majolica.config.run import RunConfig
from majolica.errors import UserError, unknown_name
from majolica.recipes.drawings import art, demo, nano
from majolica.recipes.photographs import base, large, reference, small, xlarge

RECIPES: dict[str, Callable[[], RunConfig]] = {
    "demo": demo,
    "nano": nano,
    "art": art,
    "small": small,
    "base": base,
    "large": large,
    "xlarge": xlarge,
    "reference": reference,
}
"""The recipes, in the order in which the help lists them."""


def recipe(name: str) -> RunConfig:
    """Return the configuration of the recipe called `name`. Raises UserError, with the nearest name, if there is
    none."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]()


def recipe_of_file(name: str) -> RunConfig:
    """Return the recipe that a configuration file names, which says what the file leaves out.

    Raises UserError if the file names none, or one that is not known.
    """
    if not name:
        raise UserError(f"say which recipe it changes, as in `recipe: nano` ({', '.join(RECIPES)})")
    return recipe(name)


def summarise_recipe(name: str) -> str:
    """Return the first line of the description of a recipe."""
    return (RECIPES[name].__doc__ or "").strip().splitlines()[0]
