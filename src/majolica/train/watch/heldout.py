"""The losses of pictures that are never trained on, computed with the averaged weights while a run trains.

The pictures, their noise and their flow times are the same each time, so the curves are smooth. The first rank alone
computes them, so the curves do not depend on the number of ranks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from majolica.config.logged import HELD_OUT, SAMPLES
from majolica.config.run import DataConfig, RunConfig
from majolica.data.counter import mix
from majolica.data.loading import names
from majolica.data.loading.split import load_split
from majolica.device import to_device
from majolica.distributed.group import broadcast_number
from majolica.models.majolica import Majolica
from majolica.models.precision import autocast
from majolica.objectives.contrastive import Pairs, concatenate_pairs, sigmoid_loss
from majolica.objectives.draws import Draws
from majolica.objectives.flow import by_time, velocity_loss
from majolica.objectives.joint import make_rows
from majolica.objectives.objective import clean_pairs
from majolica.text.templates import choose_templates, embed_labels
from majolica.text.tokenizer import Tokenizer
from majolica.train.optim.ema import swap_in_ema
from majolica.train.prompts import held_out_beside
from majolica.train.state import Run, ema_by_name
from majolica.train.watch.guard import Guard
from majolica.train.watch.log import Log
from majolica.train.watch.report import record
from majolica.train.watch.share import TimeShare

CHUNK = 32
"""Pictures at a time, each once as a noisy row and once as a clean one."""
NOT_READ = "held-out pictures were not read"
STREAM = 0x4E1D
"""Tells the draws of held-out rows from those of training rows."""


@dataclass(frozen=True)
class Pictures:
    """What is looked at again and again."""

    images_N3HW: Tensor
    """uint8, on the host."""
    tokens_NL: Tensor
    names: Sequence[str]
    """Everything that a picture may be called; empty where nobody says what the pictures show."""
    shown: Sequence[set[int]]
    """Indices of the names of what each picture shows; empty for a picture of which this is not known."""

    def __len__(self) -> int:
        return len(self.images_N3HW)


class HeldOut:
    """Logs the held-out losses of a run. The pictures are read once; nothing that fails here ends the run."""

    def __init__(self, run: Run, log: Log | None) -> None:
        """`log` is that of the first rank; the other ranks have none. Every rank must make one."""
        self.log = log
        self.pictures: Pictures | None = None
        self.time = TimeShare(run.config.train.heldout_share, run)
        if log and run.config.train.heldout_every:
            self.guard = Guard(log.say)
            self.guard(lambda: self._read(run), NOT_READ)
        self.present = bool(broadcast_number(len(self.pictures or ()), run.group))
        """Whether the first rank has pictures: every rank knows it."""

    def __call__(self, run: Run) -> None:
        """Measure and log. Every rank must call it."""
        if not self.present:
            return
        average = ema_by_name(run)
        if not (self.log and self.pictures):
            return
        if not self.time.is_left(run):
            self.guard.say_once(
                "share",
                f"the held-out losses of step {run.step} are left out, as others will be: they take no more than "
                f"{run.config.train.heldout_share:.2g} of the training time (--train.heldout-share)",
            )
            return
        with self.time.spend():
            self.guard(lambda: self._measure(run, average), "held-out losses were not measured")

    def _read(self, run: Run) -> None:
        folders = find_folders(run.config.data)
        if folders:
            self.pictures = read_pictures(folders, run.config, run.tokenizer)

    def _measure(self, run: Run, average: dict[str, Tensor]) -> None:
        assert self.log and self.pictures
        with swap_in_ema(average, run.model, run.config.train.compile):
            found = measure(run.model, self.pictures, run.config, run.tokenizer, run.group.device)
        self.log.add(run.step, {f"{HELD_OUT}/{name}": value for name, value in found.items()} | {SAMPLES: run.samples})
        self.log.say(
            f"step {run.step} held out: " + "  ".join(f"{name} {found[name]:.4g}" for name in found if "/" not in name)
        )


def find_folders(config: DataConfig) -> list[str]:
    """Folders or URLs of held-out shards: the one that is named, or those that lie beside the shards trained on."""
    return [config.heldout] if config.heldout else [str(folder) for folder in held_out_beside(config, ["heldout"])]


def check_folders(config: RunConfig) -> list[str]:
    """A line where held-out shards, or the names beside them, cannot be read: a training says it and goes on."""
    folders, said = find_folders(config.data), list[str]()
    one = dataclasses.replace(config, train=dataclasses.replace(config.train, heldout_pictures=1))

    def read() -> None:
        load_all(folders, one)
        for folder in folders:
            read_names_beside(folder)

    if folders and config.train.heldout_every:
        Guard(said.append)(read, NOT_READ)
    return said


def read_pictures(folders: Sequence[str], config: RunConfig, tokenizer: Tokenizer) -> Pictures:
    """The held-out pictures of the folders, with what they may be called."""
    images, captions, metas = load_all(folders, config)
    called = list(dict.fromkeys(name for folder in folders for name in read_names_beside(folder)))
    index = {name: number for number, name in enumerate(called)}
    shown = [{index[name] for name in meta.get("names") or () if name in index} for meta in metas]
    return Pictures(images, tokenizer.encode(captions, config.model.text.length), called, shown)


def load_all(folders: Sequence[str], config: RunConfig) -> tuple[Tensor, list[str], list[dict[str, Any]]]:
    """`train.heldout_pictures` from all of the folders, about equally many from each, evenly spaced over each.

    Returns images_N3HW uint8, their captions, and their metadata. Raises UserError where a folder has none.
    """
    each = -(-config.train.heldout_pictures // len(folders))
    images, captions, metas = [], list[str](), list[dict[str, Any]]()
    for folder in folders:
        found = load_split(folder, each, config.model.resolution, config.data.fit, spread=True)
        images.append(found[0])
        captions += found[1]
        metas += found[2]
    return torch.cat(images), captions, metas


def read_names_beside(folder: str) -> list[str]:
    """The names in `names.json` beside a folder of drawings; none where there is no such file."""
    home = Path(folder).parent
    return names.read_names(home) if (home / names.NAMES).is_file() else []


@torch.no_grad()
def measure(
    model: Majolica, pictures: Pictures, config: RunConfig, tokenizer: Tokenizer, device: torch.device
) -> dict[str, float]:
    """Losses and shares of right answers by name; noise, flow times and drop-out are a function of the seed alone.

    `flow` and `flow/0.2-0.4`: as in training. `contrastive`: all pairs of the pictures and their captions, over the
    number of pictures. `caption_top1`: the share of pictures of whose captions their own is the nearest.
    `zero_shot_top1`: the share of pictures whose nearest name is one of what they show, where names are known.
    """
    flow, times, pairs = [], [], []
    for start in range(0, len(pictures), CHUNK):
        loss_M, t_M, some = _measure_chunk(
            model, pictures, range(start, min(start + CHUNK, len(pictures))), config, device
        )
        flow.append(loss_M)
        times.append(t_M)
        pairs.append(some)
    flow_N, t_N, clean = torch.cat(flow), torch.cat(times), concatenate_pairs(pairs)
    none = clean.empty()
    found = record({"flow": flow_N.mean(), "flow_by_time": by_time(flow_N, t_N)})
    contrastive = sigmoid_loss(clean, model.logit_scale.exp(), model.logit_bias, none, none, len(clean))
    found["contrastive"] = contrastive.item()
    nearest_N = (clean.image_BE @ clean.text_BE.T).argmax(1)
    found["caption_top1"] = (clean.caption_B[nearest_N] == clean.caption_B).double().mean().item()
    if any(pictures.shown):
        found["zero_shot_top1"] = zero_shot(model, pictures, clean.image_BE, config, tokenizer)
    return found


def _measure_chunk(
    model: Majolica, pictures: Pictures, rows: range, config: RunConfig, device: torch.device
) -> tuple[Tensor, Tensor, Pairs]:
    """Flow losses and flow times of some pictures as noisy rows, and their embeddings as clean rows."""
    some = slice(rows.start, rows.stop)
    images_B3HW = to_device(pictures.images_N3HW[some].repeat(2, 1, 1, 1), device).float() / 255
    tokens_BL = to_device(pictures.tokens_NL[some].repeat(2, 1), device)
    side = config.model.resolution * config.loss.fine_scale
    places_B = np.concatenate([np.arange(rows.start, rows.stop), len(pictures) + np.arange(rows.start, rows.stop)])
    seeds_B = mix(config.train.seed, STREAM, places_B) >> np.uint64(1)
    inputs, targets = make_rows(
        images_B3HW,
        images_B3HW.new_zeros(0, 3, side, side),
        tokens_BL,
        config.loss,
        config.model.properties,
        len(rows),
        Draws.seeded(seeds_B.tolist(), device),
    )
    with autocast(config.train.precision, device):
        outputs = model(inputs)
    t_M = inputs.t_B[: inputs.noisy]
    loss_M = velocity_loss(outputs.base_M3HW, targets.base_M3HW, t_M, 1, config.loss.t_floor)
    return loss_M, t_M, clean_pairs(outputs, targets)


def zero_shot(model: Majolica, pictures: Pictures, image_NE: Tensor, config: RunConfig, tokenizer: Tokenizer) -> float:
    """Share of the pictures of known things whose nearest name, as `classify` embeds it, is one of these things."""
    device, length = image_NE.device, config.model.text.length

    def embed(texts: Sequence[str]) -> Tensor:
        tokens_KL = to_device(tokenizer.encode(texts, length), device)
        with autocast(config.train.precision, device):
            return torch.cat([model.read(some).embedding_BE for some in tokens_KL.split(2 * CHUNK)])  # type: ignore[no-untyped-call]

    names_KE = embed_labels(embed, pictures.names, choose_templates(tokenizer.lengths, pictures.names, length))
    answers = (image_NE.float() @ names_KE.T).argmax(1).tolist()
    right = [answer in shown for answer, shown in zip(answers, pictures.shown, strict=True) if shown]
    return sum(right) / len(right)
