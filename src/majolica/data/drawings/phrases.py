"""Captions in plain English for the pictures of `compose`.

No caption speaks of the light, because brightness is a property that the user sets, so the text must not say it. Words
about sides ("left of") are avoided too, because training may mirror pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from majolica.text.articles import with_article

WITH_BACKGROUND = (
    "{thing} on {a_background} background",
    "{thing} on {background}",
    "a picture of {thing} on {a_background} background",
    "a drawing of {thing} on {a_background} background",
    "{thing} in front of {a_background} background",
    "{a_background} background with {thing}",
)
WITHOUT_BACKGROUND = (
    "{thing}",
    "{bare}",
    "a picture of {thing}",
    "a drawing of {thing}",
    "an illustration of {thing}",
)
PAIRS = ("{} next to {}", "{} and {}", "{} beside {}")


def caption(rng: np.random.Generator, names: Sequence[str], background: str, named: bool) -> str:
    """Return a caption of one or more things. If `named`, it names the background."""
    order = [names[i] for i in rng.permutation(len(names))]
    templates = WITH_BACKGROUND if named else WITHOUT_BACKGROUND
    template = templates[int(rng.integers(len(templates)))]
    thing, bare = with_article(order[0]), order[0]
    for name in order[1:]:
        pair = PAIRS[int(rng.integers(len(PAIRS)))]
        thing, bare = pair.format(thing, with_article(name)), pair.format(bare, name)
    return template.format(thing=thing, bare=bare, background=background, a_background=with_article(background))


def names_background(text: str, background: str) -> bool:
    """Return whether a caption that `caption` made says that the background is this one."""
    return text.endswith(f"on {background}") or f"{with_article(background)} background" in text
