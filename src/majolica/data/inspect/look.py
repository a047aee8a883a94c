"""From folders of shards to a page: chooses samples, measures them, writes page and numbers."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from majolica.callbacks import ReportProgress
from majolica.config.engine import EngineConfig
from majolica.data.inspect.measure import SampleStatistics, SampleStretch, measure_stretch, merge_statistics
from majolica.data.inspect.page import Content, render_inspection
from majolica.data.inspect.sets import ShardSets
from majolica.data.inspect.sheet import thumbnail
from majolica.data.inspect.summary import Summary, Tars, columns, summarise
from majolica.data.inspect.text import text_remarks
from majolica.data.store.index import open_index
from majolica.data.tasks import run_tasks
from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.html.figures import FigurePicture
from majolica.plurals import counted

_TOGETHER = 200
"""The number of samples that one task measures."""


@dataclass(frozen=True)
class Look:
    """How much is looked at."""

    limit: int = 10_000
    """The number of samples that are read and decoded, spread over the whole set; 0 stands for all.
    """
    seed: int = 0
    pictures: int = 60
    """The number of pictures on the contact sheet."""
    captions: int = 40
    groups: int = 8
    """The number of groups of copies that are shown, and of groups of pictures that look alike."""
    distance: int = 4
    """The bits of 64 in which perceptual hashes of pictures that look alike differ at most."""
    tokenizer: Path | None = None
    """The tokenizer that captions are measured with; where it is None, their words are counted."""
    length: int = 64
    """The number of tokens of a caption that a model reads."""


def inspect_shards(
    folders: Sequence[str],
    out: Path,
    look: Look,
    engine: EngineConfig,
    progress: ReportProgress | None = None,
) -> Summary:
    """Write the page `out`, and a .json of its numbers with the same name.

    `progress` hears how many samples are measured, and of how many.

    The same shards, options and seed give the same numbers on every engine. Raises UserError where
    there are no shards, and where the page cannot be written.
    """
    with ShardSets(folders) as shards:
        numbers = choose_samples(len(shards), look.limit, look.seed)
        found = merge_statistics(_measure_stretches(shards, numbers, engine, progress))
        summary = summarise(folders, _tars(shards), found, look.seed, look.distance)
        number = found.samples["number"][~found.samples["bad"]].tolist()
        words = text_remarks(shards, number, look.tokenizer, look.length, look.seed)
        summary = replace(summary, remarks=(*summary.remarks, *words))
        content = render_inspection(_content(shards, summary, found, look))
    shown = {**summary.as_json(), "exact": summary.exact[:1000], "near": summary.near[:1000]}
    write_atomic(out.with_suffix(".json"), json.dumps(shown, indent=1))
    write_atomic(out, content)
    return summary


def choose_samples(count: int, limit: int, seed: int) -> Sequence[int]:
    """The numbers of at most `limit` of `count` samples, in order; each is as likely as any other.

    A limit of 0 takes all samples.
    """
    if not limit or count <= limit:
        return range(count)
    return sorted(random.Random(seed).sample(range(count), limit))


def _measure_stretches(
    shards: ShardSets, numbers: Sequence[int], engine: EngineConfig, progress: ReportProgress | None
) -> list[SampleStatistics]:
    cuts = range(0, len(numbers), _TOGETHER)
    stretches = [SampleStretch(shards.folders, shards.manifests, tuple(numbers[cut : cut + _TOGETHER])) for cut in cuts]
    found: dict[SampleStretch, SampleStatistics] = {}
    done = 0
    # A process takes longer to start than a stretch takes to measure.
    engine = replace(engine, workers=min(engine.workers, len(stretches)))
    for stretch, part in run_tasks(measure_stretch, stretches, engine):
        found[stretch] = part
        done += len(stretch.numbers)
        if progress:
            progress(done, len(numbers))
    return [found[stretch] for stretch in stretches]


def _tars(shards: ShardSets) -> Tars:
    left_out: Counter[str] = Counter()
    truncated = []
    for part in shards.sets:
        for tar in part.tars:
            path = Path(part.folder) / tar.name
            if path.exists():  # a remote store has no index beside the tar
                index = open_index(path)
                left_out.update(index.reasons)
                truncated += [tar.name if len(shards.sets) == 1 else str(path)] * index.truncated
    return Tars(
        count=sum(len(part.tars) for part in shards.sets),
        samples=len(shards),
        bytes=sum(tar.size for part in shards.sets for tar in part.tars),
        left_out=dict(left_out.most_common()),
        truncated=tuple(truncated),
        empty_captions=sum(part.empty for part in shards.sets),
        notices=tuple(notice for part in shards.sets for notice in part.passed_over),
    )


def _content(shards: ShardSets, summary: Summary, found: SampleStatistics, look: Look) -> Content:
    good = found.samples[~found.samples["bad"]]
    if not len(good):
        reasons = ", ".join(f"{count:,} x {reason}" for reason, count in summary.broken.items())
        samples = f"{counted(summary.measured, 'sample')} in {', '.join(summary.folders)}"
        raise UserError(f"none of {samples} can be read ({reasons})")
    rng = random.Random(look.seed)
    numbers = good["number"].tolist()
    wall = sorted(rng.sample(numbers, min(look.pictures, len(numbers))))
    words = sorted(rng.sample(numbers, min(look.captions, len(numbers))))
    return Content(
        summary=summary,
        columns=columns(good),
        width=good["width"].astype(np.float64),
        height=good["height"].astype(np.float64),
        wall=_pictures(shards, wall),
        captions=[shards.caption(number) for number in words],
        common=_common(shards, found),
        exact=[_pictures(shards, group[:6]) for group in summary.exact[: look.groups]],
        near=[_pictures(shards, group[:6]) for group in summary.near[: look.groups]],
        broken=[(reason, [shards.place_of(n) for n in numbers]) for reason, numbers in found.examples.items()],
    )


def _pictures(shards: ShardSets, numbers: Sequence[int]) -> list[FigurePicture]:
    records = ((number, shards.read(number)) for number in numbers)
    return [thumbnail(record.image, record.caption, shards.place_of(number)) for number, record in records]


def _common(shards: ShardSets, found: SampleStatistics, most: int = 8) -> list[tuple[str, int]]:
    """The captions that occur most often, with their counts, if they occur more than once."""
    good = found.samples[~found.samples["bad"]]
    _, first, times = np.unique(good["caption"], return_index=True, return_counts=True)
    order = np.lexsort((first, -times))[:most]
    return [(shards.caption(int(good["number"][first[i]])), int(times[i])) for i in order if times[i] > 1]
