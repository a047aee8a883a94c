"""DINOv2 and CLIP through transformers, with small networks in local folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from majolica.errors import UserError
from majolica.features.extractor import open_extractor
from majolica.features.resize import resize_antialiased
from majolica.features.vision_towers import CLIP, DINOV2
from majolica.run.weights import digest
from random_inception import smooth_pictures

transformers: Any = pytest.importorskip("transformers")
CPU = torch.device("cpu")
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 14}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(0)
    dinov2 = transformers.Dinov2Model(transformers.Dinov2Config(**SMALL, image_size=56))
    clip = transformers.CLIPVisionModelWithProjection(
        transformers.CLIPVisionConfig(**SMALL, image_size=42, projection_dim=16)
    )
    found = {}
    for name, model in (("dinov2", dinov2), ("clip", clip)):
        found[name] = tmp_path_factory.mktemp("towers") / name
        model.save_pretrained(found[name])
    return found


def test_dinov2_gives_the_normalised_class_token(folders: dict[str, Path]) -> None:
    extractor = open_extractor("dinov2", folders["dinov2"], CPU)
    images_B3HW = smooth_pictures(2, 60, 80)
    model = transformers.Dinov2Model.from_pretrained(folders["dinov2"]).eval()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (DINOV2.mean, DINOV2.std))
    with torch.no_grad():
        state = model((resize_antialiased(images_B3HW, 224) / 255 - mean) / std).last_hidden_state
    assert torch.allclose(extractor.describe(images_B3HW), state[:, 0], atol=1e-6)
    assert extractor.width == 32
    assert extractor.record == {
        "extractor": "dinov2",
        "weights_sha256": digest(folders["dinov2"] / "model.safetensors"),
        "package": "transformers",
        "version": transformers.__version__,
        "model": "dinov2",
        "resize": "Pillow, bicubic, antialiased, in float32, clipped to 0..255",
        "side": 224,
    }


def test_clip_gives_its_projected_embedding_at_its_own_size(folders: dict[str, Path]) -> None:
    extractor = open_extractor("clip", folders["clip"], CPU)
    images_B3HW = smooth_pictures(2, 60, 80)
    model = transformers.CLIPVisionModelWithProjection.from_pretrained(folders["clip"]).eval()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (CLIP.mean, CLIP.std))
    with torch.no_grad():
        expected_BD = model((resize_antialiased(images_B3HW, 42) / 255 - mean) / std).image_embeds
    assert torch.allclose(extractor.describe(images_B3HW), expected_BD, atol=1e-6)
    assert (extractor.width, extractor.record["side"]) == (16, 42)


def test_weights_of_another_network_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no weights of Dinov2Model: it has no embeddings"):
        open_extractor("dinov2", folders["clip"], CPU)
    with pytest.raises(UserError, match="transformers cannot load"):
        open_extractor("dinov2", tmp_path, CPU)
