"""Files of weights of Inception: formats, what is canonical, and files that hold something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from majolica.errors import UserError
from majolica.features import inception_weights
from majolica.features.extractor import PROXY, open_extractor
from majolica.features.inception import Inception
from majolica.features.inception_weights import CANONICAL, load_inception
from majolica.run.weights import digest
from random_inception import smooth_pictures

CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


class Scripted(nn.Module):
    """Has its layers under the name that the TorchScript of clean-fid has."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x_B3SS: Tensor) -> Tensor:
        out: Tensor = self.layers(x_B3SS)
        return out


def small_state(**changed: Tensor) -> dict[str, Tensor]:
    """A state dict of the right shapes that takes no room."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in Inception().state_dict().items()}
    return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()} | changed


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def test_features_do_not_depend_on_the_format_of_the_file(weights_file: Path, tmp_path: Path) -> None:
    network = Inception().eval()
    network.load_state_dict(torch.load(weights_file, weights_only=True))
    jit: Any = torch.jit
    traced = jit.trace(network, torch.zeros(1, 3, 299, 299), check_trace=False)
    jit.script(Scripted(traced)).save(str(tmp_path / "layers.pt"))
    one = open_extractor("inception", weights_file, CPU)
    other = open_extractor("inception", tmp_path / "layers.pt", CPU)
    images_B3HW = smooth_pictures(2, 64, 64)
    features_BD, others_BD = one.describe(images_B3HW), other.describe(images_B3HW)
    assert torch.allclose(others_BD, features_BD, rtol=0, atol=1e-6 * float(features_BD.max()))
    assert not features_BD.requires_grad and not others_BD.requires_grad
    assert (one.record["format"], other.record["format"]) == ("state dict", "TorchScript")


def test_the_record_says_all_that_features_depend_on(weights_file: Path) -> None:
    extractor = open_extractor("inception", weights_file, CPU, convention="torch-fidelity")
    assert extractor.record == {
        "extractor": "inception",
        "weights_sha256": digest(weights_file),
        "format": "state dict",
        "convention": "torch-fidelity",
        "resize": "bilinear of TensorFlow 1 (corners at pixel 0, not antialiased), in float32",
        "side": 299,
    }
    assert (extractor.name, extractor.width, extractor.canonical, extractor.title) == ("inception", 2048, False, PROXY)


def test_only_published_weights_are_called_fid(weights_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all("6726825d" not in name or sha256.startswith("6726825d") for name, sha256 in CANONICAL.items())
    assert {len(sha256) for sha256 in CANONICAL.values()} == {64}
    assert not load_inception(weights_file, CPU).canonical
    monkeypatch.setattr(inception_weights, "CANONICAL", {"name.pth": digest(weights_file)})
    extractor = open_extractor("inception", weights_file, CPU)
    assert extractor.canonical and extractor.title == "FID"


def test_features_are_float32_without_gradients_whatever_the_caller_set(weights_file: Path) -> None:
    extractor = open_extractor("inception", weights_file, CPU)
    images_B3HW = smooth_pictures(1, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        inside_BD = extractor.describe(images_B3HW)
    assert torch.equal(inside_BD, extractor.describe(images_B3HW))
    assert inside_BD.dtype == torch.float32 and not inside_BD.requires_grad
    with pytest.raises(ValueError, match="uint8"):
        extractor.describe(images_B3HW.float())


def test_counters_may_be_missing_and_half_precision_is_read(tmp_path: Path) -> None:
    state = {name: value.half() for name, value in small_state().items() if "num_batches" not in name}
    network = load_inception(saved(tmp_path / "half.pth", state), CPU).network
    assert isinstance(network, Inception) and not network.training
    assert {value.dtype for value in network.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fc.weight": torch.zeros(1000, 2048)}, r"the shape of fc.weight is \(1000, 2048\) and not \(1008, 2048\)"),
        ({"AuxLogits.fc.bias": torch.zeros(1)}, "it also has AuxLogits.fc.bias"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path: Path, changed: dict[str, Tensor], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_inception(saved(tmp_path / "other.pth", small_state(**changed)), CPU)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    state = small_state()
    del state["Mixed_7c.branch1x1.conv.weight"]
    with pytest.raises(UserError, match=r"it has no Mixed_7c\.branch1x1\.conv\.weight"):
        load_inception(saved(tmp_path / "part.pth", state), CPU)


def test_files_that_are_no_weights_are_refused_in_one_line(weights_file: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.pth").write_bytes(weights_file.read_bytes()[:1_000_000])
    (tmp_path / "text.pth").write_text("404: Not Found")
    (tmp_path / "empty.pth").touch()
    saved(tmp_path / "list.pth", [1, 2])
    for path in tmp_path.glob("*.pth"):
        with pytest.raises(UserError, match="holds no weights of the Inception of FID") as caught:
            load_inception(path, CPU)
        assert path.name in str(caught.value) and "\n" not in str(caught.value)
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(UserError, match="is no file"):
            load_inception(path, CPU)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    class Command:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    with pytest.raises(UserError, match="holds no weights"):
        load_inception(saved(tmp_path / "code.pth", {"fc.weight": Command()}), CPU)
    assert not (tmp_path / "executed").exists()


def test_a_torchscript_of_another_network_is_refused(tmp_path: Path) -> None:
    jit: Any = torch.jit
    jit.script(nn.ReLU()).save(str(tmp_path / "relu.pt"))
    with pytest.raises(UserError, match="TorchScript of another network"):
        load_inception(tmp_path / "relu.pt", CPU)
    jit.script(Scripted(nn.Flatten())).save(str(tmp_path / "flat.pt"))
    with pytest.raises(UserError, match="give 268203 features"):
        load_inception(tmp_path / "flat.pt", CPU)


def test_unknown_extractors_are_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'dinov2'"):
        open_extractor("dino2", None, CPU)
