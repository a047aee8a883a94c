"""The demo's drawings are used as they are only when they are all there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from majolica import demo
from majolica.errors import UserError


@pytest.mark.parametrize(("complete", "made"), [(True, 0), (False, 1)])
def test_drawings_that_an_interrupted_demo_left_are_completed(
    complete: bool, made: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(demo, "make_openmoji", lambda *args, **kwargs: calls.append(args))
    left = {"samples": demo.SAMPLES, "resolution": 96, "seed": 0, "complete": complete}
    (tmp_path / "dataset.json").write_text(json.dumps(left))
    demo.make_data(tmp_path, 96)
    assert len(calls) == made
    with pytest.raises(UserError, match="holds other drawings"):
        demo.make_data(tmp_path, 48)
