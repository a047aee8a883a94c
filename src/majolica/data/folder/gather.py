"""Local pictures into shards: which go where is fixed before any is read, so shards are made in any order, anew or not.

The rows of the source go to a spool file in their order; a shard is a stretch of it. What is stored of a picture is
decided as for downloads (`majolica.data.fetch.picture`).
"""

from __future__ import annotations

import hashlib
import heapq
import json
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from majolica.config.io import to_dict
from majolica.config.shard import ShardConfig, check
from majolica.data.fetch.picture import set_up_decoders
from majolica.data.folder.listing import Row, base, rows
from majolica.data.folder.local_picture import Unusable, rules, sample
from majolica.data.store.contents import tars_inside
from majolica.data.store.index import open_index
from majolica.data.store.pack import write_tar
from majolica.data.store.shards import Record
from majolica.data.tasks import each
from majolica.errors import UserError, shown
from majolica.files import sweep_unfinished, whole_file, write_atomic

SPLITS = ("train", "heldout")
"""Folders of the shards where some pictures are held out; else they lie in the data set's own."""
_SPOOL = ".rows"
_SPOOLS = ("first", "second")


@dataclass(frozen=True)
class Task:
    """One shard to be: a stretch of a spool file."""

    folder: str
    """Of the shard."""
    spool: str
    number: int
    offset: int
    size: int
    rows: int

    @property
    def name(self) -> str:
        """Number of the shard, as in its files' names."""
        return f"{self.number:05d}"

    @property
    def tar(self) -> Path:
        """The shard."""
        return Path(self.folder) / f"{self.name}.tar"

    @property
    def statistics(self) -> Path:
        """What became of its rows; where this file is, the shard is done."""
        return Path(self.folder) / f"{self.name}_stats.json"


@dataclass(frozen=True)
class Report:
    """What became of the pictures."""

    pictures: dict[str, int]
    """Stored, by folder."""
    shards: dict[str, int]
    """Tars, by folder."""
    skipped: dict[str, int]
    """Left out, by reason; out/skipped.jsonl names each."""


def gather(config: ShardConfig, progress: Callable[[int, int], None] | None = None) -> Report:
    """Write the pictures of `config.source` as shards under `config.out`; `progress(rows done, rows in all)`.

    The same source and configuration give the same bytes. What is finished already is kept, and made again only
    where pictures or captions have changed. Raises UserError for a source without usable pictures, a folder that
    holds something else, or a disk that refuses.
    """
    check(config)
    out = Path(config.out)
    description = {name: value for name, value in to_dict(config).items() if name not in ("out", "engine", "decode_gb")}
    _check_claim(out, description)
    for folder in (out, *(out / split for split in SPLITS)):
        sweep_unfinished(folder, "*.tar")
    try:
        tasks = _spool(config, out)
        total = sum(task.rows for task in tasks)
        if not total:
            raise UserError(_no_pictures(config.source))
        write_atomic(out / "dataset.json", json.dumps(description, indent=1))
        done = 0
        for task, _ in each(partial(_shard, config=config), tasks, config.engine):
            done += task.rows
            if progress:
                progress(done, total)
    finally:
        shutil.rmtree(out / _SPOOL, ignore_errors=True)
    return _report(config, out, tasks)


def _check_claim(out: Path, description: dict[str, Any]) -> None:
    """UserError where `out` holds another data set than `description` describes."""
    path = out / "dataset.json"
    try:
        known = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        if any(out.glob("*.tar")):
            raise UserError(f"{out} holds tars of some other data set; choose another --out") from None
        return
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); choose another --out") from error
    if known != json.loads(json.dumps(description)):
        raise UserError(f"{out} holds a data set made with other options (see {path}); choose another --out")


def _spool(config: ShardConfig, out: Path) -> list[Task]:
    """Write the rows of each split to a file of its own; the stretches of these files that make a shard."""
    shutil.rmtree(out / _SPOOL, ignore_errors=True)
    threshold = _threshold(config)
    splits = SPLITS if config.heldout else ("",)
    tasks: list[Task] = []
    with whole_file(out / _SPOOL / _SPOOLS[0]) as first, whole_file(out / _SPOOL / _SPOOLS[1]) as second:
        files = (first, second)
        waiting = [Task(str(out / split), name, 0, 0, 0, 0) for split, name in zip(splits, _SPOOLS, strict=False)]
        for row in rows(config):
            side = int(_hash(row) < threshold)
            line = json.dumps(row).encode() + b"\n"
            files[side].write(line)
            now = waiting[side]
            now = replace(now, size=now.size + len(line), rows=now.rows + 1)
            if now.rows == config.per_shard:
                tasks.append(now)
                now = replace(now, number=now.number + 1, offset=now.offset + now.size, size=0, rows=0)
            waiting[side] = now
    tasks += [task for task in waiting if task.rows]
    return sorted(tasks, key=lambda task: (task.spool, task.number))


def _threshold(config: ShardConfig) -> int:
    """Rows whose hash is below this are held out. A number of them takes a pass over the rows of its own."""
    if config.heldout < 1:
        return int(config.heldout * 2**64)
    number = int(config.heldout)
    largest: list[int] = []  # the `number` smallest hashes, negated: the largest of them on top
    for row in rows(config):
        if len(largest) < number:
            heapq.heappush(largest, -_hash(row))
        else:
            heapq.heappushpop(largest, -_hash(row))
    if len(largest) < number:
        raise UserError(f"{number} pictures shall be held out, but {config.source} has only {len(largest)}")
    return 1 - largest[0]


def _hash(row: Row) -> int:
    """The first 8 bytes of the SHA-256 of a picture's path as it is written, big-endian."""
    path = str(row["path"]).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(path).digest()[:8], "big")


def _shard(task: Task, config: ShardConfig) -> None:
    """Make one shard, unless it is there. Its statistics, NNNNN_stats.json, are written last."""
    set_up_decoders(rules(config))
    tar, path, state = task.tar, task.statistics, _state(task, config)
    if _is_done(path, state, tar):
        return
    path.unlink(missing_ok=True)
    skipped: list[list[str]] = []
    stored = write_tar(tar, _records(task, config, skipped))
    if not stored:
        tar.unlink(missing_ok=True)
    else:
        open_index(tar)
    reasons = Counter(reason for _, reason, _ in skipped)
    statistics = {
        "count": task.rows,
        "successes": stored,
        "status_dict": {"success": stored, **reasons},
        "skipped": skipped,
        "state": state,
    }
    write_atomic(path, json.dumps(statistics, indent=1))


def _records(task: Task, config: ShardConfig, skipped: list[list[str]]) -> Iterator[tuple[str, Record]]:
    digits = max(4, len(str(config.per_shard - 1)))
    for number, row in enumerate(_rows(task, config)):
        try:
            yield f"{task.name}{number:0{digits}d}", sample(row, base(Path(config.source)), config)
        except Unusable as why:
            skipped.append([str(row["path"]), why.reason, why.detail])


def _rows(task: Task, config: ShardConfig) -> Iterator[Row]:
    with (Path(config.out) / _SPOOL / task.spool).open("rb") as file:
        file.seek(task.offset)
        for _ in range(task.rows):
            yield json.loads(file.readline())


def _state(task: Task, config: ShardConfig) -> str:
    """Hash of the rows of a shard and of size and time of their files: equal means nothing to do."""
    folder = base(Path(config.source))
    seen = hashlib.sha256()
    for row in _rows(task, config):
        seen.update(json.dumps(row).encode())
        path = folder / str(row["path"])
        for file in (path, path.with_suffix(".txt"), path.with_suffix(".json")) if path.name else ():
            try:
                stat = file.stat()
                seen.update(b"%d %d;" % (stat.st_size, stat.st_mtime_ns))
            except (OSError, ValueError):
                seen.update(b"none;")
    return seen.hexdigest()


def _is_done(path: Path, state: str, tar: Path) -> bool:
    try:
        known = json.loads(path.read_bytes())
        return bool(known["state"] == state and tar.exists() == bool(known["successes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _no_pictures(source: str) -> str:
    nothing, tars = f"there are no pictures in {source}", tars_inside(Path(source))
    if not tars:
        return nothing
    index = f"majolica data index {shlex.quote(shown(tars[0].parent))}"
    return (
        f"{nothing}, but tars ({len(tars):,}): training reads tars of captioned pictures as they are, and `{index}`"
        " says what is in them; to pack their pictures anew, unpack them first"
    )


def _report(config: ShardConfig, out: Path, tasks: list[Task]) -> Report:
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
    report = Report(dict(pictures), dict(shards), dict(skipped.most_common()))
    write_atomic(out / "report.json", json.dumps({"source": config.source, **asdict(report)}, indent=1))
    _refuse_strangers(tasks)
    if not pictures.total():
        reasons = ", ".join(f"{count} x {reason}" for reason, count in skipped.most_common())
        advice = caption_advice(config, skipped)
        seen = f"see {out / 'skipped.jsonl'}" + f"; {advice}" * bool(advice)
        raise UserError(f"no picture in {config.source} can be used ({reasons}): {seen}")
    return report


def caption_advice(config: ShardConfig, skipped: Mapping[str, int]) -> str:
    """What gives captions to pictures that were left out for want of one; nothing where none was."""
    if not skipped.keys() & {"no_caption", "empty_caption"}:
        return ""
    where = "the .txt beside each picture" if Path(config.source).is_dir() else "the table's column of captions"
    return (
        f"captions come from {where}: `--caption given name` takes the file's name where there is none,"
        " `folder` its folder's name, and `empty` keeps pictures without words"
    )


def _refuse_strangers(tasks: list[Task]) -> None:
    """Tars that an earlier, larger state of the source left would be read as part of the set."""
    ours = {task.tar for task in tasks}
    for folder in {task.tar.parent for task in tasks}:
        strange = sorted(tar.name for tar in folder.glob("*.tar") if tar not in ours)
        if strange:
            names = ", ".join(strange[:3]) + (", ..." if len(strange) > 3 else "")
            raise UserError(f"{folder} holds tars that the source no longer gives ({names}): remove them")
