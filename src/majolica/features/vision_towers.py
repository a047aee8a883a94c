"""DINOv2 and CLIP as extractors, through optional packages that have them.

DINOv2 is what Stein et al. recommend in place of Inception ("Exposing flaws of generative model evaluation metrics and
their unfair treatment of diffusion models", arXiv 2306.04675), and CLIP is what Jayasumana et al. do ("Rethinking FID",
arXiv 2401.09603). Both use the large models with patches of 14 pixels, whose weights are several hundred megabytes.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from majolica.errors import UserError
from majolica.features.resize import ANTIALIASED, resize_antialiased
from majolica.run.weights import digest

ChannelValues = tuple[float, float, float]


@dataclass(frozen=True)
class Tower:
    """A published vision tower: what its pictures look like, and what packages call it."""

    name: str
    title: str
    side: int
    mean: ChannelValues
    """Of the red, green and blue of its training pictures, from 0 to 1."""
    std: ChannelValues
    model_class: str
    """Its class in transformers."""
    output: str
    """The output of that class that is the feature."""
    hub_name: str
    file_package: str
    """The package that reads its weights from a single file."""
    pip_name: str
    file_model: str
    """What that package calls it."""


@dataclass(frozen=True)
class LoadedTower:
    """A vision tower in use."""

    prepare: Callable[[Tensor], Tensor]
    """Turns uint8 pictures `B3HW` into what the network reads."""
    network: Callable[[Tensor], Tensor]
    side: int
    record: Mapping[str, Any]


DINOV2 = Tower(
    name="dinov2",
    title="FD (DINOv2)",
    side=224,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    model_class="Dinov2Model",
    output="pooler_output",
    hub_name="facebook/dinov2-large",
    file_package="timm",
    pip_name="timm",
    file_model="vit_large_patch14_dinov2.lvd142m",
)
CLIP = Tower(
    name="clip",
    title="FD (CLIP)",
    side=224,
    mean=(0.48145466, 0.4578275, 0.40821073),
    std=(0.26862954, 0.26130258, 0.27577711),
    model_class="CLIPVisionModelWithProjection",
    output="image_embeds",
    hub_name="openai/clip-vit-large-patch14",
    file_package="open_clip",
    pip_name="open_clip_torch",
    file_model="ViT-L-14-quickgelu",
)
TOWERS = {tower.name: tower for tower in (DINOV2, CLIP)}


def load_tower(tower: Tower, weights: Path | None, device: torch.device) -> LoadedTower:
    """Load a vision tower: a folder of weights through transformers, a file through timm (DINOv2) or open_clip (CLIP).

    Without `weights`, the first of the two packages that is installed gets the published ones from the Hugging Face
    Hub or its own cache. Raises UserError if no package is there, or if the weights cannot be had or do not fit.
    """
    if weights is not None and not weights.exists():
        raise UserError(f"{weights} does not exist: name a folder of transformers or a file of {tower.file_package}")
    package = _import_package(tower, weights)
    try:
        if package.__name__ == "transformers":
            module, network, side = _load_by_transformers(package, tower, weights)
            model = tower.hub_name if weights is None else weights.name
        else:
            module, network, side = _load_by_file_package(package, tower, weights)
            model = tower.file_model
    except UserError:
        raise
    except Exception as error:  # these packages raise any exception, of the network too
        what = f"the weights of {tower.hub_name}" if weights is None else str(weights)
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise UserError(
            f"{package.__name__} cannot load {what}: {reason}; name a folder of transformers or a file of"
            f" {tower.file_package} that holds the weights of {tower.hub_name}"
        ) from error
    module.requires_grad_(False).float().eval().to(device)
    record = {
        "weights_sha256": _digest_weights(weights, module),
        "package": package.__name__,
        "version": str(package.__version__),
        "model": model,
        "resize": ANTIALIASED,
        "side": side,
    }
    return LoadedTower(lambda images_B3HW: _prepare(images_B3HW, tower, side), network, side, record)


def _prepare(images_B3HW: Tensor, tower: Tower, side: int) -> Tensor:
    mean_311, std_311 = (torch.tensor(values).view(3, 1, 1) for values in (tower.mean, tower.std))
    return (resize_antialiased(images_B3HW, side) / 255 - mean_311) / std_311


def _import_package(tower: Tower, weights: Path | None) -> ModuleType:
    """Import the package that reads `weights`. UserError says what to install if it is missing."""
    names = ["transformers", tower.file_package]
    reads = "its weights"
    if weights is not None:
        names = [names[0] if weights.is_dir() else names[1]]
        reads = "a folder of weights" if weights.is_dir() else "a file of weights"
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    commands = " or ".join(f"`pip install {tower.pip_name if name == tower.file_package else name}`" for name in names)
    raise UserError(f"the extractor {tower.name} needs a package that reads {reads}: {commands}")


def _load_by_transformers(
    package: ModuleType, tower: Tower, weights: Path | None
) -> tuple[nn.Module, Callable[[Tensor], Tensor], int]:
    model_class = getattr(package, tower.model_class)
    model, found = model_class.from_pretrained(str(weights or tower.hub_name), output_loading_info=True)
    if found["missing_keys"]:  # transformers would go on with random numbers
        missing = sorted(found["missing_keys"])[0]
        raise UserError(f"{weights or tower.hub_name} holds no weights of {tower.model_class}: it has no {missing}")
    # DINOv2 fits its grid of positions to any picture; CLIP reads pictures of the size that it was trained on.
    side = tower.side if tower is DINOV2 else int(model.config.image_size)
    return model, lambda x_B3SS: getattr(model(pixel_values=x_B3SS), tower.output), side


def _load_by_file_package(
    package: ModuleType, tower: Tower, weights: Path | None
) -> tuple[nn.Module, Callable[[Tensor], Tensor], int]:
    if tower is DINOV2:
        overlay = {"file": str(weights)} if weights else None
        model = package.create_model(
            tower.file_model, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, img_size=tower.side
        )
        return model, model, tower.side
    model = package.create_model(
        tower.file_model, pretrained=str(weights) if weights else "openai", precision="fp32", require_pretrained=True
    )
    return model, model.encode_image, tower.side


def _digest_weights(weights: Path | None, module: nn.Module) -> str:
    """Return the SHA-256 of the file of weights; if there is no single local file, that of the tensors themselves."""
    file = weights / "model.safetensors" if weights and weights.is_dir() else weights
    if file is not None and file.is_file():
        return digest(file)
    hasher = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        hasher.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        hasher.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return f"tensors {hasher.hexdigest()}"
