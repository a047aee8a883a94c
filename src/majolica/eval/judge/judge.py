"""The judge: a small convnet that names drawings, trained on fresh renders only.

It measures prompt fidelity, so it shares nothing with the model it judges: neither weights, nor pictures (its
renders come from a seed of its own), nor architecture. It learns from blurred, noisy, bent and recoloured
renders, so a picture that shows the right thing a little vaguely is named rightly; and it learns that scrambled
renders are none of the things it knows, so the right colours and strokes alone are not enough.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.errors import UserError
from majolica.eval.judge.net import Progress, Scores, build_net, named_rightly, predict, train_net
from majolica.eval.judge.spec import VERSION, JudgeSpec
from majolica.files import write_atomic

__all__ = ["Judge", "named_rightly", "train_judge"]


class Judge:
    """A trained judge: the `names` it knows, the `resolution` it looks at, and how good it is."""

    def __init__(self, net: nn.Module, names: Sequence[str], resolution: int, scores: Scores) -> None:
        self.net, self.names, self.resolution, self.scores = net.eval(), tuple(names), resolution, scores

    def classify(self, images_B3HW: Tensor) -> Tensor:
        """Probabilities `(B, len(names) + 1)` of each name, and of none of them, for uint8 pictures of any size.

        Pictures that are not at the judge's resolution are scaled to it, antialiased.
        """
        if images_B3HW.dtype != torch.uint8 or images_B3HW.ndim != 4 or images_B3HW.shape[1] != 3:
            found = f"{images_B3HW.dtype} {tuple(images_B3HW.shape)}"
            raise ValueError(f"uint8 B3HW pictures are needed, got {found}")
        starts = range(0, len(images_B3HW), 128)
        chunks = [predict(self.net, self._fit(images_B3HW[start : start + 128].cpu())) for start in starts]
        return torch.cat(chunks) if chunks else torch.zeros(0, len(self.names) + 1)

    def _fit(self, images_B3HW: Tensor) -> Tensor:
        pictures, side = images_B3HW.float() / 255, self.resolution
        if pictures.shape[2:] == (side, side):
            return pictures
        return F.interpolate(pictures, (side, side), mode="bilinear", antialias=True)

    def to_bytes(self) -> bytes:
        """Weights and facts as the content of one safetensors file."""
        facts = {"names": list(self.names), "resolution": self.resolution, "version": VERSION}
        facts |= {"scores": asdict(self.scores)}
        weights = {key: value.contiguous() for key, value in self.net.state_dict().items()}
        return save(weights, {"judge": json.dumps(facts)})

    @classmethod
    def from_bytes(cls, content: bytes) -> Judge:
        """Read what `to_bytes` made; raises whatever shows that the content is something else."""
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        facts = json.loads(header["__metadata__"]["judge"])
        net = build_net(len(facts["names"]))
        net.load_state_dict(load(content))
        return cls(net, facts["names"], facts["resolution"], Scores(**facts["scores"]))

    def save(self, path: Path) -> None:
        """Write it to a file; UserError where the disk refuses."""
        write_atomic(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> Judge:
        """Read what `save` wrote; `UserError` if the file cannot be read."""
        try:
            return cls.from_bytes(path.read_bytes())
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(f"cannot read the judge {path} ({reason}); delete it to train it again") from error

    @classmethod
    def load_or_train(cls, folder: Path, spec: JudgeSpec, progress: Progress | None = None) -> Judge:
        """The judge of `spec` from its file in `folder`, or a new one, which is then written there.

        A file that cannot be read is replaced.
        """
        path = folder / spec.file_name
        if path.exists():
            try:
                return cls.load(path)
            except UserError:
                pass  # it costs a minute to make again, and the new file takes its place
        judge = train_judge(spec, progress)
        with contextlib.suppress(UserError):  # a data folder that cannot be written costs the next evaluation a minute
            judge.save(path)
        return judge


def train_judge(spec: JudgeSpec, progress: Progress | None = None) -> Judge:
    """Render, train and score a judge; `progress` hears how many steps are done, and of how many."""
    net, scores = train_net(spec, progress)
    return Judge(net, spec.names, spec.resolution, scores)
