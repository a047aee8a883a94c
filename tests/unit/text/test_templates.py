"""One set of sentences for labels, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from majolica.config.run import RunConfig
from majolica.eval.labelled.embed import embed_classes
from majolica.sampling import pipeline
from majolica.sampling.pipeline import Pipeline
from majolica.text.template_sets import DEFAULT
from majolica.text.templates import TEMPLATES, choose_templates, embed_labels, label_prompt
from majolica.text.tokenizer import Tokenizer, train_tokenizer

LABELS = ("umbrella", "red apple", "Grapes", "a cat", "curly {} brace")


class Recorder:
    """Notes the texts that it is asked to embed."""

    known_words = None
    tokenizer = SimpleNamespace(lengths=lambda texts: [len(text.split()) for text in texts])
    config = RunConfig()

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        self.texts += texts
        return torch.tensor([[len(text), text.count("a"), 1.0] for text in texts])

    _embed_texts = embed_texts
    embed_labels = Pipeline.embed_labels
    choose_templates = Pipeline.choose_templates


def test_classify_and_evaluation_ask_with_the_same_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "label_notices", lambda *_: [])
    use, evaluation = Recorder(), Recorder()
    used = Pipeline.embed_labels(use, LABELS)  # type: ignore[arg-type]
    evaluated, _ = embed_classes(evaluation, LABELS, DEFAULT)  # type: ignore[arg-type]
    assert use.texts == evaluation.texts
    torch.testing.assert_close(used, evaluated)


def test_sentences_that_would_cut_a_label_are_left_out() -> None:
    def count_words(texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    assert choose_templates(count_words, ["red apple", "owl"], 6) == list(TEMPLATES)
    shorter = ("{}", "see {}", "an illustration of {}")
    assert choose_templates(count_words, ["red apple", "owl"], 4, shorter) == ["{}", "see {}"]
    assert choose_templates(count_words, ["red apple", "owl"], 1) == ["{}"], "the bare label, whatever its length"


def test_articles_are_right() -> None:
    recorder = Recorder()
    embed_labels(recorder.embed_texts, LABELS)
    assert len(recorder.texts) == len(LABELS) * len(TEMPLATES)
    assert {"an umbrella", "a picture of an umbrella", "Grapes", "a drawing of a cat"} <= set(recorder.texts)
    assert not any(wrong in text for text in recorder.texts for wrong in ("a umbrella", "a Grapes", "a a cat"))
    assert label_prompt("a picture of {}", "curly {} brace") == "a picture of a curly {} brace"


def test_rows_are_unit_means_of_their_templates() -> None:
    def embed(texts: Sequence[str]) -> Any:
        return torch.stack([torch.tensor([0.0, 5.0] if "picture" in text else [1.0, 0.0]) for text in texts])

    rows = embed_labels(embed, ("owl",), ("{}", "a picture of {}"))
    torch.testing.assert_close(rows, torch.tensor([[0.5**0.5, 0.5**0.5]]))


def test_labels_in_capitals_are_the_same_question(tmp_path: Path) -> None:
    train_tokenizer([f"a drawing of {thing}" for thing in ("a dolphin", "a red apple", "dna")] * 3, tmp_path / "t", 300)
    tokenizer = Tokenizer(tmp_path / "t")
    for label in ("dolphin", "red apple", "umbrella", "DNA", "grapes", "European robin"):
        for template in TEMPLATES:
            asked = [label_prompt(template, form) for form in (label, label.upper(), label.title(), label.lower())]
            rows = tokenizer.encode(asked, 64)
            assert (rows == rows[0]).all(), asked
