"""Beginning with trained weights: what fits is taken, the rest is named, and a resumed run keeps its own."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from majolica.config.io import load_config
from majolica.config.run import RunConfig
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.distributed.group import Group
from majolica.errors import UserError
from majolica.launch.prepare import prepare_run
from majolica.launch.rehearse import rehearse
from majolica.launch.start import train
from majolica.properties.quantiles import load_quantiles
from majolica.run.companions import PIECES
from majolica.run.weights import home_of, load_ema
from majolica.text.tokenizer import train_tokenizer
from majolica.train import state
from majolica.train.warm_properties import KINDS
from majolica.train.warm_start import MOST_NAMES, begin_with, describe_reasons, warm_start
from ranks import changed
from tiny import tiny_run, weights

ONE = Group(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import numpy as np
    import simplejpeg

    folder = tmp_path_factory.mktemp("shards")
    jpeg = simplejpeg.encode_jpeg(np.full((32, 32, 3), 128, np.uint8))
    captions = [f"a {colour} {thing}" for colour in ("red", "blue", "green") for thing in ("fox", "owl", "dolphin")]
    write_shards(folder, (Record(jpeg, "jpg", caption, {}) for caption in captions * 4), per_shard=50)
    return folder


@pytest.fixture(scope="module")
def trained(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "trained"
    train(tiny_run(shards, steps=2), folder)
    return folder


def begun(config: RunConfig, out: Path, group: Group = ONE) -> tuple[state.Run, list[str]]:
    """A run that has begun, and what was said."""
    said: list[str] = []
    prepare_run(config, out, resume=False)
    run = state.build_run(load_config(out / "config.yaml"), out, group)
    try:
        warm_start(run, said.append)
    finally:
        run.feed.close()
    return run, said


def shaped(config: RunConfig, **model: object) -> RunConfig:
    return dataclasses.replace(config, model=dataclasses.replace(config.model, **model))  # type: ignore[arg-type]


def test_a_run_begins_with_the_averaged_weights_of_another(shards: Path, trained: Path, tmp_path: Path) -> None:
    source = load_file(trained / "checkpoints" / "00000002" / "ema.safetensors")
    run, said = begun(changed(tiny_run(shards), init_from=str(trained), seed=7), tmp_path / "run")
    assert run.step == 0 and not any(optimiser.state for optimiser in run.optimisers)
    own = dict(run.model.named_parameters())
    assert own.keys() == source.keys()
    assert all(torch.equal(own[name], source[name]) for name in source)
    assert all(torch.equal(run.ema.average[name], source[name]) for name in source)
    total = len(source)
    assert said == [f"training begins with the weights of {trained}: {total} of the {total} tensors of this model"]


def test_its_tokenizer_is_taken_and_stands_in_the_configuration(
    shards: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained.parent)
    config = changed(tiny_run(shards), init_from="trained")
    prepare_run(config, tmp_path / "run", resume=False)
    assert (tmp_path / "run" / "tokenizer.model").read_bytes() == (trained / "tokenizer.model").read_bytes()
    saved = load_config(tmp_path / "run" / "config.yaml")
    assert saved.train.init_from == str(trained) and saved.data.tokenizer == str(trained / "tokenizer.model")
    assert "the tokenizer is trained/tokenizer.model, with which trained was trained" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["checkpoints", "best"])
def test_a_run_may_lie_in_a_folder_of_any_name(folder: str, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / folder / "run"
    shutil.copytree(trained, run)
    for place in (run, run / "checkpoints" / "00000002", run / "checkpoints" / "00000002" / "ema.safetensors"):
        assert home_of(place) == run


@pytest.mark.parametrize("name", ["ema.safetensors", "model.safetensors", ""])
def test_a_file_or_a_checkpoint_of_a_run_will_do(shards: Path, trained: Path, tmp_path: Path, name: str) -> None:
    checkpoint = trained / "checkpoints" / "00000002"
    place = checkpoint / name
    assert home_of(place) == trained
    run, _ = begun(changed(tiny_run(shards), init_from=str(place)), tmp_path / "run")
    source = load_file(checkpoint / (name or "ema.safetensors"))
    assert all(torch.equal(value, source[key]) for key, value in run.model.named_parameters())


@pytest.mark.parametrize("name", ["ema.safetensors", "model.safetensors", ""])
def test_a_damaged_checkpoint_is_no_beginning(shards: Path, trained: Path, tmp_path: Path, name: str) -> None:
    """One bit of a weight is another, which safetensors cannot tell."""
    shutil.copytree(trained, tmp_path / "copy")
    checkpoint = tmp_path / "copy" / "checkpoints" / "00000002"
    file = checkpoint / (name or "ema.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    config = changed(tiny_run(shards), init_from=str(checkpoint / name))
    with pytest.raises(UserError, match=f"{file.name} has changed since it was written"):
        begun(config, tmp_path / "run")


def test_what_does_not_fit_is_named_and_starts_fresh(shards: Path, trained: Path, tmp_path: Path) -> None:
    config = shaped(tiny_run(shards), synthesis_depth=2, properties=("contrast", "hue"))
    fresh, _ = begun(config, tmp_path / "fresh")
    run, said = begun(changed(config, init_from=str(trained)), tmp_path / "run")
    source = load_file(trained / "checkpoints" / "00000002" / "ema.safetensors")
    first = dict(fresh.model.named_parameters())
    for name, value in run.model.named_parameters():
        if name == KINDS:  # by the names of the properties
            assert torch.equal(value, torch.stack((source[name][1], first[name][1])))
            continue
        taken = name in source and source[name].shape == value.shape
        assert torch.equal(value, source[name] if taken else first[name]), name
    deeper = [name for name in first if name.startswith("synthesis.blocks.1.")]
    assert said[1:] == [
        f"left out of {trained}, 1 tensor: conditions.offsets (3 x 1 x 6 x 32 there, 4 x 2 x 6 x 32 here)",
        f"starting fresh, {len(deeper) + 1} tensors: synthesis.blocks.1 ({len(deeper)} tensors), conditions.offsets",
        "starting fresh, of the properties: hue",
        f"left out of {trained}, of the properties: brightness, colourfulness",
    ]
    assert torch.equal(run.model.conditions.quantiles[0], load_quantiles(trained, ("contrast",))[0])


def test_pieces_of_another_tokenizer_are_not_taken_though_their_shape_fits(
    shards: Path, trained: Path, tmp_path: Path
) -> None:
    vocab = len(load_file(trained / "checkpoints" / "00000002" / "ema.safetensors")[PIECES])
    other = tmp_path / "other.model"
    captions = [f"ein {wort} auf dem Tisch" for wort in ("Hund", "Vogel", "Elefant", "Wagen", "Schiff", "Haus")] * 3
    assert train_tokenizer(captions, other, vocab) == vocab
    config = changed(tiny_run(shards), init_from=str(trained))
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, tokenizer=str(other)))
    rehearsed = rehearse(config, tmp_path / "run")
    run, said = begun(config, tmp_path / "run")
    source = load_file(trained / "checkpoints" / "00000002" / "ema.safetensors")
    assert run.model.text_tower.embedding.weight.shape == source[PIECES].shape
    assert not torch.equal(run.model.text_tower.embedding.weight, source[PIECES])
    assert f"{PIECES} (its pieces are those of another tokenizer)" in said[1]
    assert [line for line in rehearsed if line in said] == said


def test_weights_without_a_tokenizer_keep_their_pieces_only_where_one_is_named(
    shards: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "away" / "weights.safetensors"
    file.parent.mkdir()
    source = load_file(trained / "checkpoints" / "00000002" / "ema.safetensors")
    save_file(source, file)
    config = changed(tiny_run(shards), init_from=str(file))
    run, said = begun(config, tmp_path / "run")
    assert "name their tokenizer with --data.tokenizer" in capsys.readouterr().err
    assert f"{PIECES} (its tokenizer is not known)" in said[1]
    assert not torch.equal(run.model.text_tower.embedding.weight, source[PIECES])
    data = dataclasses.replace(config.data, tokenizer=str(trained / "tokenizer.model"))
    run, said = begun(dataclasses.replace(config, data=data), tmp_path / "named")
    assert len(said) == 1 and torch.equal(run.model.text_tower.embedding.weight, source[PIECES])


def test_nothing_that_fits_and_nothing_that_can_be_read_is_one_clear_line(
    shards: Path, trained: Path, tmp_path: Path
) -> None:
    strange = tmp_path / "strange.safetensors"
    save_file({"encoder.weight": torch.zeros(3)}, strange)
    (tmp_path / "broken.safetensors").write_bytes(b"not tensors")
    for place, told in (
        (strange, "nothing in .*strange.* fits this model .encoder.weight .this model has none"),
        (tmp_path / "broken.safetensors", "cannot be read as safetensors"),
        (tmp_path / "gone", "is not there"),
        (tmp_path, "holds no checkpoint"),
    ):
        config = changed(tiny_run(shards), init_from=str(place))
        with pytest.raises(UserError, match=told):
            begun(config, tmp_path / f"run-{place.name}")
        with pytest.raises(UserError, match=told):
            rehearse(config, tmp_path / "nowhere")
    with pytest.raises(UserError, match="fits this model"):
        train(changed(tiny_run(shards), init_from=str(strange)), tmp_path / "again")
    train(tiny_run(shards, steps=2), tmp_path / "again")  # nothing stands in the way


def test_a_rehearsal_says_what_fits_and_writes_nothing(shards: Path, trained: Path, tmp_path: Path) -> None:
    config = changed(shaped(tiny_run(shards), synthesis_depth=2), init_from=str(trained))
    out = "\n".join(rehearse(config, tmp_path / "run"))
    assert f"training begins with the weights of {trained}" in out and "synthesis.blocks.1" in out
    assert not (tmp_path / "run").exists()


def test_many_names_are_counted() -> None:
    told = describe_reasons({f"layer{i}.weight": "" for i in range(MOST_NAMES + 3)})
    assert told.endswith(f"layer{MOST_NAMES - 1}.weight and 3 more")


def test_a_resumed_run_keeps_its_own_weights_and_does_not_ask_for_the_first_ones(
    shards: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "first.safetensors"
    save_file(load_file(trained / "checkpoints" / "00000002" / "ema.safetensors"), first)
    data = dataclasses.replace(tiny_run(shards).data, tokenizer=str(trained / "tokenizer.model"))
    config = dataclasses.replace(changed(tiny_run(shards, steps=4), init_from=str(first)), data=data)
    train(changed(config, steps=2), tmp_path / "parts")
    first.unlink()
    capsys.readouterr()
    train(changed(config, steps=4), tmp_path / "parts", resume=True)
    assert "begins with" not in capsys.readouterr().out
    assert (tmp_path / "parts" / "checkpoints" / "00000004").is_dir()


def test_a_run_that_was_stopped_before_its_first_checkpoint_begins_with_them_again(
    shards: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = changed(tiny_run(shards, steps=2), init_from=str(trained))
    train(config, tmp_path / "whole")
    prepare_run(config, tmp_path / "killed", resume=False)
    capsys.readouterr()
    train(load_config(tmp_path / "killed" / "config.yaml"), tmp_path / "killed", resume=True)
    assert "begins with the weights" in capsys.readouterr().out
    whole, again = weights(tmp_path / "whole", 2), weights(tmp_path / "killed", 2)
    assert {name for name in whole if not torch.equal(whole[name], again[name])} == set()


def test_the_model_of_a_rehearsal_has_the_tokenizers_pieces(shards: Path, trained: Path, tmp_path: Path) -> None:
    """The vocabulary that is asked for is larger than what the captions support."""
    config = changed(tiny_run(shards), init_from=str(trained))
    pieces = load_file(trained / "checkpoints" / "00000002" / "ema.safetensors")[PIECES]
    assert len(pieces) != config.model.text.vocab
    model = torch.nn.Module()
    model.text_tower = torch.nn.Module()
    model.text_tower.embedding = torch.nn.Embedding(*pieces.shape)
    begin_with(model, config, tmp_path)
    assert torch.equal(model.text_tower.embedding.weight, pieces)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_another_width_is_told_by_the_shapes(shards: Path, trained: Path, tmp_path: Path) -> None:
    _, said = begun(changed(shaped(tiny_run(shards), width=64), init_from=str(trained)), tmp_path / "run")
    assert (
        "perception.squeeze.weight" not in said[1]
        and "conditions.offsets (3 x 1 x 6 x 32 there, 3 x 1 x 6 x 64 here)" in said[1]
    )


def test_only_the_named_parts_learn(shards: Path, trained: Path, tmp_path: Path) -> None:
    config = changed(tiny_run(shards, steps=3), init_from=str(trained), only=("decoder",))
    train(config, tmp_path / "run")
    # The averaged weights are what the run began with and what is used.
    before, after = (load_ema(folder) for folder in (trained, tmp_path / "run"))
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"decoder"}


def test_no_part_stays_at_its_first_weights(shards: Path, trained: Path, tmp_path: Path) -> None:
    config = changed(tiny_run(shards), init_from=str(trained), only=("decoder",))
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, embed=config.model.embed * 2))
    with pytest.raises(UserError, match=r"is not in .* and --train.only decoder would leave it at its first value"):
        begun(config, tmp_path / "run")


def test_the_named_parts_are_those_of_the_model() -> None:
    from majolica.config.checks import PART_NAMES
    from majolica.models.majolica import Majolica
    from majolica.models.parts import parameters_by_part
    from tiny import TINY

    assert set(parameters_by_part(Majolica(TINY))) == set(PART_NAMES)
