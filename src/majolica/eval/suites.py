"""All evaluators by name, and the suites that are made of them.

A new evaluator needs a file in `eval/evaluators/` and a line in `EVALUATORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from majolica.config.evaluation import EvaluatorConfig
from majolica.config.resolutions import trained_sizes
from majolica.config.run import RunConfig
from majolica.errors import UserError, unknown_name
from majolica.eval.brush import Brush
from majolica.eval.evaluators.control import Control
from majolica.eval.evaluators.control_limits import ControlLimits
from majolica.eval.evaluators.detail import Detail
from majolica.eval.evaluators.fidelity import Fidelity
from majolica.eval.evaluators.gallery import Gallery
from majolica.eval.evaluators.likeness import Likeness
from majolica.eval.evaluators.zero_shot import ZeroShot
from majolica.eval.judge.judge import Judge
from majolica.eval.judge.panel import Panel
from majolica.eval.paintings import Paintings
from majolica.eval.protocol import EvalData, Evaluator
from majolica.properties.registry import choose_measured


@dataclass(frozen=True)
class Judges:
    """Functions that wait until the judges are trained, and return them."""

    features: Callable[[], Judge]
    """The judge whose features the Frechet distance compares."""
    panel: Callable[[], Panel]
    """The strict judges, which decide on prompt fidelity."""


@dataclass(frozen=True)
class Context:
    """What evaluators are built from."""

    config: RunConfig
    properties: tuple[str, ...]
    """All that can be set, those of adapters included."""
    judges: Judges
    painted: Paintings
    """Pictures of held-out captions, which several evaluators share."""
    options: EvaluatorConfig = field(default_factory=EvaluatorConfig)

    @property
    def brush(self) -> Brush:
        """How pictures are painted."""
        return self.painted.brush

    @property
    def base(self) -> int:
        """The base resolution in pixels."""
        return self.config.model.resolution

    @property
    def largest(self) -> int:
        """The side of the largest pictures in training, in pixels."""
        return trained_sizes(self.config)[-1]

    @property
    def measured(self) -> tuple[str, ...]:
        """The properties that can be set and measured on pictures."""
        return choose_measured(self.properties)


@dataclass(frozen=True)
class Entry:
    """How an evaluator is built, and what it says."""

    about: str
    build: Callable[[Context], Evaluator]
    judged: bool = False
    """Whether it asks the judges of drawings."""


EVALUATORS: dict[str, Entry] = {
    "gallery": Entry(
        "pictures of held-out captions, at several sizes",
        lambda c: Gallery(c.base, c.largest, brush=c.brush),
    ),
    "control": Entry(
        "whether pictures have the properties that were asked for",
        lambda c: Control(choose_measured(c.config.model.properties), brush=c.brush),
    ),
    "control-deep": Entry(
        "the same with more prompts, seeds and values",
        lambda c: Control(c.measured, prompts=16, seeds=2, values=9, brush=c.brush, name="control-deep"),
    ),
    "control-plain": Entry(
        "control by the model alone, without projection and calibration",
        lambda c: Control(c.measured, brush=c.brush, plain=True, name="control-plain"),
    ),
    "control-limits": Entry(
        "what properties cost, and who wins if caption and property disagree",
        lambda c: ControlLimits(c.measured, c.judges.panel, brush=c.brush),
        judged=True,
    ),
    "zero-shot": Entry("naming unseen pictures", lambda c: ZeroShot()),
    "fidelity": Entry(
        "whether two judges see in pictures what the caption names",
        lambda c: Fidelity(c.judges.panel, c.painted),
        judged=True,
    ),
    "likeness": Entry(
        "the Frechet distance to real drawings, on the features of a judge",
        lambda c: Likeness(c.judges.features, c.painted, c.config.model.patch),
        judged=True,
    ),
    "detail": Entry(
        "what larger pictures have beyond their base pictures",
        lambda c: Detail(
            c.base, c.largest // c.base, c.config.model.patch, min(c.painted.pictures, Detail.pictures), brush=c.brush
        ),
    ),
}
"""In the order of the report."""

SUITES: dict[str, tuple[str, ...]] = {
    "drawings": ("gallery", "control", "zero-shot", "fidelity", "likeness", "detail"),
    "captions": ("gallery", "control", "zero-shot"),
    "control": ("control-deep", "control-plain", "control-limits"),
}
"""Suites by name. The first two are what a run gets if no other is named: `drawings` if it was trained on those of
`majolica data openmoji`, and `captions` on anyone's own pictures."""


def choose_evaluators(names: Sequence[str], data: EvalData | None) -> list[str]:
    """Return the names of the evaluators of some suites and evaluators, each once.

    Without names they are those of the suite that suits the data. Raises UserError for a name that is neither.
    """
    chosen: list[str] = []
    for name in names or (("drawings",) if data and data.drawn else ("captions",)):
        if name not in SUITES and name not in EVALUATORS:
            raise unknown_name("suite or evaluator", name, [*SUITES, *EVALUATORS])
        chosen += SUITES.get(name, (name,))
    return list(dict.fromkeys(chosen))


def build_evaluators(names: Sequence[str], context: Context) -> dict[str, Evaluator]:
    """Build evaluators, by name."""
    return {name: EVALUATORS[name].build(context) for name in names}


def make_context(
    config: RunConfig, properties: tuple[str, ...], judges: Judges, pictures: int, options: EvaluatorConfig
) -> Context:
    """Return the context whose brush is that of `options`, and which paints `pictures` captions if they do not say."""
    brush = Brush(options.steps, options.guidance, options.seed)
    return Context(config, properties, judges, Paintings(options.pictures or pictures, brush), options)


def describe_evaluators() -> str:
    """Return a list of all evaluators and suites, for a terminal."""
    width = max(map(len, (*EVALUATORS, *SUITES))) + 2
    lines = [f"  {name:{width}}{entry.about}" for name, entry in EVALUATORS.items()]
    suites = [f"  {name:{width}}{', '.join(parts)}" for name, parts in SUITES.items()]
    return "\n".join(["evaluators", *lines, "suites", *suites])


def without_judges(reason: str) -> Judges:
    """Return judges that cannot be asked. Asking them raises UserError with the reason."""

    def refuse() -> Judge:
        raise UserError(reason)

    return Judges(refuse, refuse)  # type: ignore[arg-type]


def with_options(context: Context, options: EvaluatorConfig) -> Context:
    """Return a context with other options, and with pictures of its own if it paints in another way."""
    brush = Brush(options.steps, options.guidance, options.seed)
    count = options.pictures or context.painted.pictures
    same = brush == context.brush and count == context.painted.pictures
    return replace(context, options=options, painted=context.painted if same else Paintings(count, brush))
