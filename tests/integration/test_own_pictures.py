"""A run that was trained on a folder of anyone's captioned pictures is evaluated like any other."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from majolica import cli
from majolica.eval.records import read_records
from majolica.launch.start import train
from tiny import tiny_run

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (30, 40, 190), "white": (240, 240, 240)}
STEPS = ["--steps", "2", "--processes", "1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of squares with captions in .txt files, made into shards and trained on for a few steps."""
    home = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    for i in range(64):
        colour = list(COLOURS)[i % 4]
        pixels = rng.integers(90, 110, (24, 24, 3)).astype(np.uint8)
        pixels[6:18, 6:18] = COLOURS[colour]
        (home / "pictures").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(home / "pictures" / f"{i}.png")
        (home / "pictures" / f"{i}.txt").write_text(f"a {colour} square, number {i}")
    for part, rows in (("train", range(48)), ("heldout", range(48, 64))):
        table = "".join(
            json.dumps({"path": f"pictures/{i}.png", "caption": (home / "pictures" / f"{i}.txt").read_text()}) + "\n"
            for i in rows
        )
        (home / f"{part}.jsonl").write_text(table)
        assert cli.main(["data", "shard", str(home / f"{part}.jsonl"), "--out", str(home / "data" / part)]) == 0
    config = tiny_run(home / "data" / "train")
    train(dataclasses.replace(config, loss=dataclasses.replace(config.loss, fine_share=0.0)), home / "run")
    return home / "run"


def test_what_suits_any_captioned_pictures_is_measured(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eval", str(run), *STEPS, "--pictures", "8"]) == 0
    said = capsys.readouterr().err
    assert "zero-shot is left out: The data have no held-out pictures of which it is known what they show." in said
    metrics = json.loads((run / "metrics.json").read_text())
    for name in ("control_rho", "image_to_text_r1", "image_text_own", "fd_perception", "heldout_flow", "flow_gap"):
        assert name in metrics
    assert "fid" not in metrics
    page = (run / "report.html").read_text()
    assert "zero-shot" in page and "Retrieval" in page and "proxies, not FID" in page


def test_zero_shot_over_labels_that_the_captions_mention(run: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("red\ngreen\nBlue\nwhite\n")
    assert cli.main(["eval", str(run), "--suite", "zero-shot", "--labels-file", str(tmp_path / "labels.txt")]) == 0
    metrics = json.loads((run / "metrics-zero-shot.json").read_text())
    assert metrics["zero_shot_pictures"] == 16 and metrics["chance"] == 0.25


def test_zero_shot_of_a_folder_of_classes(run: Path, tmp_path: Path) -> None:
    for i, (colour, value) in enumerate(COLOURS.items()):
        (tmp_path / "classes" / colour).mkdir(parents=True)
        Image.new("RGB", (30, 20), value).save(tmp_path / "classes" / colour / f"{i}.jpg")
    (tmp_path / "templates.txt").write_text("{label}\na {label}\n")
    templates = ["--templates-file", str(tmp_path / "templates.txt")]
    options = ["--suite", "zero-shot,probe", "--data", str(tmp_path / "classes"), *templates]
    assert cli.main(["eval", str(run), *options]) == 2, "a probe needs two pictures of a class"
    options[1] = "zero-shot"
    assert cli.main(["eval", str(run), *options]) == 0
    record = read_records(run)[-1]
    assert record.protocol["pictures"] == 4 and record.protocol["templates"] == "templates.txt"
    written = json.loads((run / "clip_benchmark-classes.json").read_text())
    assert written["metrics"]["acc1"] == record.metrics["labelled_top1"]
    assert (written["task"], written["dataset"], written["model"]) == (
        "zeroshot_classification",
        "classes",
        "majolica-tiny",
    )


def test_checkpoints_are_a_drift_table(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step in (3, 6):
        assert cli.main(["eval", str(run / "checkpoints" / f"{step:08d}"), "--suite", "retrieval"]) == 0
    capsys.readouterr()
    assert cli.main(["runs", "compare", str(run), "--only", "retrieval"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["retrieval", "step", "3", "step", "6"]


def test_distances_to_other_pictures_do_not_compare(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = run.parent / "data" / "train"
    few = ["--suite", "distances", *STEPS, "--pictures", "8"]
    assert cli.main(["eval", str(run), *few]) == 0
    assert cli.main(["eval", str(run), *few, "--data", str(other)]) == 0
    newest, before = read_records(run)[-1], read_records(run)[-2]
    assert newest.protocol["data_sha256"] != before.protocol["data_sha256"]
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--suite", "zero-shoot"], "did you mean 'zero-shot'"),
        (["--suite", "probe"], "Labelled pictures are needed: name them with --data."),
        (["--suite", "coco"], "The folder of MS-COCO is needed"),
        (["--data", "nowhere"], "name these too, as in --suite zero-shot,probe"),
        (["--suite", "image-text", "--extractor", "ViT-B-32"], "The weights of open_clip's ViT-B-32 are needed"),
        (["--suite", "zero-shot", "--data", "nowhere"], "there is no nowhere"),
        (["--guidance", "0"], "guidance is 0: it must be above 0"),
        (["--suite", "distances", "--extractor", "inceptoin"], "did you mean 'inception'"),
        (["--suite", "distances", "--extractor", "inception", "--weights", "none.pth"], "none.pth is no file"),
        (["--suite", "zero-shot", "--templates-file", "none.txt"], "cannot read the templates in none.txt"),
        (["--suite", "guidance", "--data", "nowhere"], "guidance would not use the given data: zero-shot"),
        (["--suite", "retrieval,guidance", "--data", "nowhere"], "guidance would not look at nowhere"),
        (["--suite", "retrieval", "--first-synonym"], "retrieval would not use the given first synonyms: zero-shot"),
        (["--suite", "retrieval", "--resize", "pytorch-fid"], "would not use the given way of resizing: distances"),
        (["--suite", "zero-shot", "--weights", "x.pth"], "would not use the given weights of an extractor: image-text"),
        (["--suite", "early-sight", "--labels-file", "x.txt"], "name these too, with --data"),
    ],
)
def test_mistakes_are_one_line(run: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eval", str(run), *words]) == 2
    said = capsys.readouterr().err
    assert told in said and "Traceback" not in said
