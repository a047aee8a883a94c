"""Prompts that compose things, as GenEval asks for them, and real renders of what they say.

The kinds are those of Ghosh et al., "GenEval" (arXiv 2310.11513), as far as the drawings have them: a single thing,
two things, a number of things, a colour (that of the background), a place, and a colour together with its thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from majolica.data.drawings.compose import BACKGROUNDS, Sample, compose
from majolica.data.drawings.openmoji import find_drawings
from majolica.data.loading.split import space_evenly
from majolica.errors import UserError
from majolica.text.articles import takes_none, with_article

SIDES = ("left", "right")
AT = {"left": 0.4, "right": 0.6}
"""Where the property `subject_x` is set for a side: within what the drawings show, which fill most of a picture."""
OFF_CENTRE = 0.04
"""Least distance of a real thing's centre from the middle, in units of the side, for it to be at a side."""
TRIES = 500
"""Renders that are drawn at most until one shows what a task asks for."""


@dataclass(frozen=True)
class Task:
    """One prompt, and what a picture of it has to show."""

    prompt: str
    things: tuple[str, ...]
    """The names of its things; where the prompt says so, from the left to the right."""
    background: str = ""
    """The name of the background, if the prompt names it."""
    side: str = ""
    """The half that the thing is in, if the prompt says it: one of `SIDES`."""
    properties: Mapping[str, float] = field(default_factory=dict)


def pluralise(name: str) -> str:
    """Return the plural of the name of one thing, or "" if it has no regular one, as names of several words may not."""
    words = name.split()
    last = words[-1] if words else ""
    if takes_none(name.lower()) or len(words) > 2 or not last.isalpha() or last in _IRREGULAR:
        return ""
    if last.endswith("y") and last[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if last.endswith(("s", "x", "z", "ch", "sh")) else f"{name}s"


_IRREGULAR = frozenset(
    {"fish", "sheep", "deer", "mouse", "goose", "ox", "man", "woman", "child", "person", "foot", "tooth", "leaf"}
    | {"wolf", "knife", "loaf", "scarf", "calf", "shelf", "potato", "tomato", "mango", "dice", "shrimp", "squid"}
)


def make_single(names: Sequence[str], count: int) -> list[Task]:
    """Make prompts of one thing alone."""
    return [Task(with_article(name), (name,)) for name in _take(names, count)]


def make_backgrounds(names: Sequence[str], count: int) -> list[Task]:
    """Make prompts of a thing on a background. Things and backgrounds take turns, so that their pairs vary."""
    grounds = list(BACKGROUNDS)
    tasks = []
    for i, name in enumerate(_take(names, count)):
        ground = grounds[(i + i // len(grounds)) % len(grounds)]
        tasks.append(Task(f"{with_article(name)} on {with_article(ground)} background", (name,), background=ground))
    return tasks


def make_pairs(names: Sequence[str], count: int) -> list[Task]:
    """Make prompts of two different things."""
    return [
        Task(f"{with_article(first)} and {with_article(second)}", (first, second))
        for first, second in _take_pairs(names, count)
    ]


def make_counts(names: Sequence[str], count: int) -> list[Task]:
    """Make prompts of two things of one name, for the names that have a regular plural."""
    counted = [name for name in names if pluralise(name)]
    return [Task(f"two {pluralise(name)}", (name, name)) for name in _take(counted, count)]


def make_places(names: Sequence[str], count: int) -> list[Task]:
    """Make prompts of a thing at one side."""
    return [
        Task(f"{with_article(name)} on the {SIDES[i % 2]}", (name,), side=SIDES[i % 2])
        for i, name in enumerate(_take(names, count))
    ]


def make_property_places(names: Sequence[str], count: int) -> list[Task]:
    """Make prompts of a thing whose side the property `subject_x` says, and not the words."""
    return [
        Task(with_article(name), (name,), side=SIDES[i % 2], properties={"subject_x": AT[SIDES[i % 2]]})
        for i, name in enumerate(_take(names, count))
    ]


def make_relations(names: Sequence[str], count: int) -> list[Task]:
    """Make prompts of a thing to the left or to the right of another."""
    tasks = []
    for i, (first, second) in enumerate(_take_pairs(names, count)):
        side = SIDES[i % 2]
        order = (first, second) if side == "left" else (second, first)
        tasks.append(Task(f"{with_article(first)} to the {side} of {with_article(second)}", order))
    return tasks


MakeTasks = Callable[[Sequence[str], int], list[Task]]


def _take(names: Sequence[str], count: int) -> list[str]:
    """Return `count` names: evenly spaced ones, or all of them in turn."""
    if count <= len(names):
        return [names[i] for i in space_evenly(len(names), count)]
    return [names[i % len(names)] for i in range(count)] if names else []


def _take_pairs(names: Sequence[str], count: int) -> list[tuple[str, str]]:
    """Return `count` pairs of different names; none if there is only one name."""
    if len(names) < 2:
        return []
    rng = np.random.default_rng(len(names))
    firsts = _take(names, count)
    return [(first, str(rng.choice([name for name in names if name != first]))) for first in firsts]


def render_task(task: Task, resolution: int, seed: Sequence[int]) -> Sample:
    """Render a picture of a task, as `majolica data openmoji` composes them; it depends on the seed alone.

    Raises UserError if chance gives none in `TRIES` renders.
    """
    chosen = find_drawings(list(task.things))
    only = frozenset({(task.things[0], task.background)}) if task.background else None
    for attempt in range(TRIES):
        rng = np.random.default_rng([*seed, attempt])
        sample = compose(rng, chosen, resolution, len(chosen), only=only)
        if _fits(task, sample):
            return sample
    raise UserError(f"no render of {task.prompt!r} was found in {TRIES} tries")


def _fits(task: Task, sample: Sample) -> bool:
    """Return whether a render shows what a task asks for."""
    names, boxes = sample.meta["names"], sample.meta["boxes"]
    if len(names) < len(task.things) or (len(names) > 1 and tuple(names) != task.things):
        return False
    if not task.side:
        return True
    left, _, right, _ = boxes[0]
    off = (float(left) + float(right)) / 2 - 0.5
    return off < -OFF_CENTRE if task.side == "left" else off > OFF_CENTRE
