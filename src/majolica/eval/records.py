"""The results of evaluations, one JSON line each, in `results.jsonl` of a run folder."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from majolica import __version__
from majolica.errors import Notice, UserError
from majolica.eval.protocol import Result
from majolica.files import append_whole
from majolica.plurals import counted, plural

FILE = "results.jsonl"


@dataclass(frozen=True)
class EvaluationRecord:
    """What one evaluator found, and all that is needed to say what it means."""

    evaluator: str
    metrics: Mapping[str, float]
    intervals: Mapping[str, Sequence[float]]
    """The 95 % intervals of those metrics for which they are known: low and high."""
    protocol: Mapping[str, Any]
    """All that must be equal before two results may be compared, such as data, steps and guidance."""
    weights: str
    """SHA-256 of the file of the weights; "" if they were evaluated before they were saved."""
    step: int
    """The optimiser step of the weights; -1 if it is not known."""
    code: str
    """Version of Majolica, and the commit, if it runs from a git checkout."""
    self_judged: Sequence[str]
    """Those metrics that the model measured with its own embeddings."""
    date: str
    """When it was measured, in UTC (ISO 8601)."""
    seconds: float


def make_record(evaluator: str, result: Result, weights: str, step: int, seconds: float) -> EvaluationRecord:
    """Return the record of a result that has just been found."""
    finite = {name: float(value) for name, value in result.metrics.items() if math.isfinite(value)}
    intervals = {name: list(ends) for name, ends in result.intervals.items() if all(map(math.isfinite, ends))}
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return EvaluationRecord(
        evaluator,
        finite,
        intervals,
        dict(result.protocol),
        weights,
        step,
        describe_code(),
        [name for name in result.self_judged if name in finite],
        date,
        round(seconds, 3),
    )


@cache
def describe_code() -> str:
    """Return the version of Majolica, with the commit if its source lies in a git checkout."""
    home = Path(__file__).parents[3]
    if not (home / ".git").exists():
        return __version__
    try:
        say = ["git", "-C", str(home), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        commit = subprocess.run(say, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        if commit.endswith("-dirty"):  # other changes to the same commit are other code
            compare = ["git", "-C", str(home), "diff", "HEAD"]
            changes = subprocess.run(compare, capture_output=True, check=True, timeout=10).stdout
            commit += f"-{hashlib.sha256(changes).hexdigest()[:12]}"
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__} {commit}"


def append_records(run: Path, records: Sequence[EvaluationRecord]) -> None:
    """Append records to `results.jsonl` of a run folder. Raises UserError if the file cannot be written."""
    lines = "".join(json.dumps(asdict(record), allow_nan=False, ensure_ascii=False) + "\n" for record in records)
    try:
        append_whole(run / FILE, lines.encode(), flush=True)
    except OSError as error:
        raise UserError(f"cannot write {run / FILE}: {error.strerror or error}") from error


def read_records(run: Path) -> list[EvaluationRecord]:
    """Return the records of a run folder in their order.

    A line that is incomplete, because a process was killed while it wrote, or that is no result is passed over with a
    notice. Raises UserError if the folder has no results.
    """
    try:
        lines = (run / FILE).read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UserError(f"{run} has no {FILE}: evaluate the run first, with `majolica eval {run}`") from error
    read = [_read(line) for line in lines if line.strip()]
    found = [record for record in read if record]
    if found and len(found) < len(read):
        missing = len(read) - len(found)
        passed, are = counted(missing, "line"), plural(missing, "is", "are")
        warnings.warn(f"{passed} of {run / FILE} cannot be read, and {are} passed over", Notice, stacklevel=2)
    if not found:
        raise UserError(f"{run / FILE} holds no results: evaluate the run first, with `majolica eval {run}`")
    return found


_FIELDS = {field.name for field in fields(EvaluationRecord)}
_NEWER = {"self_judged": ()}
"""Fields that lines of earlier versions lack."""


def _read(line: str) -> EvaluationRecord | None:
    try:
        found = {**_NEWER, **json.loads(line)}
        record = EvaluationRecord(**{name: found[name] for name in _FIELDS})
        numbers = [*record.metrics.values(), *(end for ends in record.intervals.values() for end in ends), record.step]
        dict(record.protocol)
        return record if all(isinstance(number, int | float) for number in numbers) else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
