"""Make a run folder; for a cluster job, once, before the ranks start: `python -m majolica.train.prepare CONFIG OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from majolica.config import io
from majolica.config.resolve import resolve
from majolica.config.schema import RunConfig
from majolica.config.sizes import base_only
from majolica.data.sources import captions
from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.models.weights import checkpoints
from majolica.signals import INTERRUPTED, interruptible
from majolica.text.tokenizer import train_tokenizer
from majolica.train.lock import held

TOKENIZER_CAPTIONS = 1_000_000
"""Captions that a tokenizer is trained on at most."""


def prepare(config: RunConfig, out: Path, resume: bool) -> RunConfig:
    """Write the tokenizer and then the configuration that reproduces the run: where that is, preparation is done.

    A run that goes on keeps its tokenizer, and its configuration takes what the command line changed.
    """
    out.mkdir(parents=True, exist_ok=True)
    for line in () if resume else base_only(config):
        print(f"note: {line}", file=sys.stderr, flush=True)
    model, saved = out / "tokenizer.model", out / "config.yaml"
    if model.exists() and not saved.exists():
        raise UserError(f"{model} belongs to no run: move it away; to use it, name it with --data.tokenizer")
    if not (resume and model.exists()):
        _make_tokenizer(config, model)
    try:
        io.save(config, saved)
    except UserError:
        if not saved.exists():
            model.unlink(missing_ok=True)
        raise
    return config


def _make_tokenizer(config: RunConfig, model: Path) -> None:
    """Copy the tokenizer that the configuration names, or train one on the captions."""
    if not config.data.tokenizer:
        lines = (c for c, _ in zip(captions(config.data), range(TOKENIZER_CAPTIONS), strict=False))
        train_tokenizer(lines, model, config.model.text.vocab)
        return
    try:
        content = Path(config.data.tokenizer).read_bytes()
    except OSError as error:
        raise UserError(f"data.tokenizer {config.data.tokenizer} cannot be read ({error.strerror})") from error
    write_atomic(model, content)


def main(arguments: list[str]) -> int:
    config, folder = arguments
    out = Path(folder)
    try:
        with interruptible(), held(out):
            if checkpoints(out):
                raise UserError(f"{out} already holds a run: start the ranks with --resume, or choose another folder")
            prepare(resolve(io.load(Path(config))), out, resume=False)
    except UserError as error:
        print(f"majolica: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("majolica: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
