"""`majolica data filter SOURCE|CONFIG.yaml`: any field of the configuration is an option."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import tyro

from majolica.commands.names import check_name
from majolica.commands.options import Flag, parse_options
from majolica.commands.progress import bars
from majolica.config import io
from majolica.config.engine import EngineConfig
from majolica.config.filter import (
    ColumnsConfig,
    DedupConfig,
    FilterConfig,
    RulesConfig,
    SampleConfig,
    WorkConfig,
    check_filter,
)
from majolica.errors import UserError
from majolica.files import check_folder_writable
from majolica.lock import hold_folder
from majolica.plurals import counted
from majolica.recipes.filter import SOURCES, source, summarise_source


@dataclass(frozen=True)
class FilterOptions:
    """Where to and whether, beside every field of a `FilterConfig`."""

    inputs: tuple[str, ...]
    """Parquet files, globs, folders, or URLs of them: s3://, gs://, hf://."""
    columns: ColumnsConfig
    rules: RulesConfig
    dedup: DedupConfig
    sample: SampleConfig
    work: WorkConfig
    engine: tyro.conf.OmitArgPrefixes[EngineConfig]  # --engine ray --workers 8, without a prefix
    out: Path | None = None
    """Folder of the chosen rows, part-00000.parquet and so on, and of the report: funnel.html, funnel.json."""
    restart: Flag = False
    """Replace what --out holds of another run."""
    print_config: Flag = False
    """Print the whole configuration as YAML and stop."""


def run(args: list[str]) -> None:
    """Parse `args`, then filter, or print the configuration."""
    start, args = _start(args)
    options = _parse(start, args)
    config = FilterConfig(
        start.recipe,
        options.inputs,
        options.columns,
        options.rules,
        options.dedup,
        options.sample,
        options.work,
        options.engine,
    )
    check_filter(config)
    if options.print_config:
        print(io.to_yaml(config), end="")
        return
    if options.out is None:
        raise UserError("say where to: --out DIR")
    check_folder_writable(options.out)
    from majolica.data.filter.run import filter_metadata

    begun = time.monotonic()
    with hold_folder(options.out), bars() as progress:
        found = filter_metadata(config, options.out, options.restart, progress)
    share = found["rows_out"] / max(found["rows_in"], 1)
    files = counted(len(found["files"]), "file")
    print(
        f"{found['rows_out']:,} of {counted(found['rows_in'], 'row')} ({share:.2%}) in {files} in {options.out}, after"
        f" {time.monotonic() - begun:.0f} s; why the others went: {options.out / 'funnel.html'}"
    )


def _start(args: list[str]) -> tuple[FilterConfig, list[str]]:
    """The configuration that the options change, and the options."""
    if args and not args[0].startswith("-"):
        name = args[0]
        if name.endswith((".yaml", ".yml")):
            return io.read_config(Path(name), FilterConfig(), _base), args[1:]
        check_name(name, "source", SOURCES, f"majolica data filter private --inputs {name} --out DIR")
        return source(name), args[1:]
    if "-h" in args or "--help" in args:
        return FilterConfig(), args
    raise UserError(f"say by which rules first: majolica data filter SOURCE ... ({', '.join(SOURCES)}) or CONFIG.yaml")


def _base(recipe: str) -> FilterConfig:
    """The source that a file names; a file made from no source says none."""
    return FilterConfig() if recipe in ("", "none") else source(recipe)


def _parse(start: FilterConfig, args: list[str]) -> FilterOptions:
    default = FilterOptions(
        start.inputs, start.columns, start.rules, start.dedup, start.sample, start.work, start.engine
    )
    sources = "\n".join(f"  {name:16} {summarise_source(name)}" for name in SOURCES)
    text = f"Choose rows of metadata by a source's rules, or by a configuration file.\n\nSources:\n{sources}"
    prog = "majolica data filter SOURCE|CONFIG.yaml"
    return parse_options(default, args, prog, text)
