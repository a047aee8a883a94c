"""Joining a group whose environment is incomplete."""

from __future__ import annotations

import pytest

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
