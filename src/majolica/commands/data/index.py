"""`majolica data index DIR|TAR|PATTERN...`: tars that someone else made, read as they are."""

from __future__ import annotations

import glob
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from majolica.config.engine import EngineConfig
from majolica.errors import UserError
from majolica.machine import cores

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
_FEW = 30


@dataclass(frozen=True)
class Found:
    """What one tar holds."""

    tar: Path
    samples: int = 0
    left_out: str = ""
    damage: str = ""
    problem: str = ""
    """Why nothing in it can be used."""

    def line(self, width: int) -> str:
        """For the terminal."""
        if self.problem:
            return f"{self.tar!s:{width}}  unusable: {self.problem}"
        notes = [f"left out {self.left_out}"] * bool(self.left_out) + [f"damaged: {self.damage}"] * bool(self.damage)
        return "; ".join([f"{self.tar!s:{width}}  {self.samples:,} samples", *notes])


def run(args: list[str]) -> None:
    """Parse `args` and index."""
    tyro.cli(index, args=args, prog="majolica data index")


def index(
    places: Annotated[tuple[str, ...], tyro.conf.Positional],
    /,
    workers: int = 0,
    rebuild: Flag = False,
    strict: Flag = False,
    all: Flag = False,
) -> None:
    """Index tars that someone else made: img2dataset's, WebDataset's. The tars stay as they are.

    Fails, after having indexed all others, when a tar holds nothing that can be used.

    Args:
        places: Folders, tars, or patterns in quotes ('parts/**/*.tar').
        workers: Tars read at the same time; 0: as many as there are cores, up to 8.
        rebuild: Read every tar again, whatever index it has.
        strict: Fail also when anything is left out or a tar ends early.
        all: Say something about every tar, not only those with faults.
    """
    from majolica.commands.progress import bar
    from majolica.data.tasks import each

    tars = _tars(places)
    workers = min(workers or min(8, cores()), len(tars))
    found = []
    with bar("indexing") as progress:
        for _, one in each(partial(_one, rebuild=rebuild), tars, EngineConfig(workers=workers)):
            found.append(one)
            progress(len(found), len(tars))
    _say(sorted(found, key=lambda one: one.tar), strict, all or len(found) <= _FEW)


def _one(tar: Path, rebuild: bool) -> Found:
    from majolica.data.index import log, open_index, scan

    level = log.level
    log.setLevel(logging.ERROR)  # all of it is said below
    try:
        if rebuild:
            tar.with_suffix(".mjidx").unlink(missing_ok=True)
        made = open_index(tar)
        damage = (made.damage or scan(tar).damage) if made.truncated else ""
    except UserError as error:
        return Found(tar, problem=str(error))
    except OSError as error:
        return Found(tar, problem=error.strerror or str(error))
    finally:
        log.setLevel(level)
    left_out = ", ".join(f"{count:,} x {reason}" for reason, count in made.reasons.items())
    problem = "" if len(made.rows) else damage or left_out or "it holds no pictures"
    return Found(tar, len(made.rows), left_out, damage, problem)


def _tars(places: Sequence[str]) -> list[Path]:
    """Every tar that is meant, once."""
    if not places:
        raise UserError("say what to index: majolica data index DIR|TAR|PATTERN...")
    tars: dict[Path, None] = {}
    for place in places:
        path = Path(place)
        if path.is_dir():
            found = sorted(path.glob("*.tar"))
            if not found and any(path.glob("*/*.tar")):
                raise UserError(f"{place} holds tars only in subfolders: give '{path}/**/*.tar', in quotes")
        else:
            found = [path] if path.exists() else sorted(map(Path, glob.glob(place, recursive=True)))
        if not found:
            raise UserError(f"{place} holds no .tar files" if path.is_dir() else f"nothing is called {place}")
        tars |= dict.fromkeys(found)
    return list(tars)


def _say(found: list[Found], strict: bool, all: bool) -> None:
    width = max(len(str(one.tar)) for one in found)
    for one in found:
        if all or one.problem or one.left_out or one.damage:
            print(one.line(width))
    print(f"{len(found):,} tars, {sum(one.samples for one in found):,} samples")
    bad = [one for one in found if one.problem or (strict and (one.left_out or one.damage))]
    if bad:
        names = ", ".join(str(one.tar) for one in bad[:3]) + (", ..." if len(bad) > 3 else "")
        what = "have faults" if strict else "hold nothing that can be used"
        raise UserError(f"{len(bad):,} of {len(found):,} tars {what}: {names}; remove them or make them again")
