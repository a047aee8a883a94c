"""Teaching a trained run to follow a reference: its own weights and pictures stay as they are, and references count."""

import dataclasses
import json
from contextlib import closing
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from majolica import cli
from majolica.adapters.reference_card import ReferenceCard
from majolica.adapters.store import read_card
from majolica.launch.start import train
from majolica.models.conditions import Reference
from majolica.run.weights import digest, load_averaged
from majolica.sampling.pipeline import Pipeline
from majolica.train import lesson
from majolica.train.extend_reference import ReferenceLesson, ReferenceRequest
from majolica.train.lesson import LessonPlan, open_frozen, open_loader, predict_clean
from tiny import tiny_run

TEACH = ["--reference", "--batch", "4"]


@pytest.fixture(scope="module")
def trained(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run."""
    config, run = tiny_run(shards, steps=2), tmp_path_factory.mktemp("trained") / "run"
    train(dataclasses.replace(config, train=dataclasses.replace(config.train, trackers=())), run)
    return contents(run)


@pytest.fixture
def run(trained: dict[str, bytes], tmp_path: Path) -> Path:
    for name, content in trained.items():
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "run"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.effect_noise((40, 30), 90).convert("RGB").save(tmp_path / "mine.png")
    return tmp_path / "mine.png"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_is_taught_and_nothing_else_changes(run: Path, picture: Path) -> None:
    before, plain = contents(run), Pipeline.load(run).paint("a fox", steps=2)
    assert cli.main(["extend", str(run), *TEACH, "--steps", "9", "--lr", "0.1"]) == 0
    assert cli.main(["extend", str(run), "--property", "hue", "--steps", "9", "--batch", "4", "--lr", "0.1"]) == 0
    after = contents(run)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"adapters/reference.safetensors", "adapters/hue.safetensors"}
    pipeline = Pipeline.load(run)
    assert torch.equal(plain, pipeline.paint("a fox", steps=2))
    shown = pipeline.paint("a fox", steps=2, reference=picture)
    other = pipeline.paint("a fox", steps=2, reference=Image.new("RGB", (8, 8), "red"))
    both = pipeline.paint("a fox", steps=2, properties={"hue": 120.0}, project=False, reference=picture)
    pictures = [plain, shown, other, both]
    assert not any(torch.equal(one, two) for i, one in enumerate(pictures) for two in pictures[:i])
    alone = Pipeline.load(run, adapters=[run / "adapters" / "reference.safetensors"])
    assert torch.equal(shown, alone.paint("a fox", steps=2, reference=picture))


def test_the_card_and_the_picture_say_what_they_are(
    run: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "elsewhere.safetensors"
    assert cli.main(["extend", str(run), *TEACH, "--steps", "2", "--out", str(path)]) == 0
    card = read_card(path)
    assert isinstance(card, ReferenceCard)
    assert (card.kind, card.base, card.steps, card.rows) == ("reference", load_averaged(run).sha256, 2, 8)
    buffers = ("middle", "scale")
    assert card.parameters == sum(x.numel() for name, x in load_file(path).items() if name not in buffers)
    told = capsys.readouterr()
    assert f"{card.parameters:,} parameters" in told.err and f"--adapter {path} --reference PICTURE" in told.out
    words = ["generate", "a fox", "--run", str(run), "--steps", "1", "--out", str(tmp_path / "x.png")]
    assert cli.main([*words, "--adapter", str(path), "--reference", str(picture)]) == 0
    with Image.open(tmp_path / "x.png") as painted:
        found = json.loads(painted.info["majolica"])
    assert found["reference"] == {"file": "mine.png", "sha256": digest(picture)}


def test_only_the_adapter_learns_and_its_own_reference_helps(run: Path) -> None:
    """After some steps the loss of rows is less with their own references than with those of other rows."""
    request = ReferenceRequest(run, drop_text=1.0, plan=LessonPlan(steps=60, batch=16, lr=0.01))
    pipeline, config = open_frozen(run, "")
    before = {name: value.clone() for name, value in pipeline.model.state_dict().items()}
    own = ReferenceLesson(pipeline, config, request)
    first = {name: value.clone() for name, value in own.adapter.named_parameters()}
    loader = open_loader(config, pipeline.model, request.plan)
    lesson.learn(own.adapter, pipeline.model, own.loss, loader, request.plan, lambda done, total: None)
    assert all(torch.equal(value, before[name]) for name, value in pipeline.model.state_dict().items())
    assert all(value.grad is None for value in pipeline.model.parameters())
    assert not any(torch.equal(value, first[name]) for name, value in own.adapter.named_parameters())
    with closing(open_loader(config, pipeline.model, LessonPlan(batch=48, seed=7))) as loader:
        rows, condition = own.prepare(next(loader))
    assert condition.reference is not None and bool(condition.reference.present_B.all())

    @torch.no_grad()
    def loss(features_BF: Tensor) -> float:
        shown = dataclasses.replace(condition, reference=Reference(features_BF, condition.reference.present_B))
        return lesson.flow_loss(predict_clean(pipeline.model, rows, shown, "fp32"), rows, config.loss).item()

    features_BF = condition.reference.features_BF
    assert loss(features_BF) < min(loss(features_BF.roll(shift, 0)) for shift in range(1, 5))


def test_captions_and_properties_are_dropped_as_asked(run: Path) -> None:
    pipeline, config = open_frozen(run, "")
    kept, dropped = (
        ReferenceLesson(
            pipeline, config, ReferenceRequest(run, drop_text=share, drop_properties=share, plan=LessonPlan(batch=64))
        )
        for share in (0.0, 1.0)
    )
    with closing(open_loader(config, pipeline.model, LessonPlan(batch=64))) as loader:
        batch = next(loader)
    (_, all_told), (_, nothing_told) = kept.prepare(batch), dropped.prepare(batch)
    assert all_told.has_text_B.all()
    as_in_training = pytest.approx(1 - config.loss.drop_property, abs=0.12)
    assert all_told.has_value_BP.float().mean().item() == as_in_training
    assert not nothing_told.has_text_B.any() and not nothing_told.has_value_BP.any()


def test_a_run_that_was_trained_on_is_another_base(
    run: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["extend", str(run), *TEACH, "--steps", "1"]) == 0
    old = load_averaged(run).sha256
    assert cli.main(["train", "--resume", str(run), "--train.steps", "4"]) == 0
    capsys.readouterr()
    words = ["generate", "a fox", "--run", str(run), "--steps", "1", "--out", str(run.parent / "x.png")]
    assert cli.main(words) == 0
    assert "reference.safetensors is left out, because it was taught to other weights" in capsys.readouterr().err
    assert cli.main([*words, "--reference", str(picture)]) == 2
    assert "teach it with `majolica extend RUN --reference`" in capsys.readouterr().err
    path = run / "adapters" / "reference.safetensors"
    assert cli.main([*words, "--adapter", str(path), "--reference", str(picture)]) == 2
    said = capsys.readouterr().err
    assert old in said and load_averaged(run).sha256 in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "or with a file.py; or --reference"),
        (["--reference", "--property", "hue"], "--reference and --property hue are two things to teach"),
        (["--property", "reference.py"], "a property cannot be called reference"),
        (["--reference", "--batch", "0"], "--batch is 0: give a number above 0"),
        (["--reference", "--data", "nowhere", "--steps", "1"], "nowhere"),
        ([*TEACH, "--steps", "3", "--lr", "1e30"], "the adapter diverged: lower --lr"),
    ],
)
def test_what_cannot_be_taught_is_one_line(
    run: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert cli.main(["extend", str(run), *words]) == 2
    said = capsys.readouterr().err.splitlines()
    assert message in said[-1] and not [line for line in said[:-1] if not line.startswith("teaching")]
    assert not (run / "adapters").exists()


def test_a_picture_that_is_none_is_one_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["extend", str(run), *TEACH, "--steps", "1"]) == 0
    (tmp_path / "broken.png").write_bytes(b"no picture")
    words = ["generate", "a fox", "--run", str(run), "--steps", "1", "--out", str(tmp_path / "x.png")]
    capsys.readouterr()
    assert cli.main([*words, "--reference", str(tmp_path / "broken.png")]) == 2
    said = capsys.readouterr().err
    assert f"cannot read the picture {tmp_path / 'broken.png'}" in said and said.count("\n") == 1
    assert not (tmp_path / "x.png").exists()
