"""Compositions: perfect painters pass, and each mistake costs the kinds that ask for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.data.drawings.compose import BACKGROUNDS, compose
from majolica.data.drawings.openmoji import find_drawings
from majolica.errors import UserError
from majolica.eval.compositions.examiner import Examiner, Grounds, box_of
from majolica.eval.compositions.foreground import find_things
from majolica.eval.compositions.kinds import KINDS
from majolica.eval.compositions.tasks import Task, make_counts, make_pairs, make_relations, pluralise, render_task
from majolica.eval.evaluators.compositions import Compositions
from majolica.eval.protocol import EvalData, Split, Table
from majolica.sampling.request import PaintRequest

NAMES = ("red apple", "banana", "umbrella", "cactus")
SIDE = 48


class ShapePanel:
    """Judges that name a thing by the shape of its silhouette alone: that of the nearest render."""

    names = NAMES

    def __init__(self) -> None:
        alone = [render_task(Task("", (NAMES[i % 4],)), SIDE, [1, i]) for i in range(160)]
        self.shapes = self.shape(torch.stack([picture(sample) for sample in alone]))

    def shape(self, images_B3HW: Tensor) -> Tensor:
        """The silhouette of all things, in a frame of 12 x 12 around them."""
        found = []
        for things_HW in find_things(images_B3HW).things_BHW:
            top, bottom, left, right = box_of(things_HW) if things_HW.any() else (0, 1, 0, 1)
            cut = things_HW[top:bottom, left:right].float()[None, None]
            found.append(F.interpolate(cut, (12, 12), mode="bilinear", antialias=True).flatten())
        return torch.stack(found)

    def answer(self, images_B3HW: Tensor) -> Tensor:
        nearest = torch.cdist(self.shape(images_B3HW), self.shapes).argmin(1) % 4
        return F.one_hot(nearest, 5).float().expand(2, -1, -1)


def picture(sample: Any) -> Tensor:
    return torch.from_numpy(sample.image).permute(2, 0, 1)


class Painter:
    """Renders what a prompt says, after `change` has misunderstood it."""

    def __init__(self, change: Callable[[Task], Task] = lambda task: task) -> None:
        self.change = change
        self.painted = 0

    def paint_request(self, request: PaintRequest) -> Tensor:
        every = [task for kind in KINDS.values() for task in kind.make(NAMES, COUNT)]
        found = []
        for i, prompt in enumerate(request.prompts):
            task = next(t for t in every if t.prompt == prompt and dict(t.properties) == dict(request.properties))
            found.append(picture(render_task(self.change(task), SIDE, [9, i])))
        self.painted += len(found)
        return torch.stack(found)


COUNT = 12


@pytest.fixture(scope="module")
def panel() -> Any:
    return ShapePanel()


@pytest.fixture(scope="module")
def grounds() -> Grounds:
    return Grounds.learn(NAMES, SIDE)


@pytest.fixture(autouse=True)
def learn_once(grounds: Grounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """The colours of backgrounds take a second to learn, and are the same in all tests."""
    monkeypatch.setattr(Grounds, "learn", lambda *_: grounds)


@pytest.fixture(scope="module")
def data() -> EvalData:
    nothing = Split(torch.zeros(0, 3, SIDE, SIDE).byte(), (), ())
    one = Split(torch.zeros(1, 3, SIDE, SIDE).byte(), ("a banana",), ({"names": ["banana"]},))
    return EvalData(NAMES, one, nothing, drawn=True)


def measure(panel: Any, data: EvalData, change: Callable[[Task], Task] = lambda task: task) -> Any:
    painter: Any = Painter(change)
    evaluator = Compositions(panel, ("subject_x",), COUNT, renders=1)
    result = evaluator(painter, data)
    assert painter.painted == evaluator.count_paintings(data) == 7 * COUNT
    return result


def test_a_perfect_painter_passes(panel: Any, data: EvalData) -> None:
    result = measure(panel, data)
    for name in KINDS:
        assert result.metrics[f"composition_{name}"] >= 0.9, name
        assert result.metrics[f"composition_{name}_real"] >= 0.9, name
    table = result.parts[0]
    assert isinstance(table, Table)
    shown = {row[0]: row[1] for row in table.rows}
    assert shown["a single thing"] == "yes" and shown["two things"] == shown["a side, in words"] == "no"
    low, high = result.intervals["composition"]
    assert low <= result.metrics["composition"] <= high
    assert result.protocol["data_sha256"] == data.sha256 and result.protocol["pictures"] == COUNT
    assert result.parts[1].html.count("<figure>") == 6 * 7


def test_a_painter_of_single_things_fails_where_two_are_asked_for(panel: Any, data: EvalData) -> None:
    result = measure(panel, data, lambda task: dataclasses.replace(task, things=task.things[:1]))
    for name in ("pair", "count", "relation"):
        assert result.metrics[f"composition_{name}"] == 0, name
        assert result.metrics[f"composition_{name}_real"] >= 0.9, name
    assert result.metrics["composition_single"] >= 0.9


def test_a_painter_that_mixes_up_sides_and_backgrounds_fails_there_alone(panel: Any, data: EvalData) -> None:
    other = {"left": "right", "right": "left", "": ""}
    grounds = dict(zip(BACKGROUNDS, [*list(BACKGROUNDS)[3:], *list(BACKGROUNDS)[:3]], strict=True))

    def mix_up(task: Task) -> Task:
        ground = grounds.get(task.background, "")
        return dataclasses.replace(task, things=task.things[::-1], side=other[task.side], background=ground)

    metrics = measure(panel, data, mix_up).metrics
    for name in ("background", "binding", "place", "place_property"):
        assert metrics[f"composition_{name}"] <= 0.1, name
    assert metrics["composition_relation"] == 0
    for name in ("single", "pair", "count"):
        assert metrics[f"composition_{name}"] >= 0.9, name


def test_another_thing_is_no_binding(panel: Any, data: EvalData) -> None:
    def mistake(task: Task) -> Task:
        return dataclasses.replace(task, things=tuple(NAMES[(NAMES.index(name) + 1) % 4] for name in task.things))

    metrics = measure(panel, data, mistake).metrics
    assert metrics["composition_background"] >= 0.8 and metrics["composition_binding"] <= 0.1
    assert metrics["composition_single"] == metrics["composition_place"] == 0


def test_backgrounds_are_named_in_any_light(panel: Any, grounds: Grounds) -> None:
    examiner = Examiner(panel, grounds)
    samples = [compose(np.random.default_rng([5, i]), find_drawings(list(NAMES)), SIDE) for i in range(300)]
    sights = examiner.look(torch.stack([picture(sample) for sample in samples]))
    right = [sight.background == sample.meta["background"] for sight, sample in zip(sights, samples, strict=True)]
    assert sum(right) / 300 >= 0.95
    wrong = {sample.meta["background"] for sample, yes in zip(samples, right, strict=True) if not yes}
    assert wrong <= {"white", "grey", "teal", "dark green", "dark blue"}, "the light makes no other names alike"


def test_things_lie_where_they_were_drawn(panel: Any, grounds: Grounds) -> None:
    examiner = Examiner(panel, grounds)
    samples = [compose(np.random.default_rng([6, i]), find_drawings(list(NAMES)), SIDE) for i in range(100)]
    sights = examiner.look(torch.stack([picture(sample) for sample in samples]))
    middles = [(sample.meta["boxes"][0][0] + sample.meta["boxes"][0][2]) / 2 for sample in samples]
    away = [abs(sight.centre - middle) for sight, middle in zip(sights, middles, strict=True)]
    assert sorted(away)[98] <= 1.5 / SIDE
    assert sum(len(sight.parts) == 1 for sight in sights) >= 98


def test_an_empty_picture_and_a_large_one_are_looked_at(panel: Any, grounds: Grounds) -> None:
    examiner = Examiner(panel, grounds)
    teal = torch.tensor(BACKGROUNDS["teal"], dtype=torch.uint8).view(1, 3, 1, 1)
    sight = examiner.look(teal.expand(1, 3, 96, 128).contiguous())[0]
    assert sight.parts == () and sight.background == "teal" and np.isnan(sight.centre)
    assert sight.describe(alone=False) == "nothing on teal"
    two = render_task(Task("", ("banana", "umbrella")), 192, [3])
    assert examiner.look(picture(two)[None])[0].parts == ("banana", "umbrella")


def test_prompts_say_what_renders_show() -> None:
    assert [task.prompt for task in make_counts(("fox", "grapes", "butterfly"), 2)] == ["two foxes", "two butterflies"]
    for task in make_relations(NAMES, 8):
        first, second = (name for name in sorted(task.things, key=task.prompt.find))
        assert task.things == ((first, second) if "left" in task.prompt else (second, first))
        names = render_task(task, 16, [0]).meta["names"]
        assert tuple(names) == task.things
    assert all(first != second for first, second in (task.things for task in make_pairs(NAMES, 50)))
    assert make_pairs(("fox",), 3) == []
    boxes = render_task(Task("", ("fox",), side="left"), 16, [0]).meta["boxes"]
    assert (boxes[0][0] + boxes[0][2]) / 2 < 0.46


@pytest.mark.parametrize(
    ("name", "many"),
    [
        *(("fox", "foxes"), ("palm tree", "palm trees"), ("butterfly", "butterflies"), ("toy", "toys"), ("grapes", "")),
        *(("tropical fish", ""), ("clock at three", ""), ("peach", "peaches"), ("cactus", "cactuses"), ("leaf", "")),
    ],
)
def test_plurals(name: str, many: str) -> None:
    assert pluralise(name) == many


def test_what_is_no_drawing_is_refused(panel: Any, data: EvalData) -> None:
    photographs = dataclasses.replace(data, drawn=False)
    evaluator, painter = Compositions(panel), Painter()
    assert "no drawings" in evaluator.explain_lack(photographs) and evaluator.explain_lack(data) == ""
    assert evaluator.count_paintings(photographs) == 0
    with pytest.raises(UserError, match="compositions cannot be judged: These are no drawings"):
        evaluator(painter, photographs)  # type: ignore[arg-type]
    other: Any = SimpleNamespace(names=NAMES[::-1])
    with pytest.raises(UserError, match="other names"):
        Compositions(other, (), COUNT)(painter, data)  # type: ignore[arg-type]
