"""COCO's annotations: what is read, and every way in which they can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from majolica.errors import UserError
from majolica.eval.coco.annotations import CocoCaption, CocoPicture, check_files, read_coco

Annotate = Callable[[Path, Callable[[Any], object]], Path]
FILE = "annotations/captions_val2014.json"


def test_pictures_and_captions_are_read(coco: Path) -> None:
    found = read_coco(coco)
    assert found.pictures[1] == CocoPicture(101, "COCO_val2014_000000000101.jpg")
    assert found.captions[3] == CocoCaption(1003, 101, "picture 1, said 1")
    assert (len(found.pictures), len(found.captions), found.empty) == (12, 24, 0)
    assert not found.is_official
    check_files(found)


def test_captions_without_words_are_counted_and_left_out(coco: Path, annotate: Annotate) -> None:
    def edit(known: Any) -> None:
        known["annotations"][0]["caption"] = " \n"
        known["annotations"][1]["caption"] = "  Ein Käfer, 한국어 \n"

    annotate(coco, edit)
    found = read_coco(coco)
    assert (len(found.captions), found.empty) == (23, 1)
    assert found.captions[0].text == "Ein Käfer, 한국어"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le"])
def test_other_unicode_encodings_are_read(coco: Path, encoding: str) -> None:
    text = (coco / FILE).read_text().replace("picture 0", "Käfer 0")
    (coco / FILE).write_bytes(text.encode(encoding))
    assert read_coco(coco).captions[0].text == "Käfer 0, said 0"


def test_latin_1_is_refused(coco: Path) -> None:
    text = (coco / FILE).read_text().replace("picture 0", "Käfer 0")
    (coco / FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="is not UTF-8"):
        read_coco(coco)


def test_a_missing_layout_is_explained(coco: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no folder .*nowhere; COCO should lie as .*cocodataset\.org"):
        read_coco(tmp_path / "nowhere")
    with pytest.raises(UserError, match=f"give the folder above, {coco}$"):
        read_coco(coco / "val2014")
    (coco / "annotations_trainval2017.zip").touch()
    with pytest.raises(UserError, match=r"unpack annotations_trainval2017\.zip in"):
        read_coco(coco, "val2017")
    with pytest.raises(UserError, match="unknown COCO split 'val2015': did you mean 'val201"):
        read_coco(coco, "val2015")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "is an archive and not JSON: unpack it"),
        (b"", "ends in the middle, after 0 bytes"),
        (b'{"images": [{"id": 1, "file_na', "ends in the middle, after 30 bytes"),
        (b'{"images": [}', "is not JSON"),
        (b"[1, 2]", "is not JSON|no JSON object"),
        (b'{"images": []}', "no list of images"),
        (b'{"images": [{"id": 1, "file_name": "a.jpg"}]}', "no list of annotations"),
        (b'{"images": [{"id": 1, "file_name": "../a.jpg"}], "annotations": [{}]}', "without a number and a plain file"),
        (b'{"images": [{"id": "1", "file_name": "a"}], "annotations": [{}]}', "without a number and a plain file name"),
        (b'{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"id": 1}]}', "without id and image_id"),
        (
            b'{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"id": 1, "image_id": 1, "bbox": []}]}',
            "annotation 1 of .* has no caption: instances_",
        ),
        (
            b'{"images": [{"id": 1, "file_name": "a"}],'
            b' "annotations": [{"id": 1, "image_id": 1, "caption": "\\ud83d"}]}',
            "caption 1 of .* holds half a character",
        ),
    ],
)
def test_files_that_are_no_annotations_are_refused(coco: Path, content: bytes, message: str) -> None:
    (coco / FILE).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_coco(coco)
    assert "\n" not in str(caught.value)


def test_a_number_that_is_there_twice_is_refused(coco: Path, annotate: Annotate) -> None:
    annotate(coco, lambda known: known["images"].append(dict(known["images"][4])))
    with pytest.raises(UserError, match=r"1 image id of .* is there twice \(104\)"):
        read_coco(coco)
    annotate(coco, lambda known: (known["images"].pop(), known["annotations"].extend(known["annotations"][:2])))
    with pytest.raises(UserError, match=r"2 caption ids of .* are there twice \(1000, 1001\)"):
        read_coco(coco)


def test_captions_of_unlisted_images_are_refused(coco: Path, annotate: Annotate) -> None:
    annotate(coco, lambda known: known["images"].pop(0))
    with pytest.raises(UserError, match=r"2 of 24 captions in .* does not list \(image ids 100\)"):
        read_coco(coco)


def test_missing_pictures_are_counted_and_the_first_are_named(coco: Path) -> None:
    for number in (110, 103, 107, 101, 102, 104):
        (coco / "val2014" / f"COCO_val2014_{number:012d}.jpg").unlink()
    found = read_coco(coco)
    names = ", ".join(f"COCO_val2014_{number:012d}.jpg" for number in (101, 102, 103, 104, 107))
    with pytest.raises(UserError, match=f"6 of 12 pictures are missing from .*\\({names}, ...\\)"):
        check_files(found)
    check_files(found, [found.pictures[0], found.pictures[5]])
    with pytest.raises(UserError, match="1 of 2 pictures are missing"):
        check_files(found, found.pictures[:2])


def test_a_missing_folder_of_pictures_is_explained(coco: Path) -> None:
    (coco / "val2014").rename(coco / "images")
    with pytest.raises(UserError, match=r"cannot list .*val2014: COCO should lie as"):
        check_files(read_coco(coco))


def test_the_hash_is_that_of_the_file(coco: Path, annotate: Annotate) -> None:
    before = read_coco(coco).sha256
    annotate(coco, lambda known: known["annotations"][0].update(caption="other"))
    assert read_coco(coco).sha256 != before
    assert json.loads((coco / FILE).read_text())["annotations"][0]["caption"] == "other"
