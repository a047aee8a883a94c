"""`majolica data shard SOURCE --out DIR`: a private collection as shards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from majolica.commands.options import parse_options
from majolica.config import io
from majolica.config.shard import ShardConfig, check_shard
from majolica.errors import UserError
from majolica.files import check_folder_writable
from majolica.lock import hold_folder
from majolica.plurals import counted


@dataclass(frozen=True)
class ShardOptions:
    """What to pack, and whether."""

    config: ShardConfig
    print_config: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the whole configuration as YAML and stop."""


def run(args: list[str]) -> None:
    """Parse `args` and make the shards."""
    start, args = _start(args)
    text = "Make shards of a folder or a table of local pictures, or of what a configuration file says."
    prog = "majolica data shard SOURCE|CONFIG.yaml"
    options = parse_options(ShardOptions(start), args, prog, text, (tyro.conf.OmitArgPrefixes,))
    if options.print_config:
        print(io.to_yaml(options.config), end="")
    else:
        _shard(options.config)


def _start(args: list[str]) -> tuple[ShardConfig, list[str]]:
    """The configuration that the options change, and the options."""
    if not args or args[0].startswith("-"):
        if {"-h", "--help", "--source"} & {word.partition("=")[0] for word in args}:
            return ShardConfig(), args
        raise UserError("say what to pack first: majolica data shard FOLDER|TABLE|CONFIG.yaml --out DIR")
    if args[0].endswith((".yaml", ".yml")):
        return io.read_config(Path(args[0]), ShardConfig()), args[1:]
    return replace(ShardConfig(), source=args[0]), args[1:]


def _shard(config: ShardConfig) -> None:
    check_shard(config)
    check_folder_writable(Path(config.out))
    from majolica.commands.progress import bar
    from majolica.data.folder.gather import gather
    from majolica.data.folder.report import caption_advice

    with hold_folder(Path(config.out)), bar("packing") as progress:
        report = gather(config, progress)
    for folder, pictures in report.pictures.items():
        print(f"{counted(pictures, 'picture')} in {folder} ({counted(report.shards[folder], 'tar')})")
    for split in ("train", "heldout") if config.heldout and report.pictures else ():
        if not report.pictures.get(str(Path(config.out) / split)):
            print(
                f"no pictures in {Path(config.out) / split}: --heldout {config.heldout:g} leaves it none of so few; "
                "give a number of pictures"
            )
    if report.skipped:
        reasons = ", ".join(f"{count:,} x {reason}" for reason, count in report.skipped.items())
        print(f"left out: {reasons}; see {Path(config.out) / 'skipped.jsonl'}")
        if advice := caption_advice(config, report.skipped):
            print(advice)
