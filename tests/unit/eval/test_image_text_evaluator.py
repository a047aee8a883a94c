"""Pictures and their prompts, by a model whose answers are known, and by a stand-in for open_clip."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.eval.embedders import open_clip_embedder
from majolica.eval.evaluators.image_text import ImageText, compare, find_rows
from majolica.eval.paintings import Paintings
from majolica.eval.protocol import EvalData, Split


def reads(pipeline: Any, mistakes: dict[int, int] | None = None) -> Any:
    """The fake painter, which also embeds captions: as the thing that they name."""

    class Reads(pipeline):  # type: ignore[misc]
        def embed_texts(self, texts: list[str]) -> Tensor:
            names = ("red apple", "dolphin", "cactus", "umbrella", "fox")
            return torch.eye(5)[[next(k for k, name in enumerate(names) if name in text) for text in texts]]

        def embed_images(self, images_B3HW: Tensor) -> Tensor:
            seen: Tensor = pipeline().embed_images(images_B3HW)  # the mistakes are those of the painter alone
            return seen

    return Reads(mistakes)


def test_a_painter_that_follows_its_prompts_is_as_good_as_real_pictures(pipeline: Any, data: EvalData) -> None:
    result = ImageText(Paintings(20))(reads(pipeline), data)
    assert result.metrics == pytest.approx(
        {
            "image_text_own": 1,
            "image_text_own_real": 1,
            "image_text_own_shuffled": 0,
            "image_text_own_nearest": 1,
            "image_text_own_nearest_real": 1,
        }
    )
    assert result.protocol["painted"] == 20 and result.protocol["data_sha256"] == data.sha256


def test_mistakes_lower_the_similarity_and_not_that_of_real_pictures(pipeline: Any, data: EvalData) -> None:
    result = ImageText(Paintings(20))(reads(pipeline, {4: 2}), data)  # cactuses in place of foxes
    assert result.metrics["image_text_own"] == result.metrics["image_text_own_nearest"] == pytest.approx(0.8)
    assert result.metrics["image_text_own_real"] == 1
    low, high = result.intervals["image_text_own"]
    assert 0.55 < low < 0.8 < high <= 1
    # A cactus that a fox was asked for matches 4 of its 16 other prompts.
    assert result.metrics["image_text_own_shuffled"] == pytest.approx(0.2 * 0.25)


def test_equal_prompts_are_no_others() -> None:
    similar = torch.tensor([[0.9, 0.9, 0.1], [0.5, 0.5, 0.7], [0.2, 0.2, 0.3]])
    found = compare(similar, ["a fox", "a fox", "an owl"])
    assert found.own_B.tolist() == pytest.approx([0.9, 0.5, 0.3])
    assert found.others_B.tolist() == pytest.approx([0.1, 0.7, 0.2])
    assert found.nearest_B.tolist() == [True, False, True]


def test_ties_are_no_success() -> None:
    """A model that embeds everything alike names no prompt right."""
    assert compare(torch.ones(3, 3), ["a", "b", "c"]).nearest_B.sum() == 0


def test_one_prompt_alone_has_no_others(pipeline: Any, data: EvalData) -> None:
    metrics = ImageText(Paintings(1))(reads(pipeline), data).metrics
    assert "image_text_own_shuffled" not in metrics and metrics["image_text_own"] == 1


def test_real_pictures_have_the_captions_of_the_prompts() -> None:
    captions = ("a fox", "an owl", "a fox", "a cat")
    split = Split(torch.zeros(4, 3, 1, 1), captions, [{}] * 4)
    assert find_rows(split, ["a cat", "a fox", "a fox", "a fox"]) == [3, 0, 2, 0]


def test_it_says_what_it_lacks(data: EvalData) -> None:
    nothing = Split(torch.zeros(0, 3, 8, 8).byte(), (), ())
    assert ImageText(Paintings(4)).explain_lack(data) == ""
    assert "no captions to paint" in ImageText(Paintings(4)).explain_lack(
        dataclasses.replace(data, heldout=nothing, combinations=nothing)
    )


class FakeClip:
    """A stand-in for open_clip, of which a picture is its mean level, and a text its length."""

    __version__ = "9.9"
    asked: tuple[Any, ...] = ()

    def list_models(self) -> list[str]:
        return ["ViT-B-32", "RN50"]

    def create_model_and_transforms(self, name: str, pretrained: str, device: Any) -> Any:
        if Path(pretrained).read_bytes() != b"weights":
            raise RuntimeError("invalid header\nand more")
        self.asked = (name, pretrained, str(device))

        def towers(values_B: Tensor) -> Tensor:
            return 7 * torch.stack((values_B.cos(), values_B.sin()), 1)

        model = SimpleNamespace(encode_image=towers, encode_text=towers)
        model.eval = lambda: model

        def prepare(picture: Any) -> Tensor:
            return torch.tensor(np.asarray(picture).mean() / 255)

        return model, None, prepare

    def get_tokenizer(self, name: str) -> Any:
        return lambda texts: torch.tensor([len(text) / 100 for text in texts])


@pytest.fixture
def clip(monkeypatch: pytest.MonkeyPatch) -> FakeClip:
    fake: Any = FakeClip()
    monkeypatch.setitem(sys.modules, "open_clip", fake)
    return fake  # type: ignore[no-any-return]


def test_a_model_of_open_clip_is_asked_too(pipeline: Any, data: EvalData, clip: FakeClip, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"weights")
    other = partial(open_clip_embedder, "ViT-B-32", weights)
    result = ImageText(Paintings(20), (other,))(reads(pipeline), data)
    assert clip.asked == ("ViT-B-32", str(weights), "cpu")
    assert result.protocol["open_clip_sha256"] == hashlib.sha256(b"weights").hexdigest()
    levels = [(10 + 20 * (i % 5)) / 255 for i in range(20)]
    lengths = [len(caption) / 100 for caption in data.combinations.captions]
    expected = np.mean(np.cos(np.array(levels) - np.array(lengths)))
    assert result.metrics["image_text_open_clip"] == pytest.approx(expected, rel=1e-5)
    assert [row[0] for row in result.parts[0].rows] == ["the model's own eye", "open_clip ViT-B-32"]  # type: ignore[union-attr]
    embedder = other()
    assert embedder.texts(["a"] * 130).norm(dim=1).tolist() == pytest.approx([1] * 130)


def test_what_open_clip_cannot_load_is_said_in_one_line(
    clip: FakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "other.pt"
    with pytest.raises(UserError, match=r"there is no file .*other\.pt with the weights of RN50"):
        open_clip_embedder("RN50", weights)
    weights.write_bytes(b"something else")
    with pytest.raises(UserError, match=r"other\.pt cannot be read as weights of RN50 \(invalid header\)$"):
        open_clip_embedder("RN50", weights)
    with pytest.raises(UserError, match="did you mean 'ViT-B-32'"):
        open_clip_embedder("ViT-B-23", weights)
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(UserError, match=r"RN50 needs the package open_clip .*pip install open_clip_torch"):
        open_clip_embedder("RN50", weights)
