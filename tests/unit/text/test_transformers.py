"""Our vocabularies in transformers' slow tokenizers: identical ids, whatever the words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from majolica.text.clean import clean_caption
from majolica.text.tokenizer import EOS, Tokenizer, train_tokenizer

transformers = pytest.importorskip("transformers")

TRAINING = [
    f"{article} {colour} {thing} {where}"
    for article in ("a", "the", "One", "Old")
    for colour in ("red", "dark green", "café-coloured", "bleu")
    for thing in ("dolphin", "Bicycle", "mushroom soup", "rocket no. 7", "guitar's strings")
    for where in ("on a table", "in Zürich", "at 12:30", "& friends", "")
]
WORDS = [
    "a red dolphin on a table",
    "",
    " ",
    "  two   spaces , and a\ttab\nand a line ",
    "Café in Zürich 12:30 & 100% ½ ﬁne",
    "日本の赤いイルカ 🦩👩‍🚀 Ω",
    "العربية नमस्ते ไทย",
    "a\u0301e\u0308 combining, ＦＵＬＬ width",
    "http://example.com/a_b?c=d#e <img> [x] {y} \\n",
    "no-break\u00a0space and zero\u200bwidth",
    "▁underscores ▁ already",
    "MiXeD CaSe 'quotes' \"double\" -- dashes—and…dots",
    "x" * 300,
    "word " * 200,
    "می\u200cخواهم soft\u00adhyphen \u200fعربي\u200e İstanbul STRASSE straße",
    "\x00control\x07 characters\x1b",
]
SPECIAL = ["the </s> end", "<pad><unk> <s> in words", "<0x41> is no byte"]


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param) / "tokenizer.model"
    train_tokenizer(TRAINING, path, 380, kind=request.param)
    return path


def t5(path: Path) -> Any:
    return transformers.T5Tokenizer(str(path), extra_ids=0, legacy=False)


def llama(path: Path) -> Any:
    return transformers.LlamaTokenizer(str(path), legacy=False, add_bos_token=False, add_eos_token=True)


def ours(tokenizer: Tokenizer, words: str) -> list[int]:
    row = tokenizer.encode([words], 4096)[0].tolist()
    return row[: row.index(EOS) + 1]


@pytest.mark.parametrize("load", [t5, llama])
@pytest.mark.parametrize("words", WORDS, ids=range(len(WORDS)))
def test_identical_ids(model: Path, load: Any, words: str) -> None:
    assert load(model).encode(clean_caption(words)) == ours(Tokenizer(model), words)


@pytest.mark.parametrize("load", [t5, llama])
@pytest.mark.parametrize("words", SPECIAL)
def test_names_of_special_pieces_are_words_when_asked_to_be(model: Path, load: Any, words: str) -> None:
    """transformers reads "</s>" in a caption as the end unless told otherwise; ours never does."""
    theirs = load(model)
    theirs.split_special_tokens = True
    assert theirs.encode(clean_caption(words), split_special_tokens=True) == ours(Tokenizer(model), words)


@pytest.mark.parametrize("load", [t5, llama])
def test_special_pieces_have_the_same_numbers(model: Path, load: Any) -> None:
    theirs, mine = load(model), Tokenizer(model)
    assert (theirs.unk_token_id, theirs.eos_token_id, len(theirs)) == (1, EOS, mine.vocab)
    assert theirs.convert_tokens_to_ids(["<pad>", "<unk>", "<s>", "</s>"]) == [0, 1, 2, 3]


@pytest.mark.parametrize("load", [t5, llama])
def test_they_decode_what_we_encode(model: Path, load: Any) -> None:
    ids = ours(Tokenizer(model), "a red dolphin in Zürich 日本")
    assert load(model).decode(ids, skip_special_tokens=True) == "a red dolphin in zürich 日本"
