"""The kinds of compositions: their prompts, and when a picture of one is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from majolica.eval.compositions import tasks
from majolica.eval.compositions.examiner import Sight
from majolica.eval.compositions.tasks import MakeTasks, Task


def shows_thing(sight: Sight, task: Task) -> bool:
    """Return whether the judges see the one thing in the whole picture."""
    return (sight.whole,) == task.things


def has_background(sight: Sight, task: Task) -> bool:
    """Return whether the background has the colour that the prompt names."""
    return sight.background == task.background


def binds(sight: Sight, task: Task) -> bool:
    """Return whether both the thing and the background are right."""
    return shows_thing(sight, task) and has_background(sight, task)


def shows_all(sight: Sight, task: Task) -> bool:
    """Return whether these things are there, each as often as it is asked for, and no others."""
    return sorted(sight.parts) == sorted(task.things)


def shows_at_side(sight: Sight, task: Task) -> bool:
    """Return whether the thing is there, and in the half that is asked for."""
    return shows_thing(sight, task) and (sight.centre < 0.5) == (task.side == "left")


def shows_in_order(sight: Sight, task: Task) -> bool:
    """Return whether these things are there from the left to the right, and no others."""
    return sight.parts == task.things


@dataclass(frozen=True)
class CompositionKind:
    """A kind of composition."""

    title: str
    make: MakeTasks
    right: Callable[[Sight, Task], bool]
    things: int = 1
    """Things in a picture of it."""
    worded: bool = True
    """Whether training shows such captions, if it shows so many things."""


KINDS: Mapping[str, CompositionKind] = {
    "single": CompositionKind("a single thing", tasks.make_single, shows_thing),
    "background": CompositionKind("the colour of the background", tasks.make_backgrounds, has_background),
    "binding": CompositionKind("thing and background together", tasks.make_backgrounds, binds),
    "pair": CompositionKind("two things", tasks.make_pairs, shows_all, things=2),
    "count": CompositionKind("two of a kind", tasks.make_counts, shows_all, things=2, worded=False),
    "place": CompositionKind("a side, in words", tasks.make_places, shows_at_side, worded=False),
    "relation": CompositionKind(
        "left and right of each other", tasks.make_relations, shows_in_order, things=2, worded=False
    ),
    "place_property": CompositionKind("a side, by the property subject_x", tasks.make_property_places, shows_at_side),
}
"""The kinds by their names among the metrics, in the order of the report."""
SAME_PICTURES = {"binding": "background"}
"""Kinds that look at the pictures of another kind."""
