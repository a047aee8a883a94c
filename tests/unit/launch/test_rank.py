"""What a run says when it ends."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from majolica.launch.rank import _outcome
from majolica.recipes.drawings import nano
from majolica.train.prompts import PROMPTS


def test_the_prompt_that_is_proposed_is_one_of_the_run(tmp_path: Path) -> None:
    """A run on pictures of mountains never saw an apple."""
    run: Any = SimpleNamespace(out=tmp_path, step=8, config=nano())
    assert f"majolica generate 'a red apple' --run {tmp_path}" in _outcome(run, finished=True, begun=0)
    (tmp_path / PROMPTS).parent.mkdir()
    (tmp_path / PROMPTS).write_text("the children's mountain\na lake\n")
    assert f"""generate 'the children'"'"'s mountain' --run {tmp_path}\n""" in _outcome(run, finished=True, begun=0)
