"""`majolica data index DIR|TAR|PATTERN...`: tars that someone else made, read as they are."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from majolica.commands.command_line import call_verb
from majolica.commands.options import Flag
from majolica.config.engine import EngineConfig
from majolica.errors import UserError, to_printable
from majolica.machine import cores
from majolica.plurals import counted, plural

_FEW = 30


@dataclass(frozen=True)
class Found:
    """What one tar holds."""

    tar: Path
    samples: int = 0
    empty: int = 0
    """Samples whose caption is empty."""
    left_out: str = ""
    damage: str = ""
    problem: str = ""
    """Why nothing in it can be used."""
    unsaved: str = ""
    """Why its index is not kept."""

    def line(self, width: int) -> str:
        """For the terminal."""
        name = to_printable(self.tar)
        if self.problem:
            return f"{name:{width}}  unusable: {self.problem}"
        notes = [f"{counted(self.empty, 'caption')} {plural(self.empty, 'is', 'are')} empty"] * bool(self.empty)
        notes += [f"left out {self.left_out}"] * bool(self.left_out) + [f"damaged: {self.damage}"] * bool(self.damage)
        return "; ".join([f"{name:{width}}  {counted(self.samples, 'sample')}", *notes])


def run(args: list[str]) -> None:
    """Parse `args` and index."""
    call_verb(index, args, "majolica data index")


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
    from majolica.data.tasks import run_tasks

    if workers < 0:
        raise UserError("--workers must not be negative")
    tars, notices = _tars(places)
    for notice in notices:
        print(notice)
    workers = min(workers or min(8, cores()), len(tars))
    found = []
    with bar("indexing") as progress:
        for _, one in run_tasks(partial(_one, rebuild=rebuild), tars, EngineConfig(workers=workers)):
            found.append(one)
            progress(len(found), len(tars))
    _print_findings(sorted(found, key=lambda one: one.tar), strict, all or len(found) <= _FEW)


def _one(tar: Path, rebuild: bool) -> Found:
    from majolica.data.store.index import log, open_index, scan_tar

    level = log.level
    log.setLevel(logging.ERROR)  # all of it is said below
    try:
        made = open_index(tar, rebuild)
        damage = (made.damage or scan_tar(tar).damage) if made.truncated else ""
    except UserError as error:
        return Found(tar, problem=str(error).removeprefix(f"cannot read {tar}: "))
    except OSError as error:
        return Found(tar, problem=error.strerror or str(error))
    finally:
        log.setLevel(level)
    left_out = ", ".join(f"{count:,} x {reason}" for reason, count in made.reasons.items())
    problem = "" if len(made.rows) else damage or left_out or "it holds no pictures"
    return Found(tar, len(made.rows), made.empty, left_out, damage, problem, made.unsaved)


def _tars(places: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Every tar that is meant, once; and a sentence on everything that looks like one and is passed over."""
    from majolica.data.store.contents import list_contents

    if not all(places) or not places:
        raise UserError("say what to index: majolica data index DIR|TAR|PATTERN...")
    tars: dict[Path, None] = {}
    notices: list[str] = []
    for place in places:
        path = Path(place)
        if path.is_dir():
            if any(path.glob("*/*.tar")) and not any(path.glob("*.tar")):
                raise UserError(f"{place} holds tars only in subfolders: give '{path}/**/*.tar', in quotes")
            known = list_contents(path)
            notices += known.notices
            found = [path / name for name, _, _ in known.tars]
        elif os.path.lexists(path):
            found = [path]
        else:
            found, strange = _of_pattern(place)
            notices += strange
        tars |= dict.fromkeys(found)
    return list(tars), notices


def _of_pattern(pattern: str) -> tuple[list[Path], list[str]]:
    matches = sorted(map(Path, glob.glob(pattern, recursive=True)))
    found = [path for path in matches if path.is_file()]
    strange = [f"{to_printable(path)} is passed over: it is no file" for path in matches if path not in set(found)]
    if not found:
        what = f"there is no folder and no tar called {to_printable(pattern)}"
        advice = "name a folder of tars, a tar, or a pattern that finds some, in quotes ('parts/**/*.tar')"
        raise UserError("; ".join(["no file is meant", *strange]) if strange else f"{what}: {advice}")
    return found, strange


def _print_findings(found: list[Found], strict: bool, all: bool) -> None:
    width = max(len(to_printable(one.tar)) for one in found)
    for one in found:
        if all or one.problem or one.left_out or one.damage or one.empty:
            print(one.line(width))
    print(f"{counted(len(found), 'tar')}, {counted(sum(one.samples for one in found), 'sample')}")
    if empty := sum(one.empty for one in found):
        what = f"{counted(empty, 'caption')} {plural(empty, 'is', 'are')} empty"
        print(f"{what}: training leaves such samples out, unless --data.empty-captions is keep")
    if unsaved := [one.unsaved for one in found if one.unsaved]:
        are, them = plural(len(unsaved), "is", "are"), plural(len(unsaved), "it", "them")
        what = f"{counted(len(unsaved), 'index', 'indexes')} {are} not kept"
        print(f"{what}, so every command makes {them} anew: {to_printable(unsaved[0])}")
    bad = [one for one in found if one.problem or (strict and (one.left_out or one.damage))]
    if bad:
        names = ", ".join(to_printable(one.tar) for one in bad[:3]) + (", ..." if len(bad) > 3 else "")
        have, hold, them = (plural(len(bad), *words) for words in (("has", "have"), ("holds", "hold"), ("it", "them")))
        what = f"{have} faults" if strict else f"{hold} nothing that can be used"
        whole = counted(len(found), "tar")
        raise UserError(f"{len(bad):,} of {whole} {what}: {names}; remove {them} or make {them} again")
