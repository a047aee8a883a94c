"""What is said of texts that a run cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sentencepiece

from majolica.text.notices import MOST, find_cut_end, label_notices, text_notices
from majolica.text.tokenizer import Tokenizer, train_tokenizer
from majolica.text.words import NAME, KnownWords, count_words, load_words, save_words, split_words

THINGS = ("dolphin", "red apple", "guitar", "mushroom", "octopus")
CAPTIONS = [f"a {thing} on a {colour} background" for thing in THINGS for colour in ("teal", "green", "yellow")]
LONG = "a red apple on a green background and a dolphin on a teal background"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path = tmp_path_factory.mktemp("notices") / "tokenizer.model"
    train_tokenizer(CAPTIONS, path, 400)
    return Tokenizer(path)


@pytest.fixture(scope="module")
def known(tokenizer: Tokenizer) -> KnownWords:
    return count_words(tokenizer, CAPTIONS, all_captions=True)


def test_nothing_is_said_of_what_is_read_whole(tokenizer: Tokenizer, known: KnownWords) -> None:
    assert text_notices(tokenizer, [*CAPTIONS, "A RED Apple!", "Dolphin, guitar"], 24, known) == []


def test_the_words_that_were_cut_are_named(tokenizer: Tokenizer, known: KnownWords) -> None:
    length = tokenizer.lengths(["a red apple on a green background and a dolphin"])[0]
    [line] = text_notices(tokenizer, [LONG], length, KnownWords(known.words | {"and"}, True))
    assert line == (
        f'the prompt "a red apple on a green background and a dolphin on a teal ba…" is longer than the {length}'
        ' pieces that this run reads: "… on a teal background" was left out'
    )


@pytest.mark.parametrize("text", [LONG, f"  {LONG}\n{LONG}", "日本" * 40, "x" * 200, "a dolphin " + "é" * 60])
@pytest.mark.parametrize("length", [2, 3, 8, 13, 24])
def test_what_is_left_is_all_that_is_read(tokenizer: Tokenizer, text: str, length: int) -> None:
    """Two texts that share what is kept are the same pieces, whatever follows in the place of what was left out."""
    whole = " ".join(text.split())
    end = find_cut_end(tokenizer, text, length)
    assert end and whole.endswith(end)
    kept = whole[: len(whole) - len(end)]
    assert tokenizer.lengths([kept])[0] <= length
    first = end.split()[0]
    assert tokenizer.lengths([kept + first])[0] > length


def test_a_text_that_fits_exactly_is_not_cut(tokenizer: Tokenizer) -> None:
    length = tokenizer.lengths([LONG])[0]
    assert find_cut_end(tokenizer, LONG, length) == "" and text_notices(tokenizer, [LONG], length) == []
    assert find_cut_end(tokenizer, LONG, length - 1) == "background"


def test_many_texts_give_few_lines(tokenizer: Tokenizer, known: KnownWords) -> None:
    lines = text_notices(tokenizer, [f"{LONG} elephant {LONG} {'so on ' * i}" for i in range(1000)], 24, known)
    assert len(lines) == 2 * (MOST + 1) and all("\n" not in line and len(line) < 400 for line in lines)
    assert lines[MOST] == "995 more prompts are longer than the 24 pieces that this run reads"
    assert len(text_notices(tokenizer, [" ".join(f"w{chr(97 + i)}x" for i in range(26))], 200, known)[0]) < 400


def test_words_never_seen_are_named(tokenizer: Tokenizer, known: KnownWords) -> None:
    [one] = text_notices(tokenizer, ["Elephant"], 24, known)
    assert one == 'the prompt "Elephant" is unknown: no caption of the training holds "elephant"'
    [some] = text_notices(tokenizer, ["an elephant on a teal background"], 24, known)
    assert some.endswith('is partly unknown: no caption of the training holds "an", "elephant"')
    [german] = text_notices(tokenizer, ["Ein Elefant auf grüner Wiese"], 64, known)
    assert '"ein", "elefant", "auf", "grüner", "wiese"' in german


def test_of_a_sample_of_captions_only_the_mostly_unknown_is_said(tokenizer: Tokenizer, known: KnownWords) -> None:
    sampled = KnownWords(known.words, complete=False)
    assert text_notices(tokenizer, ["an ox on a teal background"], 24, sampled) == []
    [line] = text_notices(tokenizer, ["elephants marching"], 64, sampled)
    assert f"the {len(known.words)} words that this run knows best do not include" in line


def test_without_words_bytes_are_enough(tokenizer: Tokenizer) -> None:
    assert text_notices(tokenizer, ["elephant"], 24) == []
    [line] = text_notices(tokenizer, ["привет мир"], 64)
    assert line.endswith('is mostly unknown: this run\'s vocabulary lacks characters of "привет", "мир"')


@pytest.mark.parametrize("text", ["\x00", "\ud800", "\u200b", "\u00ad", " \u2060 "])
def test_texts_that_hold_nothing(tokenizer: Tokenizer, known: KnownWords, text: str) -> None:
    [line] = text_notices(tokenizer, [text], 24, known)
    assert "holds nothing that can be read" in line and line.isascii()


def test_an_old_vocabulary_that_tells_capitals_apart_is_explained(tmp_path: Path) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CAPTIONS),
        model_prefix=str(tmp_path / "old"),
        vocab_size=400,
        hard_vocab_limit=False,
        byte_fallback=True,
        normalization_rule_name="nmt_nfkc",
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        minloglevel=2,
    )
    [line] = text_notices(Tokenizer(tmp_path / "old.model"), ["RED APPLE", "red apple"], 24)
    assert line.startswith('the prompt "RED APPLE" is mostly unknown') and line.endswith("so write small ones")
    [line] = label_notices(Tokenizer(tmp_path / "old.model"), ["Dolphin", "dolphin"], 64)
    assert line == (
        'the label "Dolphin" holds capitals, which this run\'s vocabulary lacks; it was trained on small letters, so'
        " write small ones"
    )


def test_labels_are_measured_with_their_article_and_not_in_sentences(tokenizer: Tokenizer, known: KnownWords) -> None:
    length = tokenizer.lengths(["a red apple"])[0]
    assert label_notices(tokenizer, ["red apple"], length, known) == []
    [line] = label_notices(tokenizer, ["red apple"], length - 1, known)
    assert line.startswith('the label "a red apple" is longer than')
    [line] = label_notices(tokenizer, ["dolphin", "Elephant"], 64, known)
    assert line == 'the label "Elephant" is unknown: no caption of the training holds "elephant"'


def test_labels_that_are_one(tokenizer: Tokenizer, known: KnownWords) -> None:
    [line] = label_notices(tokenizer, ["Dolphin", "guitar", "dolphin"], 64, known)
    assert line.endswith('share their probability, so give each once: "Dolphin", "dolphin"')


def test_words_of_scripts() -> None:
    assert split_words("it's a red-brown t-shirt, no. 7 (new)!") == [
        *("it", "s", "a", "red", "brown", "t", "shirt", "no", "new")
    ]
    assert split_words("नमस्ते दुनिया। می\u200cخواهم، 日本語 ไทย") == [
        *("नमस्ते", "दुनिया", "می\u200cخواهم", "日", "本", "語", "ไ", "ท", "ย")
    ]


def test_words_are_kept_beside_the_tokenizer(tokenizer: Tokenizer, known: KnownWords, tmp_path: Path) -> None:
    assert load_words(tmp_path) is None
    save_words(known, tmp_path)
    assert load_words(tmp_path) == known and "dolphin" in known.words
    (tmp_path / NAME).write_text('{"words": 3}')
    assert load_words(tmp_path) is None
    (tmp_path / NAME).write_text("[")
    assert load_words(tmp_path) is None


def test_the_most_frequent_words_are_kept(tokenizer: Tokenizer, tmp_path: Path) -> None:
    known = count_words(tokenizer, ["b b b", "A a", "c " + "x" * 100], True, most=2)
    assert known == KnownWords(frozenset("ab"), complete=False)
    assert count_words(tokenizer, ["b", "a"], True, most=2).complete
    save_words(known, tmp_path)
    assert json.loads((tmp_path / NAME).read_text()) == {"complete": False, "words": ["a", "b"]}
