"""Training a vocabulary, and captions to padded ids and back."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from majolica.errors import UserError
from majolica.text.tokenizer import EOS, PAD, UNK, Tokenizer, sample_captions, train_tokenizer

NAMES = ("dolphin", "red apple", "car", "bicycle", "guitar", "mushroom", "octopus", "pizza", "rocket")
BACKGROUNDS = ("teal", "dark green", "yellow", "grey")
CAPTIONS = [
    template.format(name, background)
    for name in NAMES
    for background in BACKGROUNDS
    for template in ("a {} on a {} background", "a picture of a {}", "{0} against {1}")
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    train_tokenizer(CAPTIONS, path, 512)
    return path


@pytest.fixture(scope="module")
def tokenizer(model: Path) -> Tokenizer:
    return Tokenizer(model)


def test_a_small_corpus_gets_the_largest_vocabulary_it_supports(tokenizer: Tokenizer) -> None:
    assert 260 < tokenizer.vocab <= 512


def test_a_large_enough_corpus_gets_the_vocabulary_asked_for(tmp_path: Path) -> None:
    assert train_tokenizer(CAPTIONS, tmp_path / "t.model", 290) == 290


def test_rows_are_pieces_end_padding(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(["a dolphin on a teal background", ""], 24)
    assert ids.shape == (2, 24)
    assert ids.dtype == torch.int64
    length = tokenizer.lengths(["a dolphin on a teal background"])[0]
    row = ids[0].tolist()
    assert row[length - 1] == EOS
    assert all(piece > EOS for piece in row[: length - 1])
    assert row[length:] == [PAD] * (24 - length)
    assert ids[1].tolist() == [EOS] + [PAD] * 23


def test_a_long_caption_is_cut_and_still_ends(tokenizer: Tokenizer) -> None:
    whole = tokenizer.encode(["red apple " * 1000], 4000)[0]
    cut = tokenizer.encode(["red apple " * 1000], 8)[0]
    assert cut[:7].tolist() == whole[:7].tolist()
    assert cut[7] == EOS
    assert PAD not in cut


def test_decoding_gives_the_caption_back(tokenizer: Tokenizer) -> None:
    captions = ["a dolphin on a teal background", "Zürich 日本 Ω", ""]
    assert tokenizer.decode(tokenizer.encode(captions, 64)) == [caption.casefold() for caption in captions]


def test_unseen_characters_become_bytes_not_unknown(tokenizer: Tokenizer) -> None:
    assert UNK not in tokenizer.encode(["日本 🦩 Ω"], 64)


def test_captions_are_cleaned_before_encoding(tokenizer: Tokenizer) -> None:
    clean, dirty = tokenizer.encode(["a dolphin", " a\x00 \n dolphin "], 16)
    assert torch.equal(clean, dirty)


def test_the_same_captions_give_the_same_file(tmp_path: Path, model: Path) -> None:
    train_tokenizer(iter(CAPTIONS), tmp_path / "again.model", 512)
    assert (tmp_path / "again.model").read_bytes() == model.read_bytes()


def test_a_sample_of_many_captions_is_always_the_same(tmp_path: Path) -> None:
    words = [f"{number**5:x}" for number in range(3000)]
    files = []
    for sample in (150, 150, 3000):
        train_tokenizer(iter(words), tmp_path / "t.model", 400, sample=sample)
        files.append((tmp_path / "t.model").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_a_draw_is_uniform() -> None:
    """Each of 20 is among the 5 drawn about a quarter of the time, wherever it stands."""
    counts = [0] * 20
    for seed in range(2000):
        for caption in sample_captions(map(str, range(20)), 5, seed):
            counts[int(caption)] += 1
    assert all(430 < count < 570 for count in counts)  # 500, standard deviation 19


def test_bpe_is_another_way_to_the_same_kind_of_file(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "bpe.model"
    pieces = train_tokenizer(CAPTIONS, path, 330, kind="bpe")
    tokenizer = Tokenizer(path)
    assert pieces == tokenizer.vocab == 330 and path.read_bytes() != model.read_bytes()
    words = ["a dolphin on a teal background", "zürich 日本 ω"]
    assert tokenizer.decode(tokenizer.encode(words, 64)) == words
    assert UNK not in tokenizer.encode(words, 64)
    train_tokenizer(CAPTIONS, tmp_path / "again.model", 330, kind="bpe")
    assert (tmp_path / "again.model").read_bytes() == path.read_bytes()


def test_bytes_that_stand_for_characters_are_counted(tokenizer: Tokenizer) -> None:
    assert tokenizer.byte_counts(["a dolphin", "日", "dolphin é🦩", ""]) == [0, 3, 6, 0]


def test_long_captions_are_trained_on_by_their_beginning(tmp_path: Path) -> None:
    """SentencePiece itself passes over lines above 4,192 bytes; a 100 kB caption would be lost, or fill the memory."""
    assert all(
        len(caption.encode()) <= 4000 for caption in sample_captions(["ä" * 50_000, "word " * 20_000, "short"], 9)
    )
    train_tokenizer([f"dolphin {i} " + "mushroom " * 20_000 for i in range(10)], tmp_path / "t.model", 300)
    assert Tokenizer(tmp_path / "t.model").byte_counts(["mushroom", "日"]) == [0, 3]


def test_a_pickled_tokenizer_is_the_same(tokenizer: Tokenizer) -> None:
    again = pickle.loads(pickle.dumps(tokenizer))
    assert torch.equal(again.encode(CAPTIONS, 24), tokenizer.encode(CAPTIONS, 24))


def test_bad_corpora_and_sizes(tmp_path: Path) -> None:
    path = tmp_path / "t.model"
    with pytest.raises(UserError, match="no captions"):
        train_tokenizer(["", " \x00"], path, 512)
    with pytest.raises(UserError, match=r"vocabulary of 100 pieces: .* alone are \d+; ask for more"):
        train_tokenizer(CAPTIONS, path, 100)
    assert not path.exists()
    assert train_tokenizer(["a"], path, 512) > 256


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the tokenizer"):
        Tokenizer(tmp_path / "none.model")
    (tmp_path / "bad.model").write_bytes(b"not a model")
    with pytest.raises(UserError, match="is not a SentencePiece model"):
        Tokenizer(tmp_path / "bad.model")
    (tmp_path / "empty.model").write_bytes(b"")
    with pytest.raises(UserError, match=r"empty\.model"):
        Tokenizer(tmp_path / "empty.model")


def test_a_model_with_other_special_ids_is_refused(tmp_path: Path) -> None:
    import sentencepiece

    prefix = tmp_path / "other"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CAPTIONS), model_prefix=str(prefix), vocab_size=40, minloglevel=2
    )
    with pytest.raises(UserError, match="numbers pad, unk, bos, eos"):
        Tokenizer(prefix.with_suffix(".model"))
