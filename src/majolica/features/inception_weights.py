"""Reading the weights of Inception v3 from the files that packages for FID publish."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from majolica.errors import UserError
from majolica.features.conventions import SIDE
from majolica.features.inception import WIDTH, Inception
from majolica.run.weights import digest

_STATE_DICT = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
_TORCHSCRIPT = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
CANONICAL = {
    "weights-inception-2015-12-05-6726825d.pth": _STATE_DICT,
    "pt_inception-2015-12-05-6726825d.pth": _STATE_DICT,
    "inception-2015-12-05.pt": _TORCHSCRIPT,
}
"""Published file name -> SHA-256 of the file. The first is of torch-fidelity, the second, which is the same file, of
pytorch-fid, and the third of StyleGAN2-ADA and clean-fid."""

_COUNTER = ".num_batches_tracked"
"""Ends the names of values that inference does not use, and that some files leave out."""


@dataclass(frozen=True)
class LoadedInception:
    """Weights of Inception in use."""

    network: Callable[[Tensor], Tensor]
    """Returns the features `(B, 2048)` of prepared pictures, `(B, 3, 299, 299)`."""
    format: str
    """"state dict" or "TorchScript"."""
    sha256: str

    @property
    def canonical(self) -> bool:
        """Whether these are the weights by which FID is defined."""
        return self.sha256 in CANONICAL.values()


def load_inception(path: Path, device: torch.device) -> LoadedInception:
    """Read the weights in `path`, a state dict as of torch-fidelity or pytorch-fid, or a TorchScript as of clean-fid.

    Nothing but tensors is unpickled. Raises UserError if the file is missing or damaged, or if it holds other weights.
    """
    if not path.is_file():
        raise UserError(
            f"{path} is no file: name a file with the weights of Inception, such as {next(iter(CANONICAL))}"
        )
    try:
        sha256 = digest(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    if _is_torchscript(path):
        return LoadedInception(_load_torchscript(path, device), "TorchScript", sha256)
    return LoadedInception(_load_state_dict(path).to(device), "state dict", sha256)


def _is_torchscript(path: Path) -> bool:
    """Return whether `path` is an archive of TorchScript, which unlike one of `torch.save` has a list of constants."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _load_state_dict(path: Path) -> Inception:
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises any exception on damaged bytes
        raise _not_weights(path, "it is damaged, cut short, or no file of PyTorch") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise _not_weights(path, "it is no state dict of tensors")
    with torch.device("meta"):
        network = Inception()
    _check_shapes(path, state, network)
    whole = {name: _lay_out(value.float()) for name, value in state.items() if not name.endswith(_COUNTER)}
    counters = {name: torch.zeros((), dtype=torch.int64) for name in network.state_dict() if name.endswith(_COUNTER)}
    network.load_state_dict({**whole, **counters}, assign=True)
    return network.requires_grad_(False).eval()


def _lay_out(value: Tensor) -> Tensor:
    """Return kernels with their channels last, which makes a CPU half as fast again and moves features by about 3e-7
    of the largest; return other values as they are."""
    return value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value


def _check_shapes(path: Path, state: Mapping[str, Tensor], network: nn.Module) -> None:
    """Raise UserError if the names and shapes of `state` are not those of `network`."""
    found = {name: tuple(value.shape) for name, value in state.items() if not name.endswith(_COUNTER)}
    needed = {name: tuple(value.shape) for name, value in network.state_dict().items() if not name.endswith(_COUNTER)}
    if missing := sorted(needed.keys() - found.keys()):
        raise _not_weights(path, f"it has no {missing[0]}")
    if other := [name for name in needed if needed[name] != found[name]]:
        raise _not_weights(path, f"the shape of {other[0]} is {found[other[0]]} and not {needed[other[0]]}")
    if extra := sorted(found.keys() - needed.keys()):
        raise _not_weights(path, f"it also has {extra[0]}, which that network has not")


def _load_torchscript(path: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return the layers of a TorchScript of Inception, which are used as they are."""
    torchscript: Any = torch.jit
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the published file exists in this format only
            layers = torchscript.load(str(path), map_location=device).eval().layers
            blank_B3SS = torch.zeros(1, 3, SIDE, SIDE, device=device)
            with torch.no_grad():
                count = layers(blank_B3SS).numel()
    except Exception as error:  # whatever damaged bytes or other modules raise
        raise _not_weights(path, "it is damaged, or a TorchScript of another network") from error
    if count != WIDTH:
        raise _not_weights(path, f"its layers give {count} features for a picture and not {WIDTH}")
    return lambda x_B3SS: layers(x_B3SS).reshape(len(x_B3SS), WIDTH)


def _not_weights(path: Path, reason: str) -> UserError:
    names = ", ".join(CANONICAL)
    return UserError(f"{path} holds no weights of the Inception of FID: {reason}; the published files are {names}")
