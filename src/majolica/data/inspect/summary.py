"""The numbers of inspect.json, and remarks on those that stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from majolica.data.inspect.duplicates import exact_groups, near_groups
from majolica.data.inspect.measure import SampleStatistics
from majolica.plurals import counted, plural

_QUANTILES = {"min": 0.0, "p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "max": 1.0}


@dataclass(frozen=True)
class Tars:
    """What the indexes say of all that the folders hold."""

    count: int
    samples: int
    bytes: int
    left_out: dict[str, int]
    truncated: tuple[str, ...]
    empty_captions: int = 0
    notices: tuple[str, ...] = ()
    """Sentences on files of the folders that are passed over."""


@dataclass(frozen=True)
class Summary:
    """Everything that the page shows in numbers; quantiles are those of readable samples."""

    folders: tuple[str, ...]
    tars: Tars
    measured: int
    """The number of samples that were read and decoded: all, or as many as were asked for."""
    seed: int
    broken: dict[str, int]
    lacking: dict[str, int]
    """The number of samples that are used without a part that cannot be read, by part."""
    formats: dict[str, int]
    colour_notes: dict[str, int]
    """The number of pictures whose colour profile was not used, by reason."""
    quantiles: dict[str, dict[str, float]]
    same_captions: int
    """The number of samples whose caption another sample has too."""
    empty_captions: int
    exact: list[list[int]]
    """Groups of samples whose pictures have the same bytes."""
    near: list[list[int]]
    """Groups of samples whose pictures look alike; of those with equal bytes, one stands for all.
    """
    distance: int
    fields: dict[str, dict[str, Any]]
    remarks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The content of inspect.json."""
        return asdict(self)


def summarise(folders: Sequence[str], tars: Tars, measured: SampleStatistics, seed: int, distance: int) -> Summary:
    """The summary of what was measured."""
    good = measured.samples[~measured.samples["bad"]]
    number = good["number"].tolist()
    exact = [[number[place] for place in group] for group in exact_groups(good["content"])]
    near = [[number[place] for place in group] for group in near_groups(good["phash"], good["content"], distance)]
    _, times = np.unique(good["caption"], return_counts=True)
    parts: dict[str, Any] = {
        "measured": len(measured.samples),
        "broken": dict(measured.broken.most_common()),
        "lacking": dict(measured.lacking.most_common()),
        "formats": dict(measured.formats.most_common()),
        "colour_notes": dict(measured.colour_notes.most_common()),
        "quantiles": {name: quantiles(values) for name, values in columns(good).items()},
        "same_captions": int(times[times > 1].sum()),
        "empty_captions": int((good["words"] == 0).sum()),
        "exact": exact,
        "near": near,
        "fields": {name: _field(known) for name, known in sorted(measured.fields.items())},
    }
    remarks = tuple(_remarks(tars, parts, good))
    return Summary(tuple(folders), tars, seed=seed, distance=distance, remarks=remarks, **parts)


def columns(good: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """The values of everything that has a distribution, by name."""
    width, height = good["width"].astype(np.float64), good["height"].astype(np.float64)
    return {
        "shorter_side": np.minimum(width, height),
        "aspect": width / np.maximum(height, 1),
        "megapixels": width * height / 1e6,
        "bytes": good["bytes"].astype(np.float64),
        "caption_characters": good["characters"].astype(np.float64),
        "caption_words": good["words"].astype(np.float64),
    }


def quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    """The quantiles and the mean of `values`; nothing where there are none."""
    if not len(values):
        return {}
    found = np.quantile(values, list(_QUANTILES.values()))
    return {**dict(zip(_QUANTILES, found.tolist(), strict=True)), "mean": float(values.mean())}


def _field(known: Any) -> dict[str, Any]:
    numeric = known.numbers == known.count > 0 and known.low <= known.high
    return {"count": known.count, "example": known.example} | ({"min": known.low, "max": known.high} if numeric else {})


def _remarks(tars: Tars, parts: dict[str, Any], good: NDArray[Any]) -> list[str]:
    """Sentences on what a person should know before training on these samples."""
    shown = max(1, len(good))
    copies = sum(len(group) - 1 for group in parts["exact"])
    alike = sum(len(group) - 1 for group in parts["near"])
    small = int((np.minimum(good["width"], good["height"]) < 256).sum())
    cut, empty = len(tars.truncated), tars.empty_captions
    copy = plural(copies, "is a copy of another", "are copies of others")
    look = plural(alike, "looks like another", "look like others")
    facts = [
        (cut, f"{cut:,} of {counted(tars.count, 'tar')} {plural(cut, 'ends early or is', 'end early or are')} damaged"),
        (sum(tars.left_out.values()), "the index left out " + _list(tars.left_out)),
        (sum(parts["broken"].values()), f"cannot be read: {_list(parts['broken'])}"),
        (sum(parts["lacking"].values()), f"samples that are used without a part: {_list(parts['lacking'])}"),
        (parts["colour_notes"], f"colour profiles that are ignored: {_list(parts['colour_notes'])}"),
        (copies, f"{counted(copies, 'picture')} ({copies / shown:.1%}) {copy}, byte for byte"),
        (alike, f"{counted(alike, 'further picture')} ({alike / shown:.1%}) {look}"),
        (parts["same_captions"] / shown > 0.05, f"{parts['same_captions'] / shown:.0%} of samples share their caption"),
        (
            empty,
            f"{empty:,} of {counted(tars.samples, 'caption')} {plural(empty, 'is', 'are')} empty: training leaves such"
            " samples out, unless --data.empty-captions is keep",
        ),
        (small / shown > 0.05, f"{small / shown:.0%} of pictures have a shorter side below 256 px"),
    ]
    return [*tars.notices, *(text for matters, text in facts if matters)]


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} x {reason}" for reason, count in counts.items())
