"""What evaluators are built from: the run, its pictures of held-out captions, the judges, and the options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from majolica.callbacks import ReportProgress, ignore_progress
from majolica.config.evaluation import EvaluatorConfig
from majolica.config.resolutions import trained_sizes
from majolica.config.run import RunConfig
from majolica.data.pictures.frame import Fit
from majolica.device import find_device
from majolica.errors import UserError, unknown_name
from majolica.eval.brush import Brush
from majolica.eval.distances.describe import PERCEPTION, ExtractorSource, own_extractor
from majolica.eval.judge.judge import Judge
from majolica.eval.judge.panel import Panel
from majolica.eval.paintings import Paintings
from majolica.features.extractor import NAMES, open_extractor
from majolica.properties.registry import choose_measured, find_property


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
    weights: str
    """SHA-256 of the weights, or words that stand for it while a run is trained."""
    options: EvaluatorConfig
    painted: Paintings
    """Pictures of held-out captions, which several evaluators share."""
    folder: Path | None = None
    """The run folder, in which features of pictures are kept; None keeps none."""
    in_training: bool = False
    """Whether the weights change from one evaluation to the next, so that painted pictures are not kept."""
    progress: ReportProgress = ignore_progress
    """Hears how many pictures of a set an evaluator has read, and of how many."""

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
    def fit(self) -> Fit:
        """How training fitted pictures that are not square."""
        return self.config.data.fit

    @property
    def measured(self) -> tuple[str, ...]:
        """The properties that can be set and measured on pictures."""
        return choose_measured(self.properties)

    @property
    def quick_properties(self) -> tuple[str, ...]:
        """Those with which the run was trained, and those of the user's files."""
        return tuple(
            each for each in self.measured if each in self.config.model.properties or find_property(each).source
        )

    @property
    def data(self) -> Path | None:
        """The pictures to evaluate on in place of the run's held-out ones; None if the options name none."""
        return Path(self.options.data) if self.options.data else None

    @property
    def cache(self) -> Path | None:
        """The folder in which the features of painted pictures are kept."""
        return self.folder / "painted-features" if self.folder and not self.in_training else None

    def open_extractor(self, usual: str = PERCEPTION) -> ExtractorSource:
        """Return the extractor that the options name, or else the usual one of an evaluator."""
        name = self.options.extractor or usual
        if name == PERCEPTION:
            return own_extractor
        if name not in NAMES:
            raise unknown_name("extractor", name, (PERCEPTION, *NAMES) if usual == PERCEPTION else NAMES)
        weights = Path(self.options.weights) if self.options.weights else None
        return open_extractor(name, weights, find_device(None), convention=self.options.resize)


def make_context(
    config: RunConfig,
    properties: tuple[str, ...],
    judges: Judges,
    weights: str,
    options: EvaluatorConfig,
    pictures: int = 256,
    folder: Path | None = None,
    progress: ReportProgress = ignore_progress,
    in_training: bool = False,
) -> Context:
    """Return a context that paints as `options` say, and `pictures` captions if they do not say how many."""
    brush = Brush(options.steps, options.guidance, options.seed, churn=options.churn)
    painted = Paintings(options.pictures or pictures, brush)
    return Context(config, properties, judges, weights, options, painted, folder, in_training, progress)


def without_judges(reason: str) -> Judges:
    """Return judges that cannot be asked. Asking them raises UserError with the reason."""

    def refuse() -> Judge:
        raise UserError(reason)

    return Judges(refuse, refuse)  # type: ignore[arg-type]
