"""`majolica embed`, on a fake pipeline: what it writes, and what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from majolica import cli

pytestmark = pytest.mark.usefixtures("fake_pipeline")


def test_embed_npz() -> None:
    assert cli.main(["embed", "red.png", "clear.png", "--texts", "a", "b"]) == 0
    with np.load("embeddings.npz") as file:
        assert file["image_embeddings"].dtype == np.float32
        assert file["image_embeddings"].tolist() == [[1, 0, 0], [1, 1, 1]]
        assert file["text_embeddings"].shape == (2, 3)
        assert file["images"].tolist() == ["red.png", "clear.png"]
        assert file["texts"].tolist() == ["a", "b"]


def test_embed_safetensors_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("majolica.commands.embed.BATCH", 1)
    assert cli.main(["embed", "red.png", "clear.png", "--out", "e.safetensors"]) == 0
    with safe_open("e.safetensors", "np") as file:
        assert file.keys() == ["image_embeddings"]
        assert file.get_tensor("image_embeddings").tolist() == [[1, 0, 0], [1, 1, 1]]
        assert json.loads(file.metadata()["images"]) == ["red.png", "clear.png"]


def test_embed_leaves_out_what_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    Path("in/b.png").write_bytes(Path("red.png").read_bytes())
    Path("in/a.png").write_text("no picture")
    assert cli.main(["embed", "in", "clear.png", "--out", "e.NPZ"]) == 2
    assert "1 of 3 pictures could not be read" in capsys.readouterr().err
    with np.load("e.NPZ") as file:
        assert file["images"].tolist() == ["in/b.png", "clear.png"]
        assert file["image_embeddings"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert cli.main(["embed", "in/a.png", "in/none.png"]) == 2
    assert "none of the 2 pictures could be read" in capsys.readouterr().err
    assert not Path("embeddings.npz").exists()


def test_texts_are_written_beside_a_picture_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """One picture or several: the texts can be embedded all the same."""
    Path("bad.png").write_text("no picture")
    for pictures, told in ((["bad.png"], "1 of 1 picture"), (["bad.png", "none.png"], "2 of 2 pictures")):
        assert cli.main(["embed", *pictures, "--texts", "a", "b"]) == 2
        err = capsys.readouterr().err
        assert "cannot read the picture bad.png" in err and f"{told} could not be read, as said above" in err
        with np.load("embeddings.npz") as file:
            assert file["texts"].tolist() == ["a", "b"] and file["text_embeddings"].shape == (2, 3)
            assert file["images"].tolist() == [] and "image_embeddings" not in file
        Path("embeddings.npz").unlink()


def test_a_single_picture_that_cannot_be_read_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.png").write_text("no picture")
    assert cli.main(["embed", "bad.png"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "cannot read the picture bad.png" in err and not Path("embeddings.npz").exists()
