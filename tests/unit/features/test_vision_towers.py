"""DINOv2 and CLIP through stand-ins for the packages that have them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from majolica.errors import UserError
from majolica.features.extractor import open_extractor
from majolica.features.resize import resize_antialiased
from majolica.features.vision_towers import CLIP, DINOV2
from majolica.run.weights import digest
from random_inception import smooth_pictures

CPU = torch.device("cpu")


class Means(nn.Module):
    """A network whose features are the means of the three channels, times a weight in half precision."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0, dtype=torch.float16))

    def forward(self, x_B3SS: Tensor) -> Tensor:
        return self.weight * x_B3SS.mean((2, 3))

    encode_image = forward


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """Stand-ins for timm and open_clip, which note how they were called; transformers is missing."""
    noted: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
    for name in ("timm", "open_clip"):
        package: Any = ModuleType(name)
        package.__version__ = "9.8"

        def create_model(*arguments: Any, name: str = name, **options: Any) -> Means:
            noted.append((name, arguments, options))
            return Means()

        package.create_model = create_model
        monkeypatch.setitem(sys.modules, name, package)
    monkeypatch.setitem(sys.modules, "transformers", None)
    return noted


@pytest.mark.parametrize("tower", [DINOV2, CLIP])
def test_pictures_are_resized_and_normalised_as_in_the_training_of_the_tower(calls: Any, tower: Any) -> None:
    extractor = open_extractor(tower.name, None, CPU)
    images_B3HW = smooth_pictures(2, 100, 300)
    mean_B3 = resize_antialiased(images_B3HW, 224).mean((2, 3)) / 255
    expected_B3 = 2 * (mean_B3 - torch.tensor(tower.mean)) / torch.tensor(tower.std)
    features_B3 = extractor.describe(images_B3HW)
    assert features_B3.dtype == torch.float32
    assert torch.allclose(features_B3, expected_B3, atol=1e-5)
    assert (extractor.width, extractor.canonical, extractor.title) == (3, False, tower.title)


def test_a_file_is_read_by_timm_or_open_clip_and_recorded(calls: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"weights")
    record = open_extractor("dinov2", path, CPU).record
    assert record == {
        "extractor": "dinov2",
        "weights_sha256": digest(path),
        "package": "timm",
        "version": "9.8",
        "model": "vit_large_patch14_dinov2.lvd142m",
        "resize": "Pillow, bicubic, antialiased, in float32, clipped to 0..255",
        "side": 224,
    }
    assert open_extractor("clip", path, CPU).record["package"] == "open_clip"
    (dino, dino_names, dino_options), (clip, clip_names, clip_options) = calls
    assert (dino, dino_names, clip, clip_names) == ("timm", (DINOV2.file_model,), "open_clip", (CLIP.file_model,))
    assert dino_options["pretrained_cfg_overlay"] == {"file": str(path)} and dino_options["pretrained"]
    assert clip_options["pretrained"] == str(path) and clip_options["require_pretrained"]


def test_published_weights_are_recorded_by_the_digest_of_their_tensors(calls: Any) -> None:
    first, again = (open_extractor("clip", None, CPU).record["weights_sha256"] for _ in range(2))
    assert first == again and first.startswith("tensors ")
    assert calls[0][2]["pretrained"] == "openai"


def test_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("transformers", "timm", "open_clip"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match="`pip install transformers` or `pip install timm`"):
        open_extractor("dinov2", None, CPU)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="reads a file of weights: `pip install open_clip_torch`"):
        open_extractor("clip", tmp_path / "file", CPU)
    with pytest.raises(UserError, match="reads a folder of weights: `pip install transformers`"):
        open_extractor("clip", tmp_path, CPU)


def test_what_a_package_raises_becomes_one_line(calls: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("Error(s) in loading state_dict\n\tsize mismatch for pos_embed")

    monkeypatch.setattr(sys.modules["timm"], "create_model", fail)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"timm cannot load .*file: Error\(s\) in loading state_dict; name") as caught:
        open_extractor("dinov2", tmp_path / "file", CPU)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="does not exist"):
        open_extractor("dinov2", tmp_path / "none", CPU)
