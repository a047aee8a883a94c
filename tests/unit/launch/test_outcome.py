"""What a run says when it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from majolica.config.data import DataConfig
from majolica.errors import UserError
from majolica.launch.outcome import check_saved, describe_finished, describe_stopped
from majolica.recipes.drawings import nano
from majolica.train.prompts import PROMPTS
from tars import tar


def test_the_prompt_that_is_proposed_is_one_of_the_run(tmp_path: Path) -> None:
    """A run on pictures of mountains never saw an apple."""
    (tmp_path / PROMPTS).parent.mkdir()
    (tmp_path / PROMPTS).write_text("the children's mountain\na lake\n")
    said = describe_finished(nano(), tmp_path, 8, begun=0)
    assert f"""generate 'the children'"'"'s mountain' --run {tmp_path}\n""" in said


def test_every_run_can_be_evaluated(tmp_path: Path) -> None:
    """On pictures of one's own too, which have no names.json beside them."""
    assert f"\nevaluate with: majolica eval {tmp_path}\n" in describe_finished(nano(), tmp_path, 8, begun=0)


def test_without_grids_the_prompt_is_a_caption_of_the_data(tmp_path: Path) -> None:
    members = [("0.jpg", b"no picture"), ("0.txt", b"the mountain"), ("1.jpg", b"no picture"), ("1.txt", b"- it lacks")]
    data = DataConfig(shards=str(tar(tmp_path / "data" / "0.tar", members).parent))
    said = describe_finished(replace(nano(), data=data), tmp_path, 8, begun=0)
    assert f"paint with: majolica generate 'the mountain' --run {tmp_path}\n" in said


@pytest.mark.parametrize("place", ["gone", "s3://bucket/shards"])
def test_where_no_caption_can_be_read_the_prompt_is_left_to_the_reader(place: str, tmp_path: Path) -> None:
    said = describe_finished(replace(nano(), data=DataConfig(shards=place)), tmp_path, 8, begun=0)
    assert f"paint with: majolica generate PROMPT --run {tmp_path}\n" in said


def test_the_prompt_that_is_proposed_is_short_where_one_is(tmp_path: Path) -> None:
    (tmp_path / PROMPTS).parent.mkdir()
    (tmp_path / PROMPTS).write_text(f"{'very ' * 30}high mountain\na lake\na field\n")
    assert "majolica generate 'a lake' --run" in describe_finished(nano(), tmp_path, 8, begun=0)
    (tmp_path / PROMPTS).write_text(f"{'very ' * 30}high mountain\n{'very ' * 20}deep lake\n")
    assert "very deep lake' --run" in describe_finished(nano(), tmp_path, 8, begun=0)


def test_a_run_that_was_finished_before_says_so_and_what_comes_next(tmp_path: Path) -> None:
    said = describe_finished(nano(), tmp_path, 8, begun=8)
    assert said.startswith(f"{tmp_path} is finished at step 8, nothing is left to train; paint with: majolica generate")
    assert said.endswith(f"train longer with: majolica train --resume {tmp_path} --train.steps 16")


def test_how_to_go_on_is_said_where_nobody_else_says_it(tmp_path: Path) -> None:
    assert describe_stopped(tmp_path, 8, advise=False) == "\nstopped at step 8 and saved"
    assert describe_stopped(tmp_path, 8, advise=True).endswith(f"; go on with: majolica train --resume {tmp_path}")


def test_a_last_step_that_is_not_saved_says_what_is_left_to_go_on_from(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"step 8, the last, was not saved: .*; then begin again with the same command"):
        check_saved(tmp_path, 8)
    (tmp_path / "log.jsonl").write_text('{"step": 2}\n')
    with pytest.raises(UserError, match=rf"then `majolica train --resume {tmp_path}` begins again at step 0"):
        check_saved(tmp_path, 8)
    (tmp_path / "checkpoints" / "00000003").mkdir(parents=True)
    with pytest.raises(UserError, match=rf"then `majolica train --resume {tmp_path}` goes on from step 3"):
        check_saved(tmp_path, 8)
    (tmp_path / "checkpoints" / "00000008").mkdir()
    check_saved(tmp_path, 8)
