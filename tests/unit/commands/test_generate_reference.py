"""`majolica generate --reference`, on a fake pipeline: what it asks of it, and what the pictures say."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from fake_pipeline import FakePipeline
from majolica import cli

pytestmark = pytest.mark.usefixtures("fake_pipeline")


def settings(path: str) -> dict[str, object]:
    with Image.open(path) as picture:
        found = json.loads(picture.info["majolica"])
        assert isinstance(found, dict)
        return found


def described(path: str) -> dict[str, str]:
    return {"file": Path(path).name, "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest()}


def test_one_for_all_is_given_and_recorded() -> None:
    Path("sub").mkdir()
    Path("red.png").rename("sub/red.png")
    assert cli.main(["generate", "a", "b", "--reference", "sub/red.png", "--reference-guidance", "3"]) == 0
    asked = FakePipeline.asked[-1]
    assert (list(asked["reference"]), asked["reference_guidance"]) == ([Path("sub/red.png")], 3.0)
    for place in (1, 2):
        found = settings(f"painted-{place}.png")
        assert (found["reference"], found["reference_guidance"]) == (described("sub/red.png"), 3.0)


def test_one_for_each_prompt_is_for_all_its_variants() -> None:
    assert cli.main(["generate", "a", "b", "-n", "2", "--reference", "red.png", "--reference", "clear.png"]) == 0
    asked = FakePipeline.asked[-1]
    paths = ["red.png", "red.png", "clear.png", "clear.png"]
    assert (asked["reference"], asked["reference_guidance"]) == ([Path(path) for path in paths], None)
    assert [settings(f"painted-{i}.png")["reference"] for i in range(1, 5)] == [described(path) for path in paths]


def test_without_one_nothing_is_said_of_it() -> None:
    assert cli.main(["generate", "a"]) == 0
    assert FakePipeline.asked[-1]["reference"] is None and "reference" not in settings("painted.png")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a", "--reference", "nowhere.png"], "cannot read the reference nowhere.png: No such file or directory"),
        (["a", "--reference", "."], "cannot read the reference .: Is a directory"),
        (["a", "b", "c", "--reference", "red.png", "--reference", "red.png"], "there are 2 references for 3 prompts"),
    ],
)
def test_what_cannot_be_followed_is_one_line(capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    FakePipeline.asked = ()
    assert cli.main(["generate", *words]) == 2
    said = capsys.readouterr().err
    assert told in said and said.strip().count("\n") == 0
    assert FakePipeline.asked == ()
