"""TERM and HUP mean what Ctrl-C means; what is ignored stays ignored; a lost terminal ends nothing."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from majolica import signals
from majolica.signals import collect_signals, interrupt_on_signals, run_in_thread
from processes import ENVIRONMENT


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    """As in a process that a shell started in the foreground."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_a_command_and_its_handler_goes(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), interrupt_on_signals():
        signal.raise_signal(number)
        time.sleep(5)
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_cancels_asyncio_as_ctrl_c_does() -> None:
    cleaned = []

    async def work() -> None:
        asyncio.get_running_loop().call_later(0.05, signal.raise_signal, signal.SIGTERM)
        try:
            await asyncio.sleep(30)
        finally:
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt), interrupt_on_signals():
        asyncio.run(work())
    assert cleaned == [True]


def test_nohup_is_respected() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interrupt_on_signals(), collect_signals() as asked:
        signal.raise_signal(signal.SIGHUP)
    assert asked == [] and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize("number", signals.STOPPING)
def test_training_is_asked_and_not_interrupted(number: signal.Signals) -> None:
    with interrupt_on_signals(), collect_signals() as asked:
        signal.raise_signal(number)
        signal.raise_signal(number)
    assert asked == [number, number]


def test_a_second_ctrl_c_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "REPEAT_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt), collect_signals():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    with collect_signals(patient=True) as asked:  # a rank: its launcher decides
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert len(asked) == 2


def test_in_another_thread_nothing_is_heard_and_nothing_breaks() -> None:
    def body() -> list[int]:
        with interrupt_on_signals(), collect_signals() as asked:
            return asked

    assert run_in_thread(body) == []


def test_a_library_at_work_does_not_keep_signals_waiting() -> None:
    over = threading.Event()
    began = time.monotonic()
    threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        run_in_thread(over.wait, 30)
    over.set()
    assert time.monotonic() - began < 20  # and not 30


def test_a_result_and_an_error_come_back_from_the_thread() -> None:
    assert run_in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        run_in_thread(divmod, 7, 0)


TRAINS_A_VOCABULARY = """
import random, sys
from pathlib import Path
from majolica.cli import _find_verb, main
from majolica import cli
from majolica.text.tokenizer import train_tokenizer
random = random.Random(0)
words = ["".join(random.choices("abcdefghijklmnop", k=random.randint(2, 9))) for _ in range(5000)]
captions = [" ".join(random.choices(words, k=8)) for _ in range(30_000)]
def lines():
    yield from captions
    print("begun", flush=True)
cli._find_verb = lambda words: (lambda rest: train_tokenizer(lines(), Path(sys.argv[1]), 2000), words)
sys.exit(main(["data"]))
"""


def test_the_training_of_a_vocabulary_can_be_stopped(tmp_path: Path) -> None:
    """Minutes in a library that hears no signals, whose threads abort the process that ends beside them."""
    words = [sys.executable, "-c", TRAINS_A_VOCABULARY, str(tmp_path / "tokenizer.model")]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT)
    assert process.stdout and process.stdout.readline() == "begun\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors == "majolica: interrupted\n"
    assert list(tmp_path.iterdir()) == []


LOSES_ITS_TERMINAL = """
import fcntl, os, sys, termios, time
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from majolica.signals import collect_signals
with collect_signals() as asked:
    os.write(int(sys.argv[1]), b"ready")
    end = time.monotonic() + 30
    while not asked and time.monotonic() < end:
        time.sleep(0.01)
    print("a line that nobody sees", flush=True)
    print("another", file=sys.stderr, flush=True)
    os.write(int(sys.argv[1]), b" saved")
"""


def test_output_to_a_terminal_that_is_gone_ends_nothing() -> None:
    ours, theirs = pty.openpty()
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", LOSES_ITS_TERMINAL, str(write)],
        stdin=theirs, stdout=theirs, stderr=theirs, pass_fds=[write], start_new_session=True, env=ENVIRONMENT,
    )  # fmt: skip
    os.close(theirs)
    os.close(write)
    assert os.read(read, 5) == b"ready"
    os.close(ours)  # the connection is lost: the kernel hangs up
    assert os.read(read, 6) == b" saved"
    assert process.wait(20) == 0
    os.close(read)
