"""Packing local pictures into shards.

It is decided which picture goes into which shard before any is read, so shards can be made in any order, and made
again. The rows of the source are written to a spool file in their order, and a shard is a stretch of it. What is stored
of a picture is decided as it is for downloads (`majolica.data.fetch.picture`).
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from majolica.callbacks import ReportProgress
from majolica.config.io import to_dict
from majolica.config.shard import ShardConfig, check_shard
from majolica.data.fetch.picture import set_up_decoders
from majolica.data.folder.listing import base_folder
from majolica.data.folder.local_picture import Unusable, rules, sample
from majolica.data.folder.report import GatherReport, write_shard_report
from majolica.data.folder.spool import SPLITS, ShardTask, drop_spool, read_spool, spool_rows
from majolica.data.store.contents import tars_inside
from majolica.data.store.index import open_index
from majolica.data.store.pack import write_tar
from majolica.data.store.record import Record
from majolica.data.tasks import run_tasks
from majolica.errors import UserError, to_printable
from majolica.files import sweep_unfinished, write_atomic


def gather(config: ShardConfig, progress: ReportProgress | None = None) -> GatherReport:
    """Write the pictures of `config.source` as shards under `config.out`, and call `progress(rows done, rows in all)`.

    The same source and configuration give the same bytes. Shards that are finished are kept, unless pictures or
    captions have changed. Raises UserError for a source without usable pictures, for a folder that holds something
    else, or if the disk refuses.
    """
    check_shard(config)
    out = Path(config.out)
    description = {name: value for name, value in to_dict(config).items() if name not in ("out", "engine", "decode_gb")}
    _check_claim(out, description)
    for folder in (out, *(out / split for split in SPLITS)):
        sweep_unfinished(folder, "*.tar")
    try:
        tasks = spool_rows(config, out)
        total = sum(task.rows for task in tasks)
        if not total:
            raise UserError(_no_pictures(config.source))
        write_atomic(out / "dataset.json", json.dumps(description, indent=1))
        done = 0
        for task, _ in run_tasks(partial(_shard, config=config), tasks, config.engine):
            done += task.rows
            if progress:
                progress(done, total)
    finally:
        drop_spool(out)
    return write_shard_report(config, out, tasks)


def _check_claim(out: Path, description: dict[str, Any]) -> None:
    """Raise UserError if `out` holds another data set than `description` describes."""
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


def _shard(task: ShardTask, config: ShardConfig) -> None:
    """Make one shard, unless it is there already. Its statistics, NNNNN_stats.json, are written last."""
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


def _records(task: ShardTask, config: ShardConfig, skipped: list[list[str]]) -> Iterator[tuple[str, Record]]:
    digits = max(4, len(str(config.per_shard - 1)))
    for number, row in enumerate(read_spool(task, Path(config.out))):
        try:
            yield f"{task.name}{number:0{digits}d}", sample(row, base_folder(Path(config.source)), config)
        except Unusable as why:
            skipped.append([str(row["path"]), why.reason, why.detail])


def _state(task: ShardTask, config: ShardConfig) -> str:
    """Return a hash of the rows of a shard and of the sizes and times of their files; if it is equal, nothing is to
    do."""
    folder = base_folder(Path(config.source))
    seen = hashlib.sha256()
    for row in read_spool(task, Path(config.out)):
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
        unread = "unreadable" in known["status_dict"]  # what mends a right or a disk does not change the times of files
        return bool(not unread and known["state"] == state and tar.exists() == bool(known["successes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _no_pictures(source: str) -> str:
    nothing, tars = f"there are no pictures in {source}", tars_inside(Path(source))
    if not tars:
        return nothing
    index = f"majolica data index {shlex.quote(to_printable(tars[0].parent))}"
    return (
        f"{nothing}, but tars ({len(tars):,}): training reads tars of captioned pictures as they are, and `{index}`"
        " says what is in them; to pack their pictures anew, unpack them first"
    )
