"""A judge: a small convolutional network that names drawings, trained on fresh renders alone.

It shares nothing with the model that it judges: not its weights, not its architecture, and not its
pictures, because its renders come from a seed of their own. It learns from renders that are damaged
a little, so that it also names a picture that shows the right thing a little vaguely. It also
learns that spoiled renders show none of the things that it knows, so that the right colours and
strokes are not enough.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.callbacks import ReportProgress
from majolica.errors import UserError
from majolica.eval.judge.lessons import LESSONS
from majolica.eval.judge.net import Scores, pooled_features, predict, train_net
from majolica.eval.judge.spec import VERSION, JudgeKind, JudgeSpec
from majolica.files import write_atomic


class Judge:
    """A trained judge: the `names` it knows, the `resolution` it reads, its scores, and its kind."""

    def __init__(
        self, net: nn.Module, names: Sequence[str], resolution: int, scores: Scores, kind: JudgeKind = "features"
    ) -> None:
        self.net, self.names, self.resolution, self.scores = net.eval(), tuple(names), resolution, scores
        self.kind: JudgeKind = kind

    def classify(self, images_B3HW: Tensor) -> Tensor:
        """Return the probabilities `(B, len(names) + 1)` of each name, and of none of them.

        The pictures are uint8 of any size. They are scaled to the judge's resolution with
        antialiasing.
        """
        return self._look(lambda pictures: predict(self.net, pictures), images_B3HW)

    @torch.no_grad()
    def describe(self, images_B3HW: Tensor) -> Tensor:
        """Return the features from which the judge names pictures, `(B, 128)`.

        They are averaged over each picture.
        """
        return self._look(lambda pictures: pooled_features(self.net, pictures), images_B3HW)

    def _look(self, look: Callable[[Tensor], Tensor], images_B3HW: Tensor) -> Tensor:
        """Scale uint8 pictures of any size, and apply `look` to them in chunks."""
        if images_B3HW.dtype != torch.uint8 or images_B3HW.ndim != 4 or images_B3HW.shape[1] != 3:
            found = f"{images_B3HW.dtype} {tuple(images_B3HW.shape)}"
            raise ValueError(f"uint8 B3HW pictures are needed, got {found}")
        starts = range(0, len(images_B3HW), 128)
        return torch.cat([look(self._fit(images_B3HW[start : start + 128].cpu())) for start in starts or [0]])

    def _fit(self, images_B3HW: Tensor) -> Tensor:
        pictures, side = images_B3HW.float() / 255, self.resolution
        if pictures.shape[2:] == (side, side):
            return pictures
        return F.interpolate(pictures, (side, side), mode="bilinear", antialias=True)

    def to_bytes(self) -> bytes:
        """Return the content of its safetensors file: the weights, the names and the scores."""
        facts = {"names": list(self.names), "resolution": self.resolution, "version": VERSION, "kind": self.kind}
        facts |= {"scores": asdict(self.scores)}
        weights = {key: value.contiguous() for key, value in self.net.state_dict().items()}
        return save(weights, {"judge": json.dumps(facts)})

    @classmethod
    def from_bytes(cls, content: bytes) -> Judge:
        """Read a judge from the content of its file.

        If the content is not that of a judge, the error of the reader is raised as it is.
        """
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        facts = json.loads(header["__metadata__"]["judge"])
        kind: JudgeKind = facts.get("kind", "features")
        net = LESSONS[kind].build(len(facts["names"]))
        net.load_state_dict(load(content))
        return cls(net, facts["names"], facts["resolution"], Scores(**facts["scores"]), kind)

    def save(self, path: Path) -> None:
        """Write the file of the judge. Raises UserError if it cannot be written."""
        write_atomic(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> Judge:
        """Read a judge from its file. Raises UserError if the file cannot be read."""
        try:
            return cls.from_bytes(path.read_bytes())
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(f"cannot read the judge {path} ({reason}); delete it to train it again") from error

    @classmethod
    def load_or_train(cls, folder: Path, spec: JudgeSpec, progress: ReportProgress | None = None) -> Judge:
        """Load the judge of `spec` from its file in `folder`, or train it and write the file.

        A file that cannot be read is replaced.
        """
        path = folder / spec.file_name
        if path.exists():
            try:
                return cls.load(path)
            except UserError:
                pass  # training again takes about a minute, and the new file replaces this one
        judge = train_judge(spec, progress)
        with contextlib.suppress(UserError):  # without the file, the next evaluation trains a judge again
            judge.save(path)
        return judge


def train_judge(spec: JudgeSpec, progress: ReportProgress | None = None) -> Judge:
    """Train and score a judge; `progress` is called with the steps that are done and all steps."""
    net, scores = train_net(spec, progress)
    return Judge(net, spec.names, spec.resolution, scores, spec.kind)
