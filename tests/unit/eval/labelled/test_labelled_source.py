"""Labelled pictures out of folders, tars and tables."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch

from levels import NAMES, class_of, flat
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.errors import UserError
from majolica.eval.labelled.class_list import list_classes
from majolica.eval.labelled.embed import map_batches
from majolica.eval.labelled.pictures import LabelledPictures, describe_skipped
from majolica.eval.labelled.source import open_labelled

CLASSES = list_classes(NAMES)


def check(pictures: LabelledPictures, count: int, batch: int = 5) -> None:
    """Every picture is read once, under the label that its level of grey says."""
    assert len(pictures) == count
    (seen_N,), reading = map_batches(pictures, lambda part: [class_of(part.images_B3HW)], batch)
    assert len(seen_N) == count
    assert [pictures.names[k] for k in reading.labels_N.tolist()] == [NAMES[k] for k in seen_N.tolist()]


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def test_folders_of_classes(class_folders: Path) -> None:
    (class_folders / "fox" / "deeper").mkdir()
    (class_folders / "fox" / "deeper" / "one.JPG").write_bytes(flat(4, "JPEG"))
    (class_folders / "fox" / "notes.txt").write_text("no picture")
    check(open_labelled(class_folders, CLASSES, 8), 29)
    own = open_labelled(class_folders, None, 8)
    assert own.names == tuple(sorted(NAMES)), "underscores stand for spaces"
    check(own, 29)


def test_folders_of_numbers_of_wordnet(tmp_path: Path) -> None:
    for k in range(3):
        folder = tmp_path / f"n0000000{k}"
        folder.mkdir()
        (folder / "x.JPEG").write_bytes(flat(k))
    classes = list_classes(NAMES[:3], [[f"n0000000{k}"] for k in range(3)])
    check(open_labelled(tmp_path, classes, 8), 3)


def test_a_folder_in_other_case_is_the_class_and_a_strange_one_is_told(class_folders: Path) -> None:
    os.rename(class_folders / "fox", class_folders / "FOX")
    check(open_labelled(class_folders, CLASSES, 8), 28)
    os.rename(class_folders / "owl", class_folders / "owls")
    with pytest.raises(UserError, match="pictures: the label 'owls' is not among the 7 classes: the nearest are 'owl'"):
        open_labelled(class_folders, CLASSES, 8)


def test_empty_and_missing_sources_are_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "a.png").write_bytes(flat(0))
    for name, told in (
        ("empty", "there are no pictures in"),
        ("loose", "1 picture in .*loose lie in no folder of a class, such as a.png"),
        ("none", "there is no"),
        ("loose/a.png", "neither a folder nor a table"),
    ):
        with pytest.raises(UserError, match=told):
            open_labelled(tmp_path / name, CLASSES, 8)


def test_broken_pictures_are_left_out_and_named(class_folders: Path) -> None:
    (class_folders / "fox" / "0.png").write_bytes(b"no picture")
    (class_folders / "owl" / "1.png").write_bytes(flat(5)[:48])
    os.remove(class_folders / "owl" / "2.png")
    os.mkfifo(class_folders / "owl" / "2.png")
    pictures = open_labelled(class_folders, CLASSES, 8)
    (seen_N,), reading = map_batches(pictures, lambda part: [class_of(part.images_B3HW)], 3)
    assert len(seen_N) == 25
    assert [each.id for each in reading.skipped] == ["fox/0.png", "owl/1.png", "owl/2.png"]
    assert describe_skipped(reading.skipped).startswith("3 pictures are left out: fox/0.png (picture cannot be decoded")
    for path in class_folders.rglob("?.png"):
        path.unlink()
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"no picture in .* can be read: 28 pictures are left out: .*; and 25 more"):
        list(open_labelled(class_folders, CLASSES, 8).read())


def test_our_own_shards_with_names_in_their_metadata(tmp_path: Path) -> None:
    records = [Record(flat(k), "png", f"number {k}", {"names": [NAMES[k]], "label": 6 - k}) for k in range(7)]
    records.append(Record(flat(0), "png", "two things", {"names": ["fox", "owl"]}))
    write_shards(tmp_path / "shards", records, per_shard=3)
    pictures = open_labelled(tmp_path / "shards", None, 8)
    check(pictures, 7)
    assert [each.reason for each in pictures.skipped] == ["it has 2 labels, and one is needed"]


def test_webdataset_with_numbers_in_cls_and_no_captions(tmp_path: Path) -> None:
    for shard in range(2):
        members = {}
        for k in range(7):
            members[f"./a/{k}.jpg"] = flat(k, "JPEG", mark=shard)
            members[f"./a/{k}.cls"] = f"{k}\n".encode()
        write_tar(tmp_path / "w" / f"{shard}.tar", {**members, "lost.jpg": flat(0)})
    pictures = open_labelled(tmp_path / "w", CLASSES, 8)
    check(pictures, 14)
    assert [(each.id, each.reason) for each in pictures.skipped] == [
        ("0.tar/lost", "it has no label"),
        ("1.tar/lost", "it has no label"),
    ]
    with pytest.raises(UserError, match=r"the labels in .* are numbers: give a class list"):
        open_labelled(tmp_path / "w", None, 8)
    with pytest.raises(UserError, match="the label 2 is no class: the class list has 2, numbered from 0 to 1"):
        open_labelled(tmp_path / "w", list_classes(["fox", "owl"]), 8)


def test_a_cut_tar_gives_what_is_whole(tmp_path: Path) -> None:
    write_tar(tmp_path / "w" / "0.tar", {f"{k}.{end}": data for k in range(4) for end, data in
                                         (("png", flat(k)), ("cls", NAMES[k].encode()))})  # fmt: skip
    path = tmp_path / "w" / "0.tar"
    path.write_bytes(path.read_bytes()[:3700])
    pictures = open_labelled(tmp_path / "w", CLASSES, 8)
    assert 0 < len(pictures) < 4
    assert "the rest of the tar is left out" in pictures.skipped[0].reason


def test_tars_whose_labels_cannot_be_used(tmp_path: Path) -> None:
    write_tar(tmp_path / "w" / "0.tar", {"a.png": flat(0), "a.json": b'{"label": null}', "b.png": flat(0)})
    with pytest.raises(UserError, match=r"no picture in .* has a label that can be used \(0.tar/a: it has no label\)"):
        open_labelled(tmp_path / "w", CLASSES, 8)
    write_tar(tmp_path / "w" / "0.tar", {"a.png": flat(0), "a.cls": "Käfer".encode("latin-1")})
    with pytest.raises(UserError, match="its label is not UTF-8 text"):
        open_labelled(tmp_path / "w", CLASSES, 8)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_tables_of_paths(class_folders: Path, kind: str) -> None:
    rows = [{"path": f"{name.replace(' ', '_')}/{i}.png", "label": name.upper()} for name in NAMES for i in range(4)]
    table = class_folders / f"table.{kind}"
    with table.open("w", newline="") as file:
        if kind == "csv":
            writer = csv.DictWriter(file, ["path", "label"])
            writer.writeheader()
            writer.writerows([*rows, {"path": "fox/0.png", "label": ""}])
        else:
            file.writelines(json.dumps(row) + "\n" for row in [*rows, {"path": "fox/0.png"}])
    pictures = open_labelled(table, CLASSES, 8)
    check(pictures, 28)
    assert [each.reason for each in pictures.skipped] == ["it has no label"]


def parquet(path: Path, rows: dict[str, list[Any]], names: tuple[str, ...] = (), group: int = 4) -> Path:
    pyarrow, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(rows)
    if names:
        features = {"label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(exist_ok=True)
    writer.write_table(table, path, row_group_size=group)
    return path


def test_parquet_of_the_hugging_face_hub(tmp_path: Path) -> None:
    for shard in range(2):
        ks = [(3 * i + shard) % 7 for i in range(11)]
        images = [{"bytes": flat(k, mark=i), "path": None} for i, k in enumerate(ks)]
        parquet(tmp_path / "hub" / f"{shard}.parquet", {"image": images, "label": ks}, NAMES)
    pictures = open_labelled(tmp_path / "hub", None, 8)
    assert pictures.names == NAMES
    check(pictures, 22)
    for part in (pictures.part([0, 3, 4, 12, 21]), pictures.part([21]), pictures.part([4, 9]).part([1])):
        check(part, len(part), batch=2)


def test_parquet_of_bytes_or_paths_with_gaps_in_the_labels(class_folders: Path) -> None:
    ks = [k for k in range(7) for _ in range(4)]
    labels = [None if i % 5 == 0 else NAMES[k] for i, k in enumerate(ks)]
    paths = [f"{NAMES[k].replace(' ', '_')}/{i % 4}.png" for i, k in enumerate(ks)]
    many = parquet(class_folders / "paths.parquet", {"path": paths, "label": labels}, group=100)
    check(open_labelled(many, CLASSES, 8), 22)
    raw = parquet(class_folders / "bytes.parquet", {"jpg": [flat(k) for k in ks], "cls": labels})
    check(open_labelled(raw, CLASSES, 8), 22)
    with pytest.raises(UserError, match="has no column of pictures"):
        open_labelled(parquet(class_folders / "x.parquet", {"label": ["fox"]}), CLASSES, 8)
    (class_folders / "y.parquet").write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"cannot read .*y.parquet"):
        open_labelled(class_folders / "y.parquet", CLASSES, 8)


def test_the_hash_is_of_ids_labels_and_bytes_and_not_of_batches(class_folders: Path) -> None:
    def read(batch: int) -> str:
        return map_batches(open_labelled(class_folders, CLASSES, 8), lambda part: [torch.zeros(1)], batch)[1].sha256

    first = read(3)
    assert read(64) == first
    (class_folders / "fox" / "0.png").write_bytes(flat(4, mark=9))
    changed = read(3)
    assert changed != first
    (class_folders / "fox" / "0.png").write_bytes(flat(4, mark=0))
    assert read(3) == first
    os.rename(class_folders / "fox" / "0.png", class_folders / "owl" / "9.png")
    assert read(3) not in (first, changed)


def test_pictures_are_fitted_as_asked(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "fox").mkdir()
    Image.new("RGB", (8, 4), "black").save(tmp_path / "fox" / "wide.png")
    padded = next(open_labelled(tmp_path, None, 8, "pad").read()).images_B3HW
    assert padded.shape == (1, 3, 8, 8) and padded[0, 0, :, 0].tolist() == [255, 255, 0, 0, 0, 0, 255, 255]
    assert int(next(open_labelled(tmp_path, None, 8, "crop").read()).images_B3HW.max()) == 0
