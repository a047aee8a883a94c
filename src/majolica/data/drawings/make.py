"""Making a data set of composed OpenMoji pictures as tars in the layout of img2dataset. The seed decides all of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from majolica.callbacks import ReportProgress
from majolica.data.drawings.compose import BACKGROUNDS, Sample, compose
from majolica.data.drawings.openmoji import (
    ATTRIBUTION,
    DEMO_NAMES,
    LICENSE_NAME,
    LICENSE_URL,
    Drawing,
    find_drawings,
    license_text,
)
from majolica.data.store.pack import PER_SHARD, write_shards
from majolica.data.store.record import Record
from majolica.errors import UserError
from majolica.files import sweep_unfinished, write_atomic

SPLITS = ("train", "heldout", "combinations")
LICENSE_FILE = "LICENSE.txt"
MOST_ASPECT = 3
"""The longer side over the shorter one, at most: that of the pictures that models paint."""
LARGEST = 8_192
"""The largest side in pixels, because a picture is in memory several times while it is composed."""


@dataclasses.dataclass(frozen=True)
class DrawingPlan:
    """Everything that decides what sample i of a split is."""

    drawings: tuple[Drawing, ...]
    resolution: int
    objects: int
    seed: int
    combinations: frozenset[tuple[str, str]]
    aspects: tuple[float, ...] = (1.0,)
    """Width over height of the training pictures, each as often as any. All other pictures are square."""

    def sample(self, split: str, index: int) -> Sample:
        """Compose sample `index` of `split`. The result depends only on (plan, split, index)."""
        rng = np.random.default_rng([self.seed, SPLITS.index(split), index])
        if split == "combinations":
            only = self.combinations
            return compose(rng, self.drawings, self.resolution, 1, only=only, name_background=1.0)
        aspect = self._aspect(index) if split == "train" else 1.0
        return compose(rng, self.drawings, self.resolution, self.objects, avoid=self.combinations, aspect=aspect)

    def _aspect(self, index: int) -> float:
        """Return the aspect of a training picture. It has a stream of its own, so that what is shown stays the same."""
        rng = np.random.default_rng([self.seed, SPLITS.index("train"), index, 1])
        return self.aspects[int(rng.integers(len(self.aspects)))]


def plan_drawings(
    names: int | Sequence[str] = 32,
    resolution: int = 96,
    objects: int = 1,
    seed: int = 0,
    aspects: Sequence[float] = (1.0,),
) -> DrawingPlan:
    """Choose the drawings and the held-out combinations; see `make_openmoji` for the arguments."""
    if resolution < 8:
        raise UserError(f"resolution must be at least 8 px, not {resolution}")
    if resolution > LARGEST:
        raise UserError(f"resolution must be at most {LARGEST} px, not {resolution}")
    if objects not in (1, 2):
        raise UserError(f"objects must be 1 or 2, not {objects}")
    if seed < 0:
        raise UserError(f"seed must not be negative, not {seed}")
    if not aspects:
        raise UserError("aspects must be one or more")
    for aspect in aspects:
        if not 1 / MOST_ASPECT <= aspect <= MOST_ASPECT:
            raise UserError(f"aspects must lie between 1:{MOST_ASPECT} and {MOST_ASPECT}:1, and {aspect:g} does not")
    chosen = _choose(names)
    combinations = _combinations([d.name for d in chosen], seed)
    return DrawingPlan(tuple(chosen), resolution, objects, seed, combinations, tuple(aspects))


def make_openmoji(
    out: Path,
    samples: int,
    resolution: int,
    names: int | Sequence[str] = 32,
    objects: int = 1,
    seed: int = 0,
    heldout: int = 512,
    combinations: int = 512,
    progress: ReportProgress | None = None,
    aspects: Sequence[float] = (1.0,),
) -> bool:
    """Write `samples` training pictures of `resolution` px, plus held-out ones, as tars under `out`.

    `out/train` and `out/heldout` hold different pictures from the same distribution; `out/combinations` shows
    (name, background) pairs that occur in neither. `names` is a count, or the names themselves; up to 32 they are those
    of the demo, and more are the others by code point. With `objects` 2, about half of the pictures show two things.
    `aspects` are width over height of training pictures, each as often as any; all have about as many pixels as the
    square, and held-out pictures are square. Sample i depends only on (seed, split, i). `progress(done, total)` is
    called after each sample. A folder that already holds this very data set is left as it is; the result says whether
    it was made.

    Raises UserError for impossible arguments, unknown names, or a folder that holds another data set.
    """
    if heldout < 0 or combinations < 0:
        raise UserError("heldout and combinations must not be negative")
    if samples < 1:
        raise UserError(f"samples must be at least 1, not {samples}")
    design = plan_drawings(names, resolution, objects, seed, aspects)
    description = _describe(design, samples, heldout, combinations)
    if _claim(out, description):
        return False
    counts = {"train": samples, "heldout": heldout, "combinations": combinations}
    done, total = 0, sum(counts.values())

    def records(split: str) -> Any:
        nonlocal done
        for index in range(counts[split]):
            yield _record(design.sample(split, index))
            done += 1
            if progress is not None:
                progress(done, total)

    for split in SPLITS:
        sweep_unfinished(out / split, "*.tar")
        write_shards(out / split, records(split))
    write_atomic(out / "names.json", _json([d.name for d in design.drawings]))
    write_atomic(out / LICENSE_FILE, license_text().encode())
    write_atomic(out / "dataset.json", _json({**description, "complete": True}))
    return True


def _record(sample: Sample) -> Record:
    import simplejpeg

    image = np.ascontiguousarray(sample.image)
    height, width = image.shape[:2]
    jpeg = simplejpeg.encode_jpeg(image, quality=95, colorspace="RGB", colorsubsampling="444")
    return Record(
        jpeg,
        "jpg",
        sample.caption,
        {"width": width, "height": height, "license": LICENSE_NAME, **sample.meta},
    )


def _choose(names: int | Sequence[str]) -> list[Drawing]:
    if not isinstance(names, int):
        if len(names) == 0 or len(set(names)) < len(names):
            raise UserError("names must be one or more different names")
        return find_drawings(list(names))
    every = find_drawings()
    if not 1 <= names <= len(every):
        raise UserError(f"there are {len(every)} drawings: names must be between 1 and that, not {names}")
    demo = set(DEMO_NAMES)
    return [*find_drawings(DEMO_NAMES), *(drawing for drawing in every if drawing.name not in demo)][:names]


def _combinations(names: Sequence[str], seed: int) -> frozenset[tuple[str, str]]:
    """Choose one background for every name that is held out, each background about equally often."""
    backgrounds = list(BACKGROUNDS)
    order = np.random.default_rng([seed, len(SPLITS)]).permutation(len(names))
    return frozenset((name, backgrounds[int(k) % len(backgrounds)]) for name, k in zip(names, order, strict=True))


def _describe(design: DrawingPlan, samples: int, heldout: int, combinations: int) -> dict[str, Any]:
    unusual: dict[str, Any] = {} if design.aspects == (1.0,) else {"aspects": list(design.aspects)}
    if never_mirrored := sorted(drawing.name for drawing in design.drawings if drawing.is_never_mirrored):
        unusual["never_mirrored"] = never_mirrored
    return unusual | {
        "kind": "openmoji",
        "samples": samples,
        "heldout": heldout,
        "combinations": combinations,
        "resolution": design.resolution,
        "objects": design.objects,
        "seed": design.seed,
        "names": len(design.drawings),
        "heldout_pairs": sorted(design.combinations),
        "license": LICENSE_NAME,
        "license_url": LICENSE_URL,
        "attribution": ATTRIBUTION,
    }


def _claim(out: Path, description: dict[str, Any]) -> bool:
    """Claim `out` for this data set, and return whether it is there already. Raises UserError if it holds another."""
    written = out / "dataset.json"
    tars = {split: len(list((out / split).glob("*.tar"))) for split in SPLITS}
    if not written.exists():
        if any(tars.values()):
            raise UserError(f"{out} holds tars of some other data set; choose another folder")
        write_atomic(written, _json({**description, "complete": False}))
        return False
    try:
        found = dict(json.loads(written.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{written} cannot be read ({error}); choose another folder or remove it") from error
    complete = found.pop("complete", False)
    if found != json.loads(_json(description)):
        raise UserError(f"{out} holds another data set (see dataset.json); choose another folder or remove it")
    samples = {"train": "samples", "heldout": "heldout", "combinations": "combinations"}
    return bool(complete and all(tars[split] == -(-found[samples[split]] // PER_SHARD) for split in SPLITS))


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()
