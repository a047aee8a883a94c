"""A report on what became of the pictures of a folder or table, from the statistics of the shards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from majolica.config.shard import ShardConfig
from majolica.data.folder.spool import SPLITS, ShardTask
from majolica.errors import UserError
from majolica.files import whole_file, write_atomic


@dataclass(frozen=True)
class GatherReport:
    """What became of the pictures."""

    pictures: dict[str, int]
    """Number of pictures that are stored, by folder."""
    shards: dict[str, int]
    """Number of tars, by folder."""
    skipped: dict[str, int]
    """Number of pictures that are left out, by reason; out/skipped.jsonl names each of them."""


def write_shard_report(config: ShardConfig, out: Path, tasks: list[ShardTask]) -> GatherReport:
    """Write report.json and skipped.jsonl into `out`.

    Raises UserError if no picture can be used, or if a folder holds tars that the source no longer gives.
    """
    pictures: Counter[str] = Counter()
    shards: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    with whole_file(out / "skipped.jsonl") as file:
        for task in tasks:
            statistics = json.loads(task.statistics.read_bytes())
            pictures[task.folder] += statistics["successes"]
            shards[task.folder] += bool(statistics["successes"])
            for path, reason, detail in statistics["skipped"]:
                skipped[reason] += 1
                file.write(json.dumps({"path": path, "reason": reason, "detail": detail}).encode() + b"\n")
    report = GatherReport(dict(pictures), dict(shards), dict(skipped.most_common()))
    write_atomic(out / "report.json", json.dumps({"source": config.source, **asdict(report)}, indent=1))
    _refuse_strangers(tasks, [out / split for split in (SPLITS if config.heldout else ("",))])
    if not pictures.total():
        reasons = ", ".join(f"{count} x {reason}" for reason, count in skipped.most_common())
        advice = caption_advice(config, skipped)
        seen = f"see {out / 'skipped.jsonl'}" + f"; {advice}" * bool(advice)
        raise UserError(f"no picture in {config.source} can be used ({reasons}): {seen}")
    return report


def caption_advice(config: ShardConfig, skipped: Mapping[str, int]) -> str:
    """Return how pictures that were left out get captions, or "" if no picture was left out for lack of a caption."""
    if not skipped.keys() & {"no_caption", "empty_caption"}:
        return ""
    where = "the .txt beside each picture" if Path(config.source).is_dir() else "the table's column of captions"
    return (
        f"captions come from {where}: `--caption given name` takes the file's name where there is none,"
        " `folder` its folder's name, and `empty` keeps pictures without words"
    )


def _refuse_strangers(tasks: list[ShardTask], folders: Sequence[Path]) -> None:
    """Raise UserError for tars that are left from when the source was larger; they would be read as part of the set."""
    ours = {task.tar for task in tasks}
    for folder in folders:
        strange = sorted(tar.name for tar in folder.glob("*.tar") if tar not in ours)
        if strange:
            names = ", ".join(strange[:3]) + (", ..." if len(strange) > 3 else "")
            raise UserError(f"{folder} holds tars that the source no longer gives ({names}): remove them")
