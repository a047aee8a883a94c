"""Check, without training, that a training run could start."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path

import torch
from safetensors import safe_open

from majolica.config.model import with_vocabulary
from majolica.config.resolutions import base_only_notes
from majolica.config.run import RunConfig
from majolica.data.loading.sources import read_captions
from majolica.distributed.environment import is_rank
from majolica.distributed.group import Group, default_device
from majolica.errors import UserError
from majolica.eval.run_data import load_run_data
from majolica.launch.chosen_evaluators import check_evaluators, find_usable
from majolica.launch.notices import list_notices
from majolica.launch.outcome import describe_finished
from majolica.launch.prepare import check_vacant
from majolica.launch.spawn import check_room
from majolica.lock import LOCK, hold_folder
from majolica.models.majolica import Majolica
from majolica.run.companions import STATE, check_fit
from majolica.run.resume import finished_step
from majolica.run.weights import checkpoints, home_of, latest
from majolica.text.tokenizer import Tokenizer
from majolica.train import network, state
from majolica.train.fitting import check_settled, fit_to_pictures
from majolica.train.precision import check_precision
from majolica.train.shape import shape_notes
from majolica.train.warm_start import rehearse_warm_start, with_its_tokenizer
from majolica.train.watch.heldout import check_folders


def rehearse(config: RunConfig, out: Path, resume: bool = False) -> list[str]:
    """Raise the UserError that training `config` into `out` would raise at its start; leave no files.

    It opens the data as every rank does, the tokenizer and, for a resume, the checkpoint. It checks
    that this machine has the requested processes, precision and memory.

    Returns the lines that training would print. They are about steps that are fitted to the number
    of pictures, evaluators, held-out pictures that cannot be read, captions, pictures, first weights
    or a resume, or they say that the run is finished. What this machine would choose for options that
    are left to it is not among them, because the run may begin on another one.
    """
    if (out / LOCK).exists():
        with hold_folder(out):  # this raises if the folder is in use; if not, a killed process left the file
            pass
    if not resume:
        check_vacant(out)
    elif (step := finished_step(check_settled(config), out)) is not None:
        return [describe_finished(config, out, step, begun=step)]
    if config.train.processes > 1 and not is_rank():
        check_room(config.train.processes, torch.cuda.device_count())
    check_precision(config.train.precision, default_device())
    notes: list[str] = []
    if not resume:
        config, notes = fit_to_pictures(config)
        config, lines = with_its_tokenizer(config)
        notes += [*lines, *base_only_notes(config)]
    notes += [*check_evaluators(config), *check_folders(config)]
    if any(config.train.evaluation_cadences):
        notes += find_usable(config, load_run_data(config))[1]
    restores = resume and bool(checkpoints(out))  # without a checkpoint a resume begins at step 0
    tokenizer = _open_tokenizer(config, out, restores)
    if config.train.activation_gb:
        network.plan_activations(config, default_device())
    with state.build_loader(config, Group(0, max(1, config.train.processes), torch.device("cpu"))) as loader:
        notices = list_notices(config, loader, tokenizer)
        if not restores:
            return [*notes, *rehearse_warm_start(config, out), *notices]
        folder, _ = latest(out)
        if tokenizer:
            check_shapes(config, folder, tokenizer.vocab)
        saved = json.loads((folder / STATE).read_text())
        return [*notes, *shape_notes(saved.get("shape"), config), *loader.load(saved["loader"]), *notices]


def check_shapes(config: RunConfig, checkpoint: Path, vocab: int) -> None:
    """Raise UserError if a tensor of the model has another shape in the checkpoint.

    This finds an error that a comparison of the options cannot: a config.yaml edited by hand.
    """
    with torch.device("meta"):
        model = Majolica(with_vocabulary(config.model, vocab))
    wanted = {name: list(value.shape) for name, value in model.named_parameters()}
    with safe_open(checkpoint / "model.safetensors", "pt") as file:
        found = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    check_fit(home_of(checkpoint), wanted, found)


def _open_tokenizer(config: RunConfig, out: Path, restores: bool) -> Tokenizer | None:
    """Return the tokenizer that the run will use, or None if one will be trained.

    Raises UserError if it cannot be read, or cannot be trained because the captions are empty.
    """
    if restores:
        return Tokenizer(out / "tokenizer.model")
    if config.data.tokenizer:
        path = Path(config.data.tokenizer)
        if not os.access(path, os.R_OK) or not path.is_file():
            raise UserError(f"--data.tokenizer {path} cannot be read: name the file of a SentencePiece model")
        return Tokenizer(path)
    if not any(caption.strip() for caption in islice(read_captions(config.data), 1_000)):
        raise UserError("none of the first 1,000 captions says anything, so no vocabulary can be trained on them")
    return None
