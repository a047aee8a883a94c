"""SentencePiece: training a vocabulary from captions, and captions to padded piece ids and back."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import sentencepiece
import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.plurals import counted
from majolica.signals import run_in_thread
from majolica.text.clean import clean_caption
from majolica.text.folding import QUIET, folding_normalizer

PAD, UNK, BOS, EOS = 0, 1, 2, 3
_SPACE = "\u2581"
"""What stands for a space inside of SentencePiece."""
_LINE = 4000
"""Bytes of a caption that training sees at most: SentencePiece passes over lines above 4,192."""


def train_tokenizer(
    captions: Iterable[str],
    out: Path,
    vocab: int,
    sample: int = 2_000_000,
    kind: Literal["unigram", "bpe"] = "unigram",
) -> int:
    """Train a vocabulary and write it to `out`; returns the number of pieces.

    Where there are more than `sample` captions, that many are drawn at random. Unknown characters fall back
    to their bytes, so nothing a user types is lost. Where the captions hold too few words for `vocab` pieces,
    the vocabulary is the largest they support. Source: SentencePiece (arXiv 1808.06226).

    Case is folded, as `majolica.text.folding` says: "Dolphin" and "dolphin" are the same pieces.

    The same captions in the same order give the same file: the draw has a fixed seed (SentencePiece's own has
    not), and the number of training threads is its default, not that of the machine's cores.

    Raises UserError where there are no captions or `vocab` cannot even hold their characters.
    """
    drawn = sample_captions(captions, sample)
    if not drawn:
        raise UserError("cannot train a vocabulary: no captions; check that the shards hold .txt members")
    model = io.BytesIO()
    try:
        run_in_thread(
            sentencepiece.SentencePieceTrainer.train,
            sentence_iterator=iter(drawn),
            model_writer=model,
            model_type=kind,
            vocab_size=vocab,
            hard_vocab_limit=False,
            byte_fallback=True,
            normalizer=folding_normalizer(),
            character_coverage=0.9995,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            minloglevel=QUIET,
        )
    except RuntimeError as error:
        raise _training_error(error, vocab) from error
    write_atomic(out, model.getvalue())
    return Tokenizer(out).vocab


def sample_captions(captions: Iterable[str], sample: int, seed: int = 0) -> list[str]:
    """At most `sample` of the captions, cleaned, none of them empty, each as likely as any (a reservoir)."""
    rng = random.Random(seed)
    kept: list[str] = []
    for seen, caption in enumerate(filter(str.strip, captions)):
        if seen < sample:
            kept.append(caption)
        elif (place := rng.randrange(seen + 1)) < sample:
            kept[place] = caption
    for place, caption in enumerate(kept):  # in place: there may be millions
        kept[place] = clean_caption(caption).encode()[:_LINE].decode(errors="ignore")
    return [caption for caption in kept if caption]


class Tokenizer:
    """A trained vocabulary. Picklable, and safe to share between threads."""

    def __init__(self, path: Path) -> None:
        """Load the SentencePiece model at `path`; UserError where it is missing or is something else."""
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise UserError(f"cannot read the tokenizer {path}: {error.strerror or error}") from error
        self._pieces = sentencepiece.SentencePieceProcessor()
        try:
            self._pieces.LoadFromSerializedProto(content)
        except (RuntimeError, OSError) as error:
            raise UserError(f"{path} is not a SentencePiece model; train one or name another file") from error
        special = tuple(self._pieces.piece_to_id(p) for p in ("<pad>", "<unk>", "<s>", "</s>"))
        if special != (PAD, UNK, BOS, EOS):
            raise UserError(f"{path} numbers pad, unk, bos, eos {special}, not (0, 1, 2, 3): train another")

    @property
    def vocab(self) -> int:
        """Number of pieces, the special ones and the 256 byte pieces included."""
        return int(self._pieces.get_piece_size())

    def encode(self, captions: Sequence[str], length: int) -> Tensor:
        """Piece ids, int64, B x `length`: cleaned captions, end-of-sentence, then padding (0).

        A longer caption is cut so that its end-of-sentence piece still fits; an empty one is that piece
        alone, so no row is ever all padding.
        """
        ids = torch.full((len(captions), length), PAD, dtype=torch.int64)
        for row, pieces in zip(ids, self._ids(captions), strict=True):
            kept = [*pieces[: length - 1], EOS]
            row[: len(kept)] = torch.tensor(kept)
        return ids

    def lengths(self, captions: Sequence[str]) -> list[int]:
        """Pieces of each whole caption, end-of-sentence included: what `encode` needs to cut nothing."""
        return [len(pieces) + 1 for pieces in self._ids(captions)]

    def byte_counts(self, captions: Sequence[str]) -> list[int]:
        """Pieces of each whole caption that stand for single bytes: characters that the vocabulary lacks."""
        return [sum(map(self._pieces.is_byte, pieces)) for pieces in self._ids(captions)]

    def normalize(self, captions: Sequence[str]) -> list[str]:
        """Captions as the vocabulary sees them: cleaned, and in the normal form (and case) that its file asks for."""
        cleaned = [clean_caption(caption) for caption in captions]
        return [str(text).replace(_SPACE, " ").strip() for text in self._pieces.Normalize(cleaned)]

    def decode(self, ids: Tensor) -> list[str]:
        """Captions of B x L ids; special pieces are dropped."""
        rows: list[list[int]] = ids.tolist()
        return [str(self._pieces.decode([i for i in row if i > EOS])) for row in rows]

    def _ids(self, captions: Sequence[str]) -> list[list[int]]:
        # One thread: 40 k captions a second is far above any training rate, and decoding needs the cores.
        cleaned = [clean_caption(caption) for caption in captions]
        encoded: list[list[int]] = self._pieces.encode(cleaned, num_threads=1)
        return encoded


def _training_error(error: RuntimeError, vocab: int) -> UserError:
    text = " ".join(str(error).split())
    if needed := re.search(r"smaller than required_chars\. \d+ vs (\d+)", text):
        text = f"special, byte and single-character pieces alone are {needed[1]}; ask for more"
    return UserError(f"cannot train a vocabulary of {counted(vocab, 'piece')}: {text}")
