"""What training refuses before its first step, asked for without training."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from majolica.config.run import RunConfig
from majolica.data.order.sources import captions
from majolica.distributed.environment import launched
from majolica.distributed.group import Group, default_device
from majolica.errors import UserError
from majolica.launch.spawn import check_room
from majolica.run.weights import checkpoints, latest
from majolica.text.tokenizer import Tokenizer
from majolica.train import precision, state
from majolica.train.fitting import fit_to_pictures
from majolica.train.warm_start import rehearse_warm_start, with_its_tokenizer


def rehearse(config: RunConfig, out: Path, resume: bool = False) -> None:
    """Raise the UserError that training `config` into `out` would begin with; write nothing.

    It opens the data as every rank does, the tokenizer and, to go on, the checkpoint, and compares what is asked of
    the machine with what there is. Of weights to begin with it prints what fits and what does not.
    """
    if config.train.processes > 1 and not launched():
        check_room(config.train.processes, torch.cuda.device_count())
    precision.prepare(nn.Identity(), config.train.precision, default_device())
    if not resume:
        config, lines = fit_to_pictures(config)
        print(*lines, sep="\n", end="\n" * bool(lines))
        config, _ = with_its_tokenizer(config)
    _open_tokenizer(config, out, resume)
    if resume and checkpoints(out):  # without one it begins at step 0
        latest(out)
    else:
        for line in rehearse_warm_start(config, out):
            print(line)
    state.loader(config, Group(0, max(1, config.train.processes), torch.device("cpu"))).close()


def _open_tokenizer(config: RunConfig, out: Path, resume: bool) -> None:
    """Open the one that will be used; UserError also where one is to be trained and there is nothing to train it on."""
    if resume and (out / "tokenizer.model").exists():
        Tokenizer(out / "tokenizer.model")
    elif config.data.tokenizer:
        path = Path(config.data.tokenizer)
        if not os.access(path, os.R_OK) or not path.is_file():
            raise UserError(f"data.tokenizer {path} cannot be read: name the file of a SentencePiece model")
        Tokenizer(path)
    elif not any(caption.strip() for caption in islice(captions(config.data), 1_000)):
        raise UserError("none of the first 1,000 captions says anything, so no vocabulary can be trained on them")
