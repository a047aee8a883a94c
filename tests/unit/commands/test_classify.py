"""`majolica classify`, on a fake pipeline: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fake_pipeline import FakePipeline
from majolica import cli

pytestmark = pytest.mark.usefixtures("fake_pipeline")


def test_classify_prints_the_best_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["classify", "red.png", "clear.png", "--labels", "cat", "red apple", "dog", "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["red.png", "   50.0%  dog", "   33.3%  red apple", "clear.png", *lines[1:3]]


def test_classify_a_folder_by_a_file_of_labels_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With one picture that is none: the others are named, and the exit code tells."""
    Path("in/deep").mkdir(parents=True)
    for name in ("in/b.png", "in/deep/a.JPG", "in/deep/notes.txt"):
        Path(name).write_bytes(Path("red.png").read_bytes())
    Path("in/c.png").write_text("no picture")
    Path("labels.txt").write_text("\ufeffcat\n\n  red apple \ndog\n", encoding="utf-8")
    assert cli.main(["classify", "in", "clear.png", "--labels-file", "labels.txt", "--labels", "owl", "--json"]) == 2
    told = capsys.readouterr()
    rows = {row["picture"]: row for row in map(json.loads, told.out.splitlines())}
    assert list(rows["in/b.png"]["probabilities"].items()) == [
        ("dog", 0.4),
        ("red apple", 0.3),
        ("cat", 0.2),
        ("owl", 0.1),
    ]
    assert rows["in/b.png"]["best"] == rows["in/deep/a.JPG"]["best"] == rows["clear.png"]["best"] == "dog"
    assert "cannot read the picture in/c.png: not a picture that can be read" in rows["in/c.png"]["error"]
    assert len(rows) == 4
    assert "majolica: cannot read the picture in/c.png" in told.err
    assert told.err.endswith("majolica: 1 of 4 pictures could not be read, as said above\n")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "n01440764\ttench\nn02084071\tdog\n"),
        ("classes.json", '{"0": ["n01440764", "tench"], "1": ["n02084071", "dog"]}'),
    ],
)
def test_a_file_of_labels_is_the_class_list_that_eval_reads(
    file: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(file).write_text(text)
    assert cli.main(["classify", "red.png", "--labels-file", file, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["probabilities"]) == {"tench", "dog"}


def test_a_single_picture_that_cannot_be_read_has_its_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.png").write_bytes(b"")
    assert cli.main(["classify", "c.png", "--labels", "cat", "dog", "red apple", "owl", "--json"]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["picture"] == "c.png" and "c.png" in json.loads(told.out)["error"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--labels", "a", "b"], "nothing to classify"),
        (["red.png"], "nothing to choose from"),
        (["red.png", "--labels", "a"], "'a' is the only label"),
        (["red.png", "--labels", "a", "b", "a"], "the label 'a' is given twice: each may be given once"),
        (["red.png", "--labels", "a", "--labels-file", "a.txt"], "the label 'A' is given twice"),
        (["red.png", "--labels", "fox", "a fox"], "the label 'a fox' is given twice, once as 'fox': each may be"),
        (["red.png", "--labels-file", "blank.txt"], "blank.txt: the class list is empty: give one class a line"),
        (["red.png", "--labels", "a", " "], "the label is empty"),
        (["red.png", "--labels", "a", "b", "--top", "0"], "--top is 0: at least 1"),
        (["red.png", "--labels", "a", "b", "--top", "-1"], "--top is -1: at least 1"),
        (["red.png", "--labels-file", "none.txt"], "cannot read the class list none.txt: No such file"),
        (["red.png", "--labels-file", "latin.txt"], "cannot read the class list latin.txt: it is not UTF-8"),
        (["red.png", "--labels-file", "empty"], "cannot read the class list empty: Is a directory"),
        (["empty", "--labels", "a", "b"], "there are no pictures in the folder empty"),
        (["none.png", "--labels", "a", "b"], "cannot read the picture none.png"),
    ],
)
def test_classify_refuses(capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    Path("latin.txt").write_bytes("Käfer\nFuchs".encode("latin-1"))
    Path("a.txt").write_text("A\n")
    Path("blank.txt").write_text("\n \n")
    Path("empty").mkdir()
    assert cli.main(["classify", *words]) == 2
    captured = capsys.readouterr()
    assert told in captured.err and captured.err.count("\n") == 1
    assert captured.out == ""


def test_templates_of_a_file_and_of_clip(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["classify", "red.png", "--labels", "a", "b", "--templates-file"]
    Path("templates.txt").write_text("see {}\nthe {label}\n")
    assert cli.main([*words, "templates.txt"]) == 0
    assert FakePipeline.templates == ("see {}", "the {label}")
    assert cli.main([*words, "imagenet"]) == 0
    assert FakePipeline.templates is not None and len(FakePipeline.templates) == 80
    assert cli.main(words[:-1]) == 0
    assert FakePipeline.templates is None
    Path("templates.txt").write_text("see {}\nsee a {}\n")
    capsys.readouterr()
    assert cli.main([*words, "templates.txt"]) == 2
    told = capsys.readouterr().err
    assert "templates.txt, line 2: the template 'see a {}' would say 'a a fox'" in told and told.count("\n") == 1


def test_more_labels_may_be_asked_for_than_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["classify", "red.png", "--labels", "a", "b", "--top", "99"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
