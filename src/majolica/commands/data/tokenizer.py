"""`majolica data tokenizer DIR... --out tokenizer.model`: the vocabulary that captions are read with."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from majolica.commands.command_line import call_verb
from majolica.errors import UserError
from majolica.files import check_new_file, write_atomic
from majolica.plurals import counted, plural
from majolica.recipes import recipe as named_recipe

if TYPE_CHECKING:
    from majolica.text.tokenizer import Tokenizer

_MEASURED = 10_000
_MOST_PIECES = 1_000_000


def run(args: list[str]) -> None:
    """Parse `args` and train."""
    call_verb(tokenizer, args, "majolica data tokenizer")


def tokenizer(
    folders: tyro.conf.Positional[tuple[str, ...]],
    /,
    out: Path = Path("tokenizer.model"),
    vocab: int | None = None,
    kind: Literal["unigram", "bpe"] = "unigram",
    sample: int = 1_000_000,
    seed: int = 0,
    recipe: str = "reference",
    length: int | None = None,
) -> None:
    """Train a SentencePiece vocabulary on the captions of shards, and say how well it fits them.

    A million captions take unigram about 2 1/2 minutes and 1.7 GB of memory, bpe 15 seconds and 0.4 GB, on two cores.
    The model also loads in transformers' T5Tokenizer(file, extra_ids=0, legacy=False) and
    LlamaTokenizer(file, legacy=False), the slow ones, with the same ids.

    Args:
        folders: Folders of shards, or URLs that fsspec knows.
        out: The model, a new .model file; what is measured goes beside it, with .report.json.
        vocab: Pieces, the 4 special and 256 byte pieces included; as many as the recipe has when not given.
        kind: unigram finds better pieces; bpe is ten times quicker and takes a quarter of the memory.
        sample: Captions to train on, drawn at random where there are more.
        seed: The same seed draws the same captions.
        recipe: The recipe that will train with it: captions are measured against the length that it reads.
        length: That length in pieces, where model.text.length is set to something else.
    """
    text = named_recipe(recipe).model.text
    vocab, length = text.vocab if vocab is None else vocab, text.length if length is None else length
    _check_request(folders, out, vocab, sample, length)
    from majolica.data.loading.captions import draw_captions
    from majolica.data.store.shards import ShardSet
    from majolica.text.tokenizer import Tokenizer, train_tokenizer

    with ExitStack() as opened:
        sources = [opened.enter_context(ShardSet(folder)) for folder in folders]
        for notice in (notice for source in sources for notice in source.notices):
            print(notice)
        faults: Counter[str] = Counter()
        total = sum(map(len, sources))
        start = time.perf_counter()
        drawn = _Readable(draw_captions(sources, sample, seed, faults))
        pieces = train_tokenizer(_show_reading(drawn, min(sample, total)), out, vocab, sample, kind)
        seconds = time.perf_counter() - start
        measured = list(_Readable(draw_captions(sources, _MEASURED, seed + 1)))
    model = Tokenizer(out)
    known = describe_lengths(model, measured, length)
    report = {
        "kind": kind,
        "pieces": pieces,
        "captions": min(sample, total) - drawn.left_out - faults.total(),
        "captions_in_all": total,
        "not_utf8": drawn.left_out,
        "seed": seed,
        "train_seconds": round(seconds, 3),
        **known,
    }
    write_atomic(out.with_suffix(".report.json"), json.dumps(report, indent=1))
    read, whole = report["captions"], counted(total, "caption")
    print(f"{out}: {counted(pieces, 'piece')} from {read:,} of {whole} in {seconds:.0f} s")
    _print_fit(model, measured, known, vocab, length)
    _print_left_out(drawn.left_out, faults)


def _check_request(folders: Sequence[str], out: Path, vocab: int, sample: int, length: int) -> None:
    """Raise UserError for a request that no captions can fulfil, before they are read."""
    if not folders:
        raise UserError("say whose captions: majolica data tokenizer DIR... --out tokenizer.model")
    if sample < 1 or vocab < 1:
        raise UserError("--sample and --vocab must be at least 1")
    if length < 2:
        raise UserError(f"--length is {length}: a piece and the end of the caption are the least")
    if vocab > _MOST_PIECES:
        raise UserError(f"--vocab is {vocab}: {_MOST_PIECES:,} are the most")
    check_new_file(out, ".model")


def _print_fit(model: Tokenizer, captions: list[str], known: dict[str, Any], vocab: int, length: int) -> None:
    """Print how well the vocabulary fits the captions, and notices of what fits badly."""
    from majolica.text.notices import cut_share_notice, fewer_pieces_notice

    if model.vocab < vocab:
        print(fewer_pieces_notice(model.vocab, vocab, "--vocab"))
    print(_describe_fit(known, length))
    if line := cut_share_notice(model, captions, length):
        print(line)


def _print_left_out(not_utf8: int, faults: Counter[str]) -> None:
    """Print which captions taught the vocabulary nothing, if there are any."""
    if not_utf8:
        print(f"left out: {counted(not_utf8, 'caption')} that {plural(not_utf8, 'is', 'are')} not UTF-8")
    if faults:
        print("left out: " + ", ".join(f"{count:,} x {reason}" for reason, count in faults.most_common()))


class _Readable:
    """The captions whose bytes are all UTF-8; counts the others, which teach a vocabulary nothing."""

    def __init__(self, captions: Iterable[str]) -> None:
        self._captions, self.left_out = captions, 0

    def __iter__(self) -> Iterator[str]:
        for caption in self._captions:
            if "\N{REPLACEMENT CHARACTER}" in caption:
                self.left_out += 1
            else:
                yield caption


def describe_lengths(tokenizer: Tokenizer, captions: list[str], length: int) -> dict[str, Any]:
    """How long captions become beside the `length` that is read, and how much of them falls back to bytes."""
    lengths = sorted(n - 1 for n in tokenizer.lengths(captions))  # without the end-of-sentence piece
    pieces = sum(lengths)
    seconds = -time.perf_counter()
    tokenizer.encode(captions, length)
    seconds += time.perf_counter()
    return {
        "measured": len(captions),
        "pieces_mean": round(pieces / max(1, len(lengths)), 3),
        "pieces_median": lengths[len(lengths) // 2] if lengths else 0,
        "pieces_p95": lengths[int(len(lengths) * 0.95)] if lengths else 0,
        f"share_longer_than_{length}": round(sum(n >= length for n in lengths) / max(1, len(lengths)), 5),
        "share_of_bytes": round(sum(tokenizer.byte_counts(captions)) / max(1, pieces), 6),
        "captions_per_second": round(len(captions) / max(seconds, 1e-9)),
    }


def _describe_fit(known: dict[str, Any], length: int) -> str:
    return (
        f"{known['pieces_mean']:.1f} pieces a caption (median {known['pieces_median']}, 95 % within"
        f" {known['pieces_p95']}); {known[f'share_longer_than_{length}']:.1%} do not fit into {length};"
        f" {known['share_of_bytes']:.2%} of pieces are single bytes"
    )


def _show_reading(captions: Iterable[str], total: int) -> Iterator[str]:
    """`captions`, with a bar while they are read and a line before the training, which says nothing itself."""
    from majolica.commands.progress import bar

    with bar("reading captions") as progress:
        yield from _report_count(captions, lambda done: progress(done, total))
    print(f"training on {counted(total, 'caption')}", file=sys.stderr)


def _report_count(captions: Iterable[str], tell: Callable[[int], None]) -> Iterator[str]:
    for done, caption in enumerate(captions, 1):
        yield caption
        if done % 1000 == 0:
            tell(done)
