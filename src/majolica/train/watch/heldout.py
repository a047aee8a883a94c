"""Measures the losses of pictures that are never trained on, with the averaged weights.

The pictures, their noise and their flow times are the same each time, so the curves are smooth. The
first rank alone computes them, so the curves do not depend on the number of ranks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from majolica.config.logged import HELD_OUT, SAMPLES
from majolica.config.run import RunConfig
from majolica.config.sources import name_folder
from majolica.data.counter import mix
from majolica.data.loading import names
from majolica.data.loading.held_out import find_held_out
from majolica.data.loading.split import load_split
from majolica.device import to_device
from majolica.distributed.group import broadcast_number
from majolica.models.majolica import Majolica
from majolica.models.precision import autocast
from majolica.objectives.contrastive import sigmoid_loss
from majolica.objectives.flow import sum_by_time
from majolica.objectives.measure import Captioned, measure_losses
from majolica.properties.categories import NO_CATEGORIES, EncodeName
from majolica.properties.columns import FRAME, SOURCE_FOLDER
from majolica.properties.registry import choose_columns, read_columns
from majolica.text.templates import choose_templates, embed_labels
from majolica.text.tokenizer import Tokenizer
from majolica.train.optim.ema import swap_in_ema
from majolica.train.state import Run, ema_by_name
from majolica.train.watch.guard import Guard
from majolica.train.watch.log import Log
from majolica.train.watch.report import scalars_by_name
from majolica.train.watch.share import TimeShare

CHUNK = 32
"""Pictures in one forward pass. Each is in it twice: as a noisy row and as a clean row."""
NOT_READ = "held-out pictures were not read"
STREAM = 0x4E1D
"""Makes the random draws of held-out rows differ from those of training rows."""


@dataclass(frozen=True)
class HeldOutPictures:
    """The held-out pictures, read once and measured many times."""

    images_N3HW: Tensor
    """uint8, on the host."""
    tokens_NL: Tensor
    names: Sequence[str]
    """All names that a picture may have; empty if no names.json lies beside the pictures."""
    shown: Sequence[set[int]]
    """For each picture, the indices in `names` of what it shows; empty if that is not known."""
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    """The properties `(N,)` that are read from metadata."""

    def __len__(self) -> int:
        return len(self.images_N3HW)


class HeldOut:
    """Logs the held-out losses of a run. The pictures are read once. No failure ends the run."""

    def __init__(self, run: Run, log: Log | None) -> None:
        """`log` is None on all ranks but the first. Every rank must construct a `HeldOut`."""
        self.log = log
        self.pictures: HeldOutPictures | None = None
        self.time = TimeShare(run.config.train.heldout_share, "--train.heldout-share", run)
        if log and run.config.train.heldout_every:
            self.guard = Guard(log.say)
            self.guard(lambda: self._read(run), NOT_READ)
        self.present = bool(broadcast_number(len(self.pictures or ()), run.group))
        """Whether the first rank has pictures: every rank knows it."""

    def __call__(self, run: Run) -> None:
        """Measure the losses and log them. Every rank must call it."""
        if not self.present:
            return
        average = ema_by_name(run)
        if not (self.log and self.pictures):
            return
        if not self.time.is_left(run):
            self.guard.say_once("share", self.time.describe_limit(f"the held-out losses of step {run.step} are"))
            return
        with self.time.spend():
            self.guard(lambda: self._measure(run, average), "held-out losses were not measured")

    def _read(self, run: Run) -> None:
        folders = find_held_out(run.config.data)
        if folders:
            self.pictures = read_heldout(folders, run.config, run.tokenizer, run.model.conditions.categories)

    def _measure(self, run: Run, average: dict[str, Tensor]) -> None:
        assert self.log and self.pictures
        with swap_in_ema(average, run.model, run.config.train.compile):
            values = measure_heldout(run.model, self.pictures, run.config, run.tokenizer, run.group.device)
        self.log.add(run.step, {f"{HELD_OUT}/{name}": value for name, value in values.items()} | {SAMPLES: run.samples})
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items() if "/" not in name)
        self.log.say(f"step {run.step} held out: {shown}")


def check_folders(config: RunConfig) -> list[str]:
    """Return a line if held-out shards, or the names beside them, cannot be read.

    Training would only report such a failure and go on.
    """
    folders, failures = find_held_out(config.data), list[str]()
    one = dataclasses.replace(config, train=dataclasses.replace(config.train, heldout_pictures=1))

    def read() -> None:
        load_all(folders, one)
        for folder in folders:
            read_names_beside(folder)

    if folders and config.train.heldout_every:
        Guard(failures.append)(read, NOT_READ)
    return failures


def read_heldout(
    folders: Sequence[str],
    config: RunConfig,
    tokenizer: Tokenizer,
    categories: Mapping[str, EncodeName] = NO_CATEGORIES,
) -> HeldOutPictures:
    """Read the held-out pictures of the folders, their captions and their names.

    `categories` say which value a name has, for the properties that are names.
    """
    images, captions, metas = load_all(folders, config)
    all_names = list(dict.fromkeys(name for folder in folders for name in read_names_beside(folder)))
    index = {name: number for number, name in enumerate(all_names)}
    shown = [{index[name] for name in meta.get("names") or () if name in index} for meta in metas]
    known = read_columns(choose_columns(config.model.properties), metas, categories)
    return HeldOutPictures(images, tokenizer.encode(captions, config.model.text.length), all_names, shown, known)


def load_all(folders: Sequence[str], config: RunConfig) -> tuple[Tensor, list[str], list[dict[str, Any]]]:
    """Read `train.heldout_pictures` pictures: about equally many per folder, evenly spaced in it.

    Returns images_N3HW uint8, their captions, and their metadata. Raises UserError if a folder has
    no pictures.
    """
    each = -(-config.train.heldout_pictures // len(folders))
    images, captions, metas = [], list[str](), list[dict[str, Any]]()
    for folder in folders:
        side, data = config.model.resolution, config.data
        pictures_K3HW, texts, infos = load_split(folder, each, side, data.fit, spread=True, data=data)
        images.append(pictures_K3HW)
        captions += texts
        known = {SOURCE_FOLDER: name_folder(folder), FRAME: 1.0 if config.data.fit == "crop" else None}
        metas += [{**info, **known} for info in infos]
    return torch.cat(images), captions, metas


def read_names_beside(folder: str) -> list[str]:
    """Read the names in `names.json` beside a folder of shards; none if there is no such file."""
    home = Path(folder).parent
    return names.read_names(home) if (home / names.NAMES).is_file() else []


@torch.no_grad()
def measure_heldout(
    model: Majolica, pictures: HeldOutPictures, config: RunConfig, tokenizer: Tokenizer, device: torch.device
) -> dict[str, float]:
    """Compute the losses and accuracies of the pictures, by name.

    Noise, flow times and the dropping of conditions depend on the seed alone.

    `flow` and `flow/0.2-0.4` (by flow time): the flow-matching loss, as in training.
    `contrastive`: the loss over all pairs of the pictures and their captions, divided by the number
    of pictures. `caption_top1`: the share of pictures whose nearest caption is their own.
    `zero_shot_top1`: among the pictures with known names, the share whose nearest name is one of
    theirs; absent if no picture has known names.
    """
    places_B = np.arange(2 * len(pictures))
    seeds = (mix(config.train.seed, STREAM, places_B) >> np.uint64(1)).tolist()
    captioned = Captioned(pictures.images_N3HW, pictures.tokens_NL, pictures.columns)
    found = measure_losses(model, captioned, config, config.train.precision, seeds, device, CHUNK)
    clean = found.pairs
    none = clean.empty()
    values = scalars_by_name({"flow": found.flow_N.mean(), "flow_by_time": sum_by_time(found.flow_N, found.t_N)})
    contrastive = sigmoid_loss(clean, model.logit_scale.exp(), model.logit_bias, none, none, len(clean))
    values["contrastive"] = contrastive.item()
    nearest_N = (clean.image_BE @ clean.text_BE.T).argmax(1)
    values["caption_top1"] = (clean.caption_B[nearest_N] == clean.caption_B).double().mean().item()
    if any(pictures.shown):
        values["zero_shot_top1"] = zero_shot(model, pictures, clean.image_BE, config, tokenizer)
    return values


def zero_shot(
    model: Majolica, pictures: HeldOutPictures, image_NE: Tensor, config: RunConfig, tokenizer: Tokenizer
) -> float:
    """Return the share of pictures whose nearest name, embedded as by `classify`, is one of theirs.

    Pictures without known names do not count; `image_NE` holds the image embeddings.
    """
    device, length = image_NE.device, config.model.text.length

    def embed(texts: Sequence[str]) -> Tensor:
        tokens_KL = to_device(tokenizer.encode(texts, length), device)
        with autocast(config.train.precision, device):
            return torch.cat([model.read(chunk_BL).embedding_BE for chunk_BL in tokens_KL.split(2 * CHUNK)])  # type: ignore[no-untyped-call]

    names_KE = embed_labels(embed, pictures.names, choose_templates(tokenizer.lengths, pictures.names, length))
    answers = (image_NE.float() @ names_KE.T).argmax(1).tolist()
    right = [answer in shown for answer, shown in zip(answers, pictures.shown, strict=True) if shown]
    return sum(right) / len(right)
