"""Captions in plain English for what `compose` drew.

No caption speaks of the light: brightness is a property that is dialled, so text must not carry it. Words
about sides ("left of") are avoided too, because training flips pictures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

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

# Names that take no article although they look singular.
_BARE = frozenset(
    {
        "ice",
        "bacon",
        "soap",
        "fog",
        "spaghetti",
        "salt",
        "butter",
        "garlic",
        "bread",
        "cooked rice",
        "curry rice",
        "DNA",
    }
    | {
        "popcorn",
        "falafel",
        "wood",
        "coral",
        "sake",
        "oden",
        "thread",
        "yarn",
        "sushi",
        "shaved ice",
        "luggage",
    }
    | {"canned food", "Mount Fuji", "skis"}
)
_SINGULAR_ENDINGS = ("ss", "us", "is", "ros")
_JOINING = re.compile(r" (?:with|without|on|over|of|at|and|in|showing) ")
_CONSONANT_SOUND = ("uni", "one", "euro", "use", "ufo", "ewe")
_VOWEL_SOUND = ("hour", "x-ray", "honest")


def with_article(name: str) -> str:
    """Return "an umbrella" for "umbrella", "a unicorn" for "unicorn", "grapes" as it is."""
    head = _JOINING.split(name)[0]
    plural = head.endswith("s") and not head.endswith(_SINGULAR_ENDINGS)
    if plural or name in _BARE:
        return name
    low = name.lower()
    vowel = (low[0] in "aeiou" and not low.startswith(_CONSONANT_SOUND)) or low.startswith(_VOWEL_SOUND)
    return f"{'an' if vowel else 'a'} {name}"


def caption(rng: np.random.Generator, names: Sequence[str], background: str, named: bool) -> str:
    """Return a caption of one or more things; it names the background when `named`."""
    order = [names[i] for i in rng.permutation(len(names))]
    templates = WITH_BACKGROUND if named else WITHOUT_BACKGROUND
    template = templates[int(rng.integers(len(templates)))]
    thing, bare = with_article(order[0]), order[0]
    for name in order[1:]:
        pair = PAIRS[int(rng.integers(len(PAIRS)))]
        thing, bare = pair.format(thing, with_article(name)), pair.format(bare, name)
    return template.format(thing=thing, bare=bare, background=background, a_background=with_article(background))
