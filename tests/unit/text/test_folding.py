"""Case, joiners and marks of direction in new vocabularies, and tokenizer files of before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sentencepiece
import torch

from majolica.text.folding import folding_normalizer
from majolica.text.tokenizer import Tokenizer, train_tokenizer

CAPTIONS = [
    f"a {thing} on a {colour} background"
    for thing in ("dolphin", "red apple", "guitar", "istanbul mosque", "strasse", "école")
    for colour in ("teal", "dark green", "yellow")
]
PERSIAN = "می\u200cخواهم کتاب\u200cها را ببینم"
HINDI = ("क्\u200dष", "क्\u200cष", "नमस्ते दुनिया")
EMOJI = ("👨\u200d👩\u200d👧", "👩🏽\u200d🚀", "❤\ufe0f\u200d🔥", "🏳\ufe0f\u200d🌈", "🏴\U000e0067\U000e0062\U000e007f")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path = tmp_path_factory.mktemp("folding") / "tokenizer.model"
    train_tokenizer(CAPTIONS, path, 400)
    return Tokenizer(path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a dolphin", "A DOLPHIN"),
        ("red apple", "Red Apple"),
        ("école", "ÉCOLE"),
        ("école", "E\u0301cole"),  # NFD, as macOS names files
        ("strasse", "Straße"),
        ("strasse", "STRAẞE"),
        ("istanbul", "İstanbul"),
        ("istanbul", "ISTANBUL"),
        ("dolphin", "dol\u00adphin"),  # soft hyphen
        ("dolphin", "\u200edolphin\u200f"),
        ("dolphin", "\u2068dolphin\u2069"),
        ("σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("дельфин", "ДЕЛЬФИН"),
        ("dolphin", "Ｄｏｌｐｈｉｎ"),
    ],
)
def test_the_same_words_are_the_same_pieces(tokenizer: Tokenizer, one: str, other: str) -> None:
    ids = tokenizer.encode([one, other], 64)
    assert torch.equal(ids[0], ids[1])


def test_capitals_cost_no_pieces(tokenizer: Tokenizer) -> None:
    assert tokenizer.byte_counts(["A DOLPHIN ON A TEAL BACKGROUND", "Red Apple"]) == [0, 0]


@pytest.mark.parametrize("text", [PERSIAN, *HINDI, *EMOJI])
def test_joiners_survive_the_way_to_pieces_and_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode([text], 256)) == [text]


def test_what_joiners_tell_apart_stays_apart(tokenizer: Tokenizer) -> None:
    conjunct, parted, plain = tokenizer.encode(["क्\u200dष", "क्\u200cष", "क्ष"], 64)
    assert not torch.equal(conjunct, parted) and not torch.equal(parted, plain)
    spaced, joined = tokenizer.encode([PERSIAN.replace("\u200c", " "), PERSIAN], 256)
    assert not torch.equal(spaced, joined)


def test_everything_that_has_a_small_letter_is_folded_to_it() -> None:
    """Over all of Unicode; what becomes several letters (İ in Python) is in the list above."""
    normal = folding_normalizer()
    letters = [c for c in map(chr, range(0x110000)) if c.isupper() and len(c.lower()) == 1]
    assert len(letters) > 1700
    assert normal.Normalize(letters) == normal.Normalize([c.lower() for c in letters])


@pytest.mark.parametrize("rule", ["nmt_nfkc", "nmt_nfkc_cf", "identity"])
def test_a_file_with_other_rules_is_read_as_it_was_trained(tmp_path: Path, rule: str) -> None:
    prefix = tmp_path / "old"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*CAPTIONS, "Dolphin", "RED"]),
        model_prefix=str(prefix),
        vocab_size=400,
        hard_vocab_limit=False,
        byte_fallback=True,
        normalization_rule_name=rule,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        minloglevel=2,
    )
    texts = ["Dolphin", "a RED guitar", PERSIAN, *HINDI, *EMOJI, "İstanbul straße", "dol\u00adphin", "E\u0301cole"]
    raw = sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")
    mine = Tokenizer(prefix.with_suffix(".model"))
    for row, expected in zip(mine.encode(texts, 256).tolist(), raw.encode(texts), strict=True):
        assert row[: len(expected) + 1] == [*expected, 3]
    if rule == "nmt_nfkc":
        one, other = mine.encode(["Dolphin", "dolphin"], 16)
        assert not torch.equal(one, other)


def test_training_says_nothing_on_the_terminal(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from majolica.text.tokenizer import train_tokenizer;"
        f"train_tokenizer(['a dolphin', 'a guitar'], Path({str(tmp_path / 't.model')!r}), 280)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
