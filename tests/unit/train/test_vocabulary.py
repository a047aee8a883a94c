"""The tokenizer and the words of a run, from all its sources, and what is said of captions that are too long."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from majolica.config.data import DataConfig, SourceConfig
from majolica.config.run import RunConfig
from majolica.data.pictures.faults import BadSample
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError
from majolica.launch.prepare import prepare_run
from majolica.text.tokenizer import Tokenizer, train_tokenizer
from majolica.text.words import NAME, load_words
from majolica.train import vocabulary
from majolica.train.vocabulary import caption_notices
from tiny import tiny_run

ENGLISH = [f"a {thing} on a {colour} table" for thing in ("dolphin", "guitar", "rocket") for colour in ("red", "teal")]
GERMAN = [f"ein {ding} auf dem {farbe}en Tisch" for ding in ("Elefant", "Hund", "Vogel") for farbe in ("rot", "blau")]


def written(folder: Path, captions: Sequence[str]) -> str:
    write_shards(folder, (Record(b"p", "jpg", caption, {}) for caption in captions), per_shard=50)
    return str(folder)


def blind_run(shards: Path) -> RunConfig:
    """A run without properties, because the pictures of these samples are none and cannot be measured."""
    config = tiny_run(shards)
    return dataclasses.replace(config, model=dataclasses.replace(config.model, properties=()))


@pytest.fixture
def sources(tmp_path: Path) -> tuple[SourceConfig, ...]:
    english, german = written(tmp_path / "en", ENGLISH * 20), written(tmp_path / "de", GERMAN * 20)
    return SourceConfig(english, 3.0), SourceConfig(german, 1.0)


def test_all_sources_of_a_mixture_teach_the_tokenizer(
    sources: tuple[SourceConfig, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the first captions of the first source."""
    seen: list[str] = []

    def noted(captions: Sequence[str], out: Path, vocab: int) -> int:
        seen.extend(captions)
        return train_tokenizer(captions, out, vocab)

    monkeypatch.setattr(vocabulary, "train_tokenizer", noted)
    monkeypatch.setattr(vocabulary, "TOKENIZER_CAPTIONS", 80)
    config = dataclasses.replace(blind_run(tmp_path), data=DataConfig(sources=sources))
    prepare_run(config, tmp_path / "run", resume=False)
    assert len(seen) == 80
    assert sum(caption in ENGLISH for caption in seen) == 60  # as the weights say
    known = load_words(tmp_path / "run")
    assert known and {"dolphin", "elefant"} <= known.words and not known.complete


@pytest.mark.parametrize(("start", "end"), [(1.0, 0.0), (0.0, 1.0)])
def test_a_source_that_comes_later_or_ceases_teaches_the_tokenizer_too(
    start: float, end: float, sources: tuple[SourceConfig, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary, "TOKENIZER_CAPTIONS", 80)
    weighed = tuple(dataclasses.replace(each, weight=w) for each, w in zip(sources, (start, 1 - start), strict=True))
    data = DataConfig(sources=weighed, weights_end=(end, 1 - end), weights_over=100)
    prepare_run(dataclasses.replace(blind_run(tmp_path), data=data), tmp_path / "run", resume=False)
    known = load_words(tmp_path / "run")
    assert known and {"dolphin", "elefant"} <= known.words


def test_a_small_set_is_known_completely(sources: tuple[SourceConfig, ...], tmp_path: Path) -> None:
    config = dataclasses.replace(blind_run(tmp_path), data=DataConfig(sources=sources))
    prepare_run(config, tmp_path / "run", resume=False)
    known = load_words(tmp_path / "run")
    assert known and known.complete
    assert {"a", "table", "tisch", "elefant", "roten"} <= known.words and "Tisch" not in known.words


def test_words_are_counted_for_a_tokenizer_that_is_there_already(tmp_path: Path) -> None:
    """In the normal form of that tokenizer."""
    model = tmp_path / "mine.model"
    train_tokenizer(ENGLISH, model, 300)
    data = DataConfig(shards=written(tmp_path / "de", GERMAN), tokenizer=str(model))
    prepare_run(dataclasses.replace(blind_run(tmp_path), data=data), tmp_path / "run", resume=False)
    assert (tmp_path / "run" / "tokenizer.model").read_bytes() == model.read_bytes()
    known = load_words(tmp_path / "run")
    assert known and "elefant" in known.words and "dolphin" not in known.words


def test_remote_and_local_sources_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both teach the tokenizer, and nothing that was fetched stays on the disk."""
    fsspec = pytest.importorskip("fsspec")
    local = written(tmp_path / "en", ENGLISH * 20)
    store, folder = fsspec.filesystem("memory"), Path(written(tmp_path / "de", GERMAN * 100))
    for tar in folder.glob("*.tar"):
        store.pipe(f"/german/{tar.name}", tar.read_bytes())
    monkeypatch.setattr(vocabulary, "TOKENIZER_CAPTIONS", 200)
    data = DataConfig(sources=(SourceConfig(local), SourceConfig("memory://german")), remote_cache=str(tmp_path / "c"))
    prepare_run(dataclasses.replace(blind_run(tmp_path), data=data), tmp_path / "run", resume=False)
    known = load_words(tmp_path / "run")
    assert known and {"dolphin", "elefant"} <= known.words and not known.complete
    assert list((tmp_path / "c").iterdir()) == []
    # With a tokenizer at hand, nothing is fetched only to count words.
    named = dataclasses.replace(data, tokenizer=str(tmp_path / "run" / "tokenizer.model"))
    prepare_run(dataclasses.replace(blind_run(tmp_path), data=named), tmp_path / "other", resume=False)
    assert load_words(tmp_path / "other") is None and (tmp_path / "other" / "tokenizer.model").exists()
    store.rm("/german", recursive=True)


@pytest.mark.parametrize("content", [None, b"nonsense"])
def test_a_bad_tokenizer_leaves_nothing_behind(tmp_path: Path, content: bytes | None) -> None:
    model = tmp_path / "mine.model"
    if content:
        model.write_bytes(content)
    data = DataConfig(shards=written(tmp_path / "en", ENGLISH), tokenizer=str(model))
    with pytest.raises(UserError, match=r"mine\.model"):
        prepare_run(dataclasses.replace(blind_run(tmp_path), data=data), tmp_path / "run", resume=False)
    assert list((tmp_path / "run").iterdir()) == []


def test_captions_that_cannot_be_read_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ShardSet.caption

    def caption(self: ShardSet, i: int) -> str:
        if i == 3:
            raise BadSample("tar cannot be read")
        return whole(self, i)

    monkeypatch.setattr(ShardSet, "caption", caption)
    config = blind_run(Path(written(tmp_path / "en", ENGLISH)))
    prepare_run(config, tmp_path / "run", resume=False)
    known = load_words(tmp_path / "run")
    assert known and not known.complete and (tmp_path / "run" / NAME).exists()


def test_the_share_of_captions_that_are_cut_is_said(tmp_path: Path) -> None:
    captions = [*ENGLISH, "a dolphin on a red table and a guitar on a teal table beside it"] * 3
    config = blind_run(Path(written(tmp_path / "en", captions)))
    train_tokenizer(captions, tmp_path / "t.model", 400)
    tokenizer, sets = Tokenizer(tmp_path / "t.model"), [ShardSet(config.data.shards)]
    longest = max(tokenizer.lengths(ENGLISH))

    def of(length: int) -> list[str]:
        text = dataclasses.replace(config.model.text, length=length, vocab=tokenizer.vocab)
        model = dataclasses.replace(config.model, text=text)
        return caption_notices(tokenizer, sets, dataclasses.replace(config, model=model))

    [line] = of(longest)
    assert line.startswith(f"14.3% of 21 captions are longer than {longest} pieces, and their ends are left out")
    assert 'beside it" of "a dolphin on a red table' in line and line.endswith(
        "--model.text.length is how many are read"
    )
    assert of(200) == []


def test_a_vocabulary_that_is_smaller_than_asked_is_said(tmp_path: Path) -> None:
    config = blind_run(Path(written(tmp_path / "en", ENGLISH)))
    text = dataclasses.replace(config.model.text, vocab=5000, length=64)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, text=text))
    train_tokenizer(ENGLISH, tmp_path / "t.model", 5000)
    tokenizer, sets = Tokenizer(tmp_path / "t.model"), [ShardSet(config.data.shards)]
    [line] = caption_notices(tokenizer, sets, config)
    yielded = f"and the captions yielded {tokenizer.vocab}, because"
    assert line.startswith(f"the tokenizer was asked for 5,000 pieces (--model.text.vocab), {yielded}")
    data = dataclasses.replace(config.data, tokenizer=str(tmp_path / "t.model"))  # its size is the user's own choice
    assert caption_notices(tokenizer, sets, dataclasses.replace(config, data=data)) == []
