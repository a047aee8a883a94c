"""What is to be painted, and how: one object that travels whole to the model that paints."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from majolica.config.flow_times import time_quantile
from majolica.config.loss import LossConfig
from majolica.config.picture_size import PictureSize, size_around, size_of
from majolica.config.run import RunConfig
from majolica.errors import UserError, unknown_name
from majolica.sampling.guidance import Guidance, PropertyWeights, read_guidance
from majolica.sampling.images import Pictures
from majolica.sampling.inputs import Texts, Values, read_count, read_number, read_texts, read_whole
from majolica.sampling.noise import read_seeds
from majolica.sampling.palettes import Palettes, take_palettes
from majolica.sampling.references import take_references
from majolica.sampling.solvers import SOLVERS, spread_times

DeliverPictures = Callable[[int, Tensor], None]
"""Called with the place of the first of some pictures, and these, uint8 `(B, 3, H, W)`, as soon as they are painted."""
DETAIL_STEPS = 6
"""Steps in which details are painted; fewer if the base picture has fewer (ADR 075)."""
DETAIL_LAST = 0.96
"""Flow time from which the last of these steps goes to 1."""
Size = int | str | tuple[int, int] | None
"""A size as callers give it; see `read_size`."""


@dataclass(frozen=True)
class PaintRequest:
    """What `Pipeline.paint` is asked for; its arguments are explained there.

    Nothing of it is checked before it is painted.
    """

    prompts: Texts
    size: Size = None
    properties: Mapping[str, Values] = field(default_factory=dict)
    steps: int = 20
    guidance: float = 2.0
    seed: int | Sequence[int] = 0
    solver: str = "heun"
    churn: float = 4.0
    property_guidance: PropertyWeights = None
    batch: int = 1
    last_time: float | str = "auto"
    tile: int | str = "auto"
    candidates: int = 1
    project: bool = True
    hold: bool = False
    raw: bool = False
    reference: Pictures | None = None
    reference_guidance: float | None = None
    palette: Palettes | None = None
    any_size: bool = False

    def __post_init__(self) -> None:
        """Keep what an iterator gives as a list, because a request is read more than once."""
        for name in ("prompts", "seed", "reference"):
            if isinstance(given := getattr(self, name), Iterator):
                object.__setattr__(self, name, list(given))

    def part(self, rows: slice) -> PaintRequest:
        """The request for some of its pictures, to be painted in one batch.

        Each picture keeps its own seed, its own values of properties and its own reference.
        """
        prompts = read_texts(self.prompts)
        seeds = read_seeds(self.seed, len(prompts))[rows]
        properties = {name: _take(value, rows) for name, value in self.properties.items()}
        return replace(
            self,
            prompts=prompts[rows],
            seed=seeds,
            properties=properties,
            batch=max(1, len(seeds)),
            reference=take_references(self.reference, len(prompts), rows),
            palette=self.palette and take_palettes(self.palette, len(prompts), rows),
        )


@dataclass(frozen=True)
class PaintSettings:
    """How a picture is painted, whatever it shows; read from a request, and checked."""

    size: PictureSize
    times: Sequence[float]
    """Flow times from 0 to 1 between which the solver steps."""
    guidance: Guidance
    solver: str
    """One of `SOLVERS`."""
    tile: int | None = None
    """Side in pixels of the tiles that are decoded one after the other; None decodes all at once."""
    candidates: int = 1
    """How many beginnings of each picture the model chooses from."""
    churn: float = 0.0
    """Growth of the noise over all steps of the base picture; see `sampling.churn`."""

    @property
    def detail_times(self) -> Sequence[float]:
        """Flow times between which the details of a larger picture are painted; none if it has no details.

        They are evenly spaced up to `DETAIL_LAST`, from which a shorter step goes to 1.
        """
        if self.size.scale == 1:
            return ()
        steps = min(DETAIL_STEPS, len(self.times) - 1)
        return [*np.linspace(0, DETAIL_LAST, steps).tolist(), 1.0]

    @property
    def steps(self) -> int:
        """Steps of base picture and details together."""
        return sum(max(0, len(times) - 1) for times in (self.times, self.detail_times))


def read_settings(request: PaintRequest, config: RunConfig, properties: Sequence[str]) -> PaintSettings:
    """The settings of a request, for the model of a run in which these properties can be set.

    Raises UserError for settings that cannot be followed.
    """
    model = config.model
    size = (size_around if request.any_size else size_of)(*read_size(request.size, model.resolution), model)
    if request.solver not in SOLVERS:
        raise unknown_name("solver", str(request.solver), SOLVERS)
    steps = read_count(request.steps, "the number of steps")
    guidance = read_guidance(request.guidance, request.property_guidance, properties, request.reference_guidance)
    times = spread_times(steps, read_last_time(request.last_time, config.loss))
    candidates = read_count(request.candidates, "the number of candidates")
    tile = read_tile(request.tile, size.longest)
    return PaintSettings(size, times, guidance, request.solver, tile, candidates, read_churn(request.churn))


def check_effects(request: PaintRequest, names: Collection[str], learned: Collection[str]) -> None:
    """Raise UserError for an option that would change nothing, because what it is about is not given.

    `names` are the properties that the request sets, and `learned` those of the model.
    """
    for option, given in (
        ("the property guidance", request.property_guidance is not None),
        ("raw", request.raw),
        ("hold", request.hold),
    ):
        if given and not names:
            raise UserError(f"{option} would change nothing where no property is set: set one, or leave it out")
    weights = request.property_guidance if isinstance(request.property_guidance, Mapping) else {}
    if idle := [name for name in weights if name not in names]:
        raise UserError(f"the guidance of {idle[0]} would change nothing: set {idle[0]} too, or leave it out")
    if request.property_guidance is not None and not any(name in learned for name in names):
        raise UserError(
            f"the property guidance would change nothing, because this run was not trained with {' or '.join(names)}:"
            " leave it out"
        )
    if request.any_size and request.size is None:
        raise UserError("any size is allowed, and none is given: give a size, or leave any size out")
    if request.reference_guidance is not None and request.reference is None:
        raise UserError("the reference guidance would change nothing: name a reference too, or leave it out")


def read_size(given: object, resolution: int) -> tuple[int, int]:
    """Width and height in pixels; UserError for what is no size.

    `given` is the side of a square, a pair (width, height), a string such as "96" or "640x384" (width
    first), or None for the base resolution.
    """
    if given is None:
        return resolution, resolution
    words: Sequence[object] = given if isinstance(given, tuple | list) else (given,)
    if isinstance(given, str):
        words = [int(word) if word.strip().isdecimal() else word for word in given.lower().split("x")]
    if len(words) not in (1, 2) or any(isinstance(word, str) for word in words):
        raise UserError(f"the size is {given!r}: give a side in pixels, or width and height, as in 640x384")
    sides = [read_whole(word, "the size") for word in words]
    return sides[0], sides[-1]


def read_last_time(given: object, loss: LossConfig) -> float:
    """The flow time from which the last step goes to 1; UserError for what is no such time.

    "auto" is the time below which 99 % of the noisy rows of training lie. Beyond it the model has
    hardly been trained, and what it predicts there adds contrast that no real picture has
    (docs/adr/063).
    """
    if given == "auto":
        return time_quantile(0.99, loss)
    wanted = "a flow time from 0 to 1, or auto"
    last = read_number(given, "the last time", wanted)
    if not 0 <= last <= 1:
        raise UserError(f"the last time is {last:g}: give {wanted}")
    return last


def read_churn(given: object) -> float:
    """The growth of the noise over all steps; UserError for what is no such growth."""
    churn = read_number(given, "the churn", "a number from 0 (no noise is added)")
    if churn < 0:
        raise UserError(f"the churn is {churn:g}: give a number from 0 (no noise is added)")
    return churn


AUTO_TILE = 512
"""Side in pixels of the tiles of pictures whose side is larger than `WHOLE`."""
WHOLE = 1024
SMALLEST_TILE = 32


def read_tile(given: object, side: int) -> int | None:
    """The side of the tiles for a picture of `side` pixels, or None if it is decoded at once.

    `given` is "auto" (tiles for large pictures only), "off", or a number of pixels. Raises UserError
    for anything else.
    """
    if given == "auto":
        return AUTO_TILE if side > WHOLE else None
    if given == "off":
        return None
    if isinstance(given, str):
        if not given.isdecimal():
            raise UserError(f"the tile is {given!r}: give a number of pixels, auto, or off")
        given = int(given)
    tile = read_whole(given, "the tile")
    if tile < SMALLEST_TILE:
        raise UserError(f"the tile is {tile} px: {SMALLEST_TILE} is the least, because every tile also reads a border")
    return tile if tile < side else None


def _take(value: Values, rows: slice) -> Values:
    """The values of a property for some of the pictures; one value for all stays what it is, also in a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) or (isinstance(value, np.ndarray | Tensor) and value.ndim == 1):
        return value if len(value) == 1 else value[rows]
    return value
