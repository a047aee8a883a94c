"""Joining a group: an environment that is incomplete, and how long ranks wait for each other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import torch.distributed as dist

from majolica.distributed.environment import MEETING
from majolica.distributed.group import join_group
from majolica.errors import UserError


@pytest.mark.parametrize(("given", "told"), [({}, "RANK and WORLD_SIZE"), ({"RANK": "0"}, "not WORLD_SIZE:")])
def test_what_a_launcher_left_out_is_named(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: str) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"LOCAL_RANK": "0", **given}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=told), join_group(1, 1):
        pass


def test_ranks_wait_as_long_as_an_evaluation_on_the_first_one_may_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {"LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "1", MEETING: str(tmp_path / "meeting")}.items():
        monkeypatch.setenv(name, value)
    waits: list[timedelta] = []
    join = dist.init_process_group

    def spy(*args: object, timeout: timedelta, **named: object) -> None:
        waits.append(timeout)
        join(*args, timeout=timeout, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(dist, "init_process_group", spy)
    with join_group(1, 1) as group:
        assert group.world == 1
    assert min(waits) >= timedelta(hours=2)
