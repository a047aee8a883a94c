"""`majolica data inspect DIR... --out page.html`: look at shards before training on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from majolica.commands.command_line import call_verb
from majolica.config.engine import EngineConfig
from majolica.errors import UserError
from majolica.files import check_writable
from majolica.machine import cores
from majolica.plurals import counted, plural


def run(args: list[str]) -> None:
    """Parse `args` and write the page."""
    call_verb(inspect, args, "majolica data inspect")


def inspect(
    folders: tyro.conf.Positional[tuple[str, ...]],
    /,
    out: Path = Path("inspect.html"),
    limit: int = 10_000,
    seed: int = 0,
    pictures: int = 60,
    distance: Annotated[int, tyro.conf.arg(metavar="BITS")] = 4,
    workers: int = 0,
    tokenizer: Path | None = None,
    recipe: str = "reference",
    length: int | None = None,
) -> None:
    """Look at shards: counts, sizes, captions, duplicates, damage, a contact sheet. One page, one .json of its numbers.

    Args:
        folders: Folders of tars, or URLs that fsspec knows: several are looked at as one set.
        out: The page; its numbers go to the same name with .json.
        limit: Samples that are read and decoded, drawn at random from the whole set; 0: all.
        seed: The same seed draws the same samples.
        pictures: Pictures on the contact sheet.
        distance: Bits of 64 in which the perceptual hashes of pictures that look alike differ at most, 0 to 16.
        workers: Processes; 0: as many as there are cores, up to 8.
        tokenizer: A tokenizer.model, or the folder of a run, to say how many captions are longer than a model reads.
        recipe: The recipe that will be trained, whose length counts where no run is named.
        length: Pieces of a caption that are read, where model.text.length is set to something else.
    """
    if not folders:
        raise UserError("say what to look at: majolica data inspect DIR... --out inspect.html")
    if out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--out {out} is the page: give a name that ends in .html")
    if min(limit, pictures, workers) < 0 or not 0 <= distance <= 16:
        raise UserError("--limit, --pictures and --workers must not be negative, and --distance lies between 0 and 16")
    for path in (out, out.with_suffix(".json")):
        check_writable(path)
    from majolica.commands.progress import bar
    from majolica.data.inspect.look import Look, inspect_shards

    model, pieces = _reader(tokenizer, recipe, length)
    look = Look(limit=limit, seed=seed, pictures=pictures, distance=distance, tokenizer=model, length=pieces)
    engine = EngineConfig(workers=workers or min(8, cores()))
    with bar("looking") as progress:
        summary = inspect_shards(folders, out, look, engine, progress)
    found = f"{counted(summary.tars.samples, 'sample')} in {counted(summary.tars.count, 'tar')}"
    print(f"{found}; {summary.measured:,} {plural(summary.measured, 'was', 'were')} read")
    for remark in summary.remarks:
        print(f"  {remark}")
    print(out)


def _reader(tokenizer: Path | None, recipe: str, length: int | None) -> tuple[Path | None, int]:
    """The tokenizer's file, where there is one, and the pieces of a caption that are read."""
    from majolica.config.io import load_config
    from majolica.config.run_folder import config_of_run
    from majolica.recipes import recipe as named_recipe

    read = named_recipe(recipe).model.text.length
    if tokenizer and tokenizer.is_dir():
        advice = f"no run in {tokenizer}: name the folder of a run, or a tokenizer.model, with --tokenizer"
        config = load_config(config_of_run(tokenizer, "--tokenizer", advice))
        read, tokenizer = config.model.text.length, tokenizer / "tokenizer.model"
    if length is not None and length < 2:
        raise UserError(f"--length is {length}: a piece and the end of the caption are the least")
    if tokenizer:
        from majolica.text.tokenizer import Tokenizer

        Tokenizer(tokenizer)  # refuses what is none before pictures are read
    return tokenizer, length or read
