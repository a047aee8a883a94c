"""Which rows make which shard. This is kept as plan.json, so that the same command goes on where it was stopped.

A plan has generations. The first is the input, and each `--retry-failed` adds one, whose rows are those of the
generation before that may work by now.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from majolica.config.fetch import FetchConfig
from majolica.data.fetch.rows import Columns, Source, changed_source, check_schemas, find_columns, find_sources
from majolica.data.fetch.shard_files import stats_path
from majolica.data.store.caption_text import EmptyCaptions
from majolica.errors import UserError, to_printable
from majolica.files import write_atomic


@dataclass(frozen=True)
class Generation:
    """Files whose rows fill the shards from number `first` on."""

    sources: tuple[Source, ...]
    columns: Columns
    first: int
    shards: int


@dataclass(frozen=True)
class FetchPlan:
    """Everything that decides which row is in which shard; equal plans give equal keys."""

    per_shard: int
    digits: int
    """How many digits the number of a shard has in names and keys: five, or more if there are very many shards."""
    picture: dict[str, Any]
    generations: tuple[Generation, ...]
    empty_captions: EmptyCaptions = "keep"
    """Whether rows with an empty caption are kept. A plan that does not say was made when all were kept."""

    def name(self, shard: int) -> str:
        """Return the file name of a shard without its ending."""
        return f"{shard:0{self.digits}d}"

    def key(self, shard: int, row: int) -> str:
        """Return a key as img2dataset makes it: the number of the shard, then that of the row.

        The number of the row has as many digits as `per_shard` needs.
        """
        each = math.ceil(math.log10(self.per_shard))
        return f"{shard * 10**each + row:0{self.digits + each}d}"

    def place(self, shard: int) -> tuple[Generation, int, int]:
        """Return the generation of a shard, and the rows [start, stop) of that generation that the shard has."""
        generation = next(one for one in reversed(self.generations) if one.first <= shard)
        start = (shard - generation.first) * self.per_shard
        return generation, start, min(start + self.per_shard, sum(source.rows for source in generation.sources))


def make_plan(config: FetchConfig) -> FetchPlan:
    """Return the plan in the folder `config.out`, or make one for `config.input`. Raises UserError if they do not
    fit."""
    folder = Path(config.out)
    known = load_plan(folder)
    if known and not config.input:
        _refuse_other_settings(folder, known, config)
        return known
    if known is None:
        _refuse_foreign(folder)
    sources = find_sources(config.input)
    rows = sum(source.rows for source in sources)
    if not rows:
        raise UserError(f"{', '.join(config.input)} holds no rows")
    columns = find_columns(sources[0], config.url_column, config.caption_column)
    shards = -(-rows // config.per_shard)
    # There are digits for twice the shards, so that keys keep their width when retries add shards.
    plan = FetchPlan(
        config.per_shard,
        max(5, len(str(2 * shards))),
        asdict(config.picture),
        (Generation(tuple(sources), columns, 0, shards),),
        config.empty_captions,
    )
    if known is None:
        check_schemas(sources, columns)
        save_plan(folder, plan)
        return plan
    begun = replace(known, generations=known.generations[:1])
    plan = replace(plan, generations=(_as_marked(plan.generations[0], known.generations[0].sources),))
    if begun != plan:
        raise _other_settings(folder, known, plan)
    return known


def load_plan(folder: Path) -> FetchPlan | None:
    """Return the plan of a folder, or None if there is none yet."""
    path = folder / "plan.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        generations = tuple(_generation(one) for one in known["generations"])
        empty = known.get("empty_captions", "keep")
        return FetchPlan(known["per_shard"], known["digits"], known["picture"], generations, empty)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read; use another --out") from error


def save_plan(folder: Path, plan: FetchPlan) -> None:
    """Write the plan of a folder to plan.json."""
    write_atomic(folder / "plan.json", json.dumps(asdict(plan), indent=1))


def unfinished_shards(folder: Path, plan: FetchPlan) -> list[int]:
    """Return the numbers of the shards that are not done."""
    last = plan.generations[-1]
    return [shard for shard in range(last.first + last.shards) if not stats_path(folder, plan.name(shard)).exists()]


def _as_marked(new: Generation, known: tuple[Source, ...]) -> Generation:
    """Return `new` without the marks that `known` lacks, because older plans did not compare contents."""
    if len(new.sources) != len(known):
        return new
    sources = tuple(one if old.mark else replace(one, mark="") for one, old in zip(new.sources, known, strict=True))
    return replace(new, sources=sources)


def _refuse_foreign(folder: Path) -> None:
    """Raise UserError if `folder`, which has no plan, holds files that a fetch would replace or take for its own."""
    for path in sorted(folder.glob("*")):
        if path.match("*.tar") or path.match("*_stats.json") or (path.suffix == ".parquet" and path.stem.isdecimal()):
            raise UserError(f"{folder} holds {to_printable(path.name)} of some other data set; choose another --out")


def _generation(known: dict[str, Any]) -> Generation:
    sources = tuple(Source(**one) for one in known["sources"])
    return Generation(sources, Columns(**known["columns"]), known["first"], known["shards"])


def _refuse_other_settings(folder: Path, known: FetchPlan, config: FetchConfig) -> None:
    """Raise UserError if `config`, which names no input, asks for anything else than the plan `known`.

    A setting with its usual value asks for nothing, because the command need not repeat what the folder was begun with.
    """
    usual = FetchConfig()
    wanted, plain = asdict(config.picture), asdict(usual.picture)
    picture = {name: value if value != plain[name] else known.picture.get(name) for name, value in wanted.items()}
    first = known.generations[0]
    columns = Columns(config.url_column or first.columns.url, config.caption_column or first.columns.caption)
    asked = replace(
        known,
        picture=picture,
        generations=(replace(first, columns=columns), *known.generations[1:]),
        per_shard=config.per_shard if config.per_shard != usual.per_shard else known.per_shard,
        empty_captions=config.empty_captions if config.empty_captions != usual.empty_captions else known.empty_captions,
    )
    if asked != known:
        raise _other_settings(folder, known, asked)


def _other_settings(folder: Path, known: FetchPlan, plan: FetchPlan) -> UserError:
    old, new = known.generations[0].sources, plan.generations[0].sources
    if [one.path for one in old] == [one.path for one in new]:
        for before, now in zip(old, new, strict=True):
            if before != now:
                return changed_source(now.path, folder)
    return UserError(f"{folder} was begun with {_difference(known, plan)}: use another --out, or the same settings")


def _difference(known: FetchPlan, plan: FetchPlan) -> str:
    if known.generations[0].sources != plan.generations[0].sources:
        return "other input files"
    if known.generations[0].columns != plan.generations[0].columns:
        return "other columns"
    if known.per_shard != plan.per_shard:
        return f"per_shard {known.per_shard}"
    if known.empty_captions != plan.empty_captions:
        return f"empty_captions {known.empty_captions}"
    old, new = known.picture, plan.picture
    changed = [f"picture.{name} {old.get(name)}" for name in new if old.get(name) != new[name]]
    return ", ".join(changed) or "another version's settings"
