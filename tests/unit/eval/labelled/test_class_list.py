"""Class lists in all their forms, and what is wrong with some."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from majolica.errors import UserError
from majolica.eval.labelled.class_list import list_classes, read_class_list


def write(tmp_path: Path, text: str, name: str = "classes.txt") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_line_is_a_name_and_its_commas_belong_to_it(tmp_path: Path) -> None:
    file = write(tmp_path, "\ufefftench, Tinca tinca\n\n  goldfish \r\nSt. Bernard\n")
    assert read_class_list(file).names == ("tench, Tinca tinca", "goldfish", "St. Bernard")
    assert read_class_list(file, first_synonym=True).names == ("tench", "goldfish", "St. Bernard")


@pytest.mark.parametrize("between", ["\t", " "])
def test_two_columns_are_key_and_name(tmp_path: Path, between: str) -> None:
    classes = read_class_list(write(tmp_path, f"n01443537{between}goldfish\nn01440764{between}great white shark\n"))
    assert classes.names == ("goldfish", "great white shark")
    assert classes.find("n01440764") == classes.find("great white shark") == 1


def test_json_lists_and_mappings(tmp_path: Path) -> None:
    assert read_class_list(write(tmp_path, '["owl", "fox"]', "a.json")).names == ("owl", "fox")
    mapping = read_class_list(write(tmp_path, '{"n2": "owl", "n1": "fox"}', "b.json"))
    assert mapping.names == ("owl", "fox") and mapping.find("n1") == 1
    keras = {"1": ["n1", "fox"], "0": ["n2", "owl"], "2": ["n3", "crane"]}
    numbered = read_class_list(write(tmp_path, json.dumps(keras), "c.json"))
    assert numbered.names == ("owl", "fox", "crane") and numbered.find("n1") == numbered.find(1) == 1


def test_a_label_matches_in_any_case_and_spelling_that_the_tokenizer_reads_alike() -> None:
    classes = list_classes(["Red Apple", "İstanbul", "café", "3"])
    assert [classes.find(label) for label in ("red apple", "RED_APPLE", "red  apple")] == [0, 0, 0]
    assert classes.find("istanbul") == 1
    assert classes.find("CAFE\u0301") == 2
    assert classes.find("3") == 3, "a name goes before a number"
    assert classes.find("1") == classes.find(1) == 1


def test_an_unknown_label_names_the_nearest() -> None:
    classes = list_classes(["great white shark", "tiger shark", "goldfish"])
    with pytest.raises(UserError, match="'tiger sharks' is not among the 3 classes: the nearest are 'tiger shark'"):
        classes.find("tiger sharks")
    with pytest.raises(UserError, match=r"it begins with 'great white shark', .*or give the names of folders"):
        classes.find("n01440764")
    for label in (3, "3", -1):
        with pytest.raises(UserError, match="numbered from 0 to 2"):
            classes.find(label)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.txt", "crane\nfox\n\nCrane\n", r"a.txt: .*name 'Crane' twice, in line 1 and in line 4: .* maillot"),
        ("a.txt", "n1\tfox\nn1\towl\n", "key 'n1' twice, in line 1 and in line 2"),
        ("a.txt", "n1\tfox\nowl\n", "line 2 has 1 column"),
        ("a.txt", "fox\nn1\towl\n", "line 2 has 2 column"),
        ("a.txt", "n1\t\nn2\towl\n", "line 1 has 1: give all lines key"),
        ("a.txt", " \n", "class list is empty"),
        ("a.txt", "\u200b\nfox", "line 1 of the class list is an empty name"),
        ("a.json", '{"n1": "fox", "n1": "owl"}', "key 'n1' twice"),
        ("a.json", '{"n1": "fox", "n2": "FOX"}', "name 'FOX' twice, in key 'n1' and in key 'n2'"),
        ("a.json", "[1, 2]", "entry 1 is no name"),
        ("a.json", "3", "a list of names, or a mapping"),
        ("a.json", "{", "it is no JSON"),
    ],
)
def test_a_list_that_cannot_be_used(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_class_list(write(tmp_path, text, name))


def test_other_encodings_and_missing_files_are_said(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("Käfer\nFuchs\n".encode("latin-1"))
    (tmp_path / "wide.txt").write_bytes("fox\nowl\n".encode("utf-16"))
    for name in ("latin.txt", "wide.txt"):
        with pytest.raises(UserError, match=f"{name}: it is not UTF-8 text"):
            read_class_list(tmp_path / name)
    with pytest.raises(UserError, match="No such file"):
        read_class_list(tmp_path / "none.txt")


def test_the_hash_depends_on_names_their_order_and_keys() -> None:
    lists = [
        list_classes(["fox", "owl"]),
        list_classes(["owl", "fox"]),
        list_classes(["fox", "owl"], [["n1"], ["n2"]]),
        list_classes(["Fox", "owl"]),
    ]
    assert len({each.hash for each in lists}) == 4
    assert list_classes(["fox", "owl"]).hash == lists[0].hash
