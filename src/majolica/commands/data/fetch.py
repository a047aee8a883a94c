"""`majolica data fetch RECIPE|CONFIG.yaml`: pictures of chosen rows, politely, into shards."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path

import tyro

from majolica.commands.names import check_name
from majolica.commands.options import Flag, parse_options
from majolica.commands.progress import bar
from majolica.config import io
from majolica.config.engine import EngineConfig
from majolica.config.fetch import RECIPES, FetchConfig, check_fetch, fetch_recipe
from majolica.errors import UserError
from majolica.files import check_folder_writable
from majolica.plurals import counted, plural


@dataclass(frozen=True)
class FetchOptions(FetchConfig):
    """Whether, beside every field of a `FetchConfig`."""

    engine: tyro.conf.OmitArgPrefixes[EngineConfig] = field(default_factory=EngineConfig)  # --workers 8, as elsewhere
    retry_failed: Flag = False
    """Ask again for what failed for a reason that may have passed, into further shards."""
    print_config: Flag = False
    """Print the whole configuration as YAML and stop."""


def _named(name: str) -> FetchConfig:
    """The recipe of that name, or the configuration in that YAML file."""
    if name.endswith((".yaml", ".yml")):
        return io.read_config(Path(name), FetchConfig())
    check_name(name, "recipe", RECIPES, f"majolica data fetch web256 --input {name} --out DIR")
    return fetch_recipe(name)


def run(args: list[str]) -> None:
    """Parse `args`, then fetch, or print the configuration instead."""
    start = FetchConfig()
    if args and not args[0].startswith("-"):
        start, args = _named(args[0]), args[1:]
    options = _parse(start, args)
    config = FetchConfig(**{field.name: getattr(options, field.name) for field in fields(FetchConfig)})
    check_fetch(config)
    if options.print_config:
        print(io.to_yaml(config), end="")
        return
    _installed()
    if config.out:
        check_folder_writable(Path(config.out))
    from majolica.data.fetch.run import fetch

    with bar("fetching", unit="URL") as progress:
        totals = fetch(
            config,
            lambda totals: progress(totals.done, totals.rows, totals.describe_pace()),
            lambda text: print(text, file=sys.stderr),
            options.retry_failed,
        )
    good = totals.statuses["success"]
    failures = [f"{count:,} {word}" for word, count in totals.statuses.most_common() if word != "success"]
    done = f"{counted(good, 'picture')} of {counted(totals.rows, 'URL')} in {config.out}"
    print("; ".join(filter(None, (done, ", ".join(failures)))))
    if skipped := totals.statuses["empty_caption"]:
        rows = f"{counted(skipped, 'row')} {plural(skipped, 'has', 'have')} an empty caption and"
        print(f"{rows} {plural(skipped, 'was', 'were')} not asked for: --empty-captions keep takes such rows too")
    if totals.silent:
        what = f"{counted(totals.silent, 'caption')} {plural(totals.silent, 'is', 'are')} empty"
        print(f"{what}: training leaves such samples out, unless --data.empty-captions is keep")


def _parse(start: FetchConfig, args: list[str]) -> FetchOptions:
    default = FetchOptions(**{field.name: getattr(start, field.name) for field in fields(FetchConfig)})
    recipes = "\n".join(f"  {name:10} {(make.__doc__ or '').splitlines()[0]}" for name, make in RECIPES.items())
    text = f"Download the pictures of rows with URLs and captions into shards.\n\nRecipes:\n{recipes}"
    prog = "majolica data fetch [RECIPE|CONFIG.yaml]"
    return parse_options(default, args, prog, text)


def _installed() -> None:
    for package in ("aiohttp", "pyarrow", "fsspec"):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"fetching needs {package}: pip install 'majolica[data]'")
