"""A property in a file of the user's own, and what may be wrong with it."""

from pathlib import Path

import pytest
import torch

from majolica.errors import UserError
from majolica.properties.registry import choose_measured, find_property, is_smooth, known_properties, measure_property
from majolica.properties.user_file import load_property_file
from majolica.sampling.projection import project
from majolica.sampling.wish import Wish
from warmth import WARMTH, forget

__all__ = ["forget"]


def write(folder: Path, content: str, name: str = "warmth.py") -> Path:
    (folder / name).write_text(content)
    return folder / name


def test_a_measure_that_cannot_be_differentiated_is_one_all_the_same(tmp_path: Path) -> None:
    numpy = """
import torch
from majolica.properties.property import Property

PROPERTY = Property("largest value", 0.0, 1.0, lambda x: torch.from_numpy(x.numpy().max((1, 2, 3))))
"""
    name = load_property_file(write(tmp_path, numpy))
    assert not is_smooth(name) and choose_measured((name,)) == (name,)


def test_its_name_is_that_of_the_file(tmp_path: Path) -> None:
    assert load_property_file(write(tmp_path, WARMTH)) == "warmth"
    assert find_property("warmth").unit == "mean red less mean blue"
    assert measure_property("warmth", torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1)).item() == 0.75
    assert "warmth" not in known_properties()


def test_numbers_in_double_precision_are_followed_beside_others(tmp_path: Path) -> None:
    """Steps towards all properties are solved together, in one precision."""
    name = load_property_file(write(tmp_path, WARMTH.replace(".mean((1, 2)) -", ".mean((1, 2)).double() -")))
    asked = Wish((name, "brightness"), torch.tensor([[0.2, 0.5]]), (False, False), (False, False))
    moved = (project(torch.rand(1, 3, 16, 16) * 2 - 1, asked, 0.9) + 1) / 2
    assert find_property(name).measure(moved).item() == pytest.approx(0.2, abs=0.01)
    assert measure_property("brightness", moved).item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import nothing_of_this_name", r"cannot be run \(ModuleNotFoundError.*mend it"),
        ("def measure(:", r"cannot be run \(SyntaxError"),
        ("x = 1", "defines no PROPERTY"),
        ("import sys; sys.exit(3)", r"cannot be run \(SystemExit"),
        (WARMTH.replace("-1.0, 1.0", "'low', 0.5"), "give PROPERTY a unit"),
        (WARMTH.replace("-1.0, 1.0", "float('-inf'), 0.5"), "give PROPERTY a unit"),
        (WARMTH.replace("measure)", "measure, circular='x')"), "give PROPERTY a unit"),
        (WARMTH.replace("-1.0, 1.0", "0.5, 0.5"), "the range from 0.5 to 0.5 is empty"),
        (WARMTH.replace(".mean((1, 2))", ""), r"measure gives \(4, 32, 32\) for four pictures"),
        (WARMTH.replace("return images", "return no_such"), r"measure fails on four pictures of 32 px \(NameError"),
        (WARMTH.replace("return ", "return (").replace(", 2))\n\n", ", 2))).argmax()\n\n"), r"measure gives \(\) for"),
        (WARMTH.replace("return ", "return 1 or "), "measure gives int for four pictures"),
        (WARMTH.replace("return ", "return 1j * "), "measure gives numbers of the type complex64; it has to give flo"),
        (WARMTH.replace("return ", "return 0 > "), "measure gives numbers of the type bool; it has to give floating-"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        load_property_file(write(tmp_path, content))
    assert "warmth.py" in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [("hue.py", "is built in: rename"), ("my-hue.py", "cannot name a property"), ("warmth.txt", "cannot name")],
)
def test_names_that_cannot_be(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_property_file(write(tmp_path, WARMTH, name))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not there: name a Python file that defines PROPERTY$"):
        load_property_file(tmp_path / "warmth.py")
    with pytest.raises(UserError, match=r"^brightness is built in, and no file is needed for it: leave it out$"):
        load_property_file(Path("brightness"))


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"warmth is a folder: name the Python file that defines PROPERTY$"):
        (tmp_path / "warmth").mkdir()
        load_property_file(tmp_path / "warmth")
