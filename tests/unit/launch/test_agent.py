"""What a rank hears of its launcher, and in which order."""

from __future__ import annotations

import os
import sys
import time

import pytest

from majolica.distributed.environment import MEETING
from majolica.launch.agent import Launcher


class SlowList(list[int]):
    """A list that takes a while to append, so that whatever is done too early is done before."""

    def append(self, number: int) -> None:
        time.sleep(0.3)
        super().append(number)


def test_a_rank_is_asked_to_stop_before_it_hears_that_another_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise end for the failure, and save nothing."""
    reading, writing = os.pipe()
    monkeypatch.setenv(MEETING, "somewhere")
    asked = SlowList()
    with os.fdopen(reading) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        launcher = Launcher(asked)
        launcher.joined = True
        os.close(writing)  # as the end of the launcher does
        assert launcher.another_failed.wait(30) and asked
