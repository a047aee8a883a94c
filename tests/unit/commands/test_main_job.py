"""The demo's drawings are used as they are only when they are all there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from majolica.commands import main_job
from majolica.errors import UserError


@pytest.mark.parametrize(("complete", "made"), [(True, 0), (False, 1)])
def test_drawings_that_an_interrupted_demo_left_are_completed(
    complete: bool, made: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(main_job, "make_openmoji", lambda *args, **kwargs: calls.append(args))
    left = {"samples": main_job.SAMPLES, "resolution": 96, "seed": 0, "complete": complete}
    (tmp_path / "dataset.json").write_text(json.dumps(left))
    main_job.make_data(tmp_path, 96)
    assert len(calls) == made
    with pytest.raises(UserError, match="holds other drawings"):
        main_job.make_data(tmp_path, 48)
