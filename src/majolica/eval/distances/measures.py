"""Measures how far painted pictures are from real ones, all on the features of one extractor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from majolica.data.loading.split import space_evenly
from majolica.errors import UserError
from majolica.features.extractor import Extractor
from majolica.metrics.extrapolate import frechet_at_infinity
from majolica.metrics.frechet import expected_bias, frechet_to
from majolica.metrics.kernels import kernel_distance, mmd
from majolica.metrics.manifold import manifold_scores
from majolica.metrics.moments import Moments
from majolica.metrics.sliced import sliced_distance
from majolica.metrics.statistics import UNKNOWN_COUNT
from majolica.plurals import counted


@dataclass(frozen=True)
class DistanceSettings:
    """How the distances are computed; the record of an evaluation holds all of it."""

    seed: int = 0
    """Of the subsets of KID, of the directions of the sliced distance, and of the subsets of FD at infinity."""
    kid_subsets: int = 100
    kid_size: int = 1000
    neighbours: int = 5
    """Of precision, recall, density and coverage."""
    most: int = 10_000
    """Pictures of each side that the measures of all pairs compare at most; more are thinned evenly."""
    directions: int = 1000
    infinity_points: int = 15


@dataclass(frozen=True)
class Distances:
    """What `measure_distances` found."""

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    record: dict[str, Any]
    """The extractor, the numbers of pictures and the settings, which belong into the protocol of a result."""
    warnings: list[str]
    """Sentences on what makes the numbers hard to compare."""
    frechet: str
    """Key of the Frechet distance among the metrics: `fid`, or `fd_EXTRACTOR`."""
    title: str
    """What the Frechet distance may be called: "FID", or a name that says that it is a proxy."""


@dataclass(frozen=True)
class Names:
    """The keys of metrics and the title, which call a distance FID only if it is that."""

    extractor: Extractor
    published: bool
    """Whether everything else, such as the pictures and their number, is that of the published protocol."""

    @property
    def is_fid(self) -> bool:
        """Whether the Frechet distance is FID: on the published Inception network, by the published protocol."""
        return self.published and self.extractor.canonical

    def key(self, measure: str) -> str:
        """Return the key of a measure among the metrics."""
        return "fid" if measure == "fd" and self.is_fid else f"{measure}_{self.extractor.name}"

    @property
    def title(self) -> str:
        """Return the name of the Frechet distance for people."""
        if self.is_fid:
            return "FID"
        title = "FD (Inception)" if self.extractor.canonical else self.extractor.title
        return title if "proxy" in title else f"{title}, a proxy and not FID"


def measure_distances(
    real: Tensor | Moments,
    painted_BD: Tensor,
    extractor: Extractor,
    settings: DistanceSettings = DistanceSettings(),
    published: bool = False,
    real_moments: Moments | None = None,
) -> Distances:
    """Measure the distances between real and painted pictures, of which an extractor computed the features.

    `real` are features `BD`, or moments, such as those of a published file of statistics; moments allow the
    Frechet distance alone, and its value at infinity. `published` says whether everything but the
    extractor follows the published protocol. `real_moments` are those of `real`, if they are known.

    The measures are the Frechet distance (Heusel et al., arXiv 1706.08500), its value at infinity (Chong and
    Forsyth, 1911.07023), KID (Binkowski et al., 1801.01401), the MMD of CMMD (Jayasumana et al., 2401.09603),
    MIND (Berthet et al., 2605.06797), precision and recall (Kynkäänniemi et al., 1904.06991), and density and
    coverage (Naeem et al., 2002.09797).

    Raises UserError if a side has fewer than two pictures or other features, or if features are not finite.
    """
    real_BD = real if isinstance(real, Tensor) else None
    moments = real_moments or (Moments.of(real) if isinstance(real, Tensor) else real)
    _check(moments, real_BD, painted_BD, extractor)
    names, count, width = Names(extractor, published), len(painted_BD), painted_BD.shape[1]
    distance_to = frechet_to(moments)
    metrics = {names.key("fd"): distance_to(Moments.of(painted_BD))}
    intervals = {}
    if (error := jackknife_error(distance_to, painted_BD)) is not None:
        intervals[names.key("fd")] = interval_around(metrics[names.key("fd")], T_19 * error)
    if real_BD is not None:
        found, bounds = _compare_features(real_BD, painted_BD, names, settings)
        metrics |= found
        intervals |= bounds
    if count >= LEAST_FOR_INFINITY * width:
        at_infinity = frechet_at_infinity(moments, painted_BD, settings.infinity_points, settings.seed)
        metrics[names.key("fd_infinity")] = at_infinity.value
    known = None if moments.count == UNKNOWN_COUNT else moments.count
    record = {**describe_extractor(extractor), **_settings_record(settings), "real": known, "painted": count}
    return Distances(
        metrics,
        intervals,
        record,
        bias_warnings(moments, count),
        names.key("fd"),
        names.title,
    )


LEAST_FOR_INFINITY = 2
"""Pictures for each feature from which on the Frechet distance is extrapolated.

The extrapolation fits a line in 1 / count; below this, the distances of its subsets do not lie on one.
"""


def _compare_features(
    real_BD: Tensor, painted_BD: Tensor, names: Names, settings: DistanceSettings
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Compute the measures that need the features of both sides."""
    fewest = min(len(real_BD), len(painted_BD))
    size = min(settings.kid_size, fewest)
    kid = kernel_distance(real_BD, painted_BD, settings.kid_subsets, size, settings.seed)
    metrics, intervals = {names.key("kid"): kid.mean}, {}
    if fewest >= 2 * size:
        error = kid.deviation / (fewest / size - 1) ** 0.5
        # A subset of m of n samples has the variance s^2 (1/m - 1/n), and the mean of all n has s^2 / n.
        intervals[names.key("kid")] = interval_around(kid.mean, 1.96 * error, low=None)
    some_BD, others_BD = thin(real_BD, settings.most), thin(painted_BD, settings.most)
    metrics[names.key("mmd")] = float(mmd(some_BD, others_BD))
    if fewest > settings.neighbours:
        scores = manifold_scores(some_BD, others_BD, settings.neighbours)
        metrics |= {names.key(name): getattr(scores, name) for name in ("precision", "recall", "density", "coverage")}
    metrics[names.key("mind")] = float(sliced_distance(real_BD, painted_BD, settings.directions, settings.seed))
    return metrics, intervals


GROUPS = 20
"""Groups of the jackknife."""
T_19 = 2.093
"""The quantile of Student's t distribution for a 95 % interval of `GROUPS` values, which have 19 degrees of freedom."""


def jackknife_error(distance_to: Callable[[Moments], float], painted_BD: Tensor) -> float | None:
    """Return the standard error of a Frechet distance that comes from the choice of the painted pictures.

    It is the delete-a-group jackknife (Kott, "The delete-a-group jackknife", 2001): the distance is
    computed 20 times, each time without every twentieth picture. The moments of the groups are merged, so
    the features are read once. With fewer pictures than features it is too large rather than too small.
    Returns None if the groups would have fewer than two pictures.
    """
    if len(painted_BD) < 2 * GROUPS:
        return None
    parts = [Moments.of(painted_BD[start::GROUPS]) for start in range(GROUPS)]
    before = list(accumulate(parts, Moments.merge))
    after = list(accumulate(reversed(parts), Moments.merge))[::-1]
    without = [after[1], *(before[i - 1].merge(after[i + 1]) for i in range(1, GROUPS - 1)), before[-2]]
    found_G = torch.tensor([distance_to(rest) for rest in without], dtype=torch.float64)
    return float(((GROUPS - 1) / GROUPS * (found_G - found_G.mean()).square().sum()).sqrt())


def interval_around(value: float, reach: float, low: float | None = 0.0) -> tuple[float, float]:
    """Return the interval that reaches so far to both sides of a value, cut off at `low`."""
    return value - reach if low is None else max(low, value - reach), value + reach


def thin(features_BD: Tensor, most: int) -> Tensor:
    """Return at most `most` rows, evenly spaced."""
    return features_BD if len(features_BD) <= most else features_BD[space_evenly(len(features_BD), most)]


def bias_warnings(real: Moments, painted: int) -> list[str]:
    """Return a sentence on how far the Frechet distance is too large, if a side has fewer pictures than features.

    The distance of two samples of one distribution is at most that of `expected_bias`, which holds for equal
    and independent variances, times the mean variance of the real features.
    """
    width = len(real.mean_D)
    sides = {"real pictures": real.count, "painted pictures": painted}
    few = [f"{count:,} {side}" for side, count in sides.items() if count < width]
    if not few:
        return []
    bias = float(real.covariance_DD.trace()) / width * expected_bias(width, painted, real.count)
    return [
        f"{' and '.join(few)} are fewer than the {width:,} features of the extractor: the Frechet distance is too large"
        f" because of the small samples alone, by up to {bias:.3g}; compare it only with one of as many pictures"
    ]


def describe_extractor(extractor: Extractor) -> dict[str, Any]:
    """Return what identifies an extractor, for the protocol of a result: the facts of its record and its name."""
    facts = {f"extractor_{key}": value for key, value in extractor.record.items() if key != "extractor"}
    return {"extractor": extractor.name, **facts}


def _settings_record(settings: DistanceSettings) -> Mapping[str, Any]:
    return {f"distance_{name}": value for name, value in vars(settings).items()}


def _check(moments: Moments, real_BD: Tensor | None, painted_BD: Tensor, extractor: Extractor) -> None:
    if min(moments.count, len(painted_BD)) < 2:
        few = f"{counted(moments.count, 'real picture')} and {counted(len(painted_BD), 'painted one')}"
        raise UserError(f"a distance needs two pictures on each side, but there are {few}")
    if len(moments.mean_D) != painted_BD.shape[1]:
        raise UserError(
            f"the real pictures have {len(moments.mean_D)} features and the painted ones {painted_BD.shape[1]}:"
            f" compute both with the extractor {extractor.name}"
        )
    for side, features in (("real", moments.mean_D if real_BD is None else real_BD), ("painted", painted_BD)):
        if not bool(torch.isfinite(features).all()):
            raise UserError(f"some features of pictures ({side}) are not finite: the extractor cannot read them")
