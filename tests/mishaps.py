"""What befalls a training: Ctrl-C in a step, a full disk."""

import signal
from typing import Any

import pytest

from majolica.run import checkpoint
from majolica.train import loop, state


def interrupt_in(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C in the middle of optimiser step `number`."""
    real, count = loop.optimiser_step, [0]

    def one(run: state.Run) -> Any:
        count[0] += 1
        if count[0] == number:
            signal.raise_signal(signal.SIGINT)
        return real(run)

    monkeypatch.setattr(loop, "optimiser_step", one)


def disk_full_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for the checkpoint of that step."""
    real = checkpoint.save_file

    def full(tensors, path):  # type: ignore[no-untyped-def]
        if f".{step:08d}." in str(path):
            raise OSError(28, "No space left on device")
        real(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", full)
