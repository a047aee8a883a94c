"""The list of captions is the same for ever, and a shorter one is the beginning of a longer one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from majolica.errors import UserError
from majolica.eval.coco.annotations import Coco, CocoCaption, CocoPicture, read_coco
from majolica.eval.coco.plan import CocoPlan, plan_coco
from majolica.eval.coco.prompts import draw_prompts, hash_ids, read_ids, write_ids

FIRST = [9977, 4506, 9079, 5192, 5793, 7220, 8391, 7230]
HASH = "47bac5fe385d0014b09a5f455f507016cc9cdd07a9fd29dd60e277eb52e115fa"


def made_up(pictures: int = 2000, captions: int = 5, split: str = "val2014") -> Coco:
    """Return a COCO with the pictures 1, 2, ... and the captions 1, 2, ..., five of each picture."""
    listed = tuple(CocoPicture(i + 1, f"{i + 1}.jpg") for i in range(pictures))
    notes = tuple(CocoCaption(i + 1, i // captions + 1, f"caption {i + 1}") for i in range(pictures * captions))
    return Coco(Path("coco"), split, listed, notes, 0, "0" * 64)


def ids_of(coco: Coco, count: int, **options: object) -> list[int]:
    return [caption.id for caption in draw_prompts(coco, count, **options).captions]  # type: ignore[arg-type]


def test_the_list_never_changes() -> None:
    assert ids_of(made_up(), 8) == FIRST
    assert draw_prompts(made_up(), 1000).sha256 == HASH


def test_it_is_the_order_of_the_hashes() -> None:
    order = sorted(range(1, 10_001), key=lambda number: hashlib.sha256(f"0:{number}".encode()).hexdigest())
    assert ids_of(made_up(10_000, 1), 10_000) == order


def test_a_subset_is_a_prefix() -> None:
    whole = ids_of(made_up(), 2000)
    assert ids_of(made_up(), 500) == whole[:500]
    assert len({(number - 1) // 5 for number in whole}) == 2000
    assert ids_of(made_up(), 100, seed=1) != whole[:100]


def test_captions_that_are_left_out_do_not_move_the_others() -> None:
    whole = made_up(10_000, 1)
    fewer = Coco(whole.folder, whole.split, whole.pictures, whole.captions[1:], 1, whole.sha256)
    order = ids_of(whole, 10_000)
    assert ids_of(fewer, 9_999) == [number for number in order if number != 1]


def test_more_than_there_are_is_an_error() -> None:
    with pytest.raises(UserError, match="2,000 pictures with captions but 2,001 are asked for: give --subset 2000"):
        draw_prompts(made_up(), 2001)
    with pytest.raises(UserError, match="give one from 1 on"):
        draw_prompts(made_up(), 0)


def test_the_hash_can_be_checked_with_sha256sum() -> None:
    assert hash_ids([3, 14]) == hashlib.sha256(b"3\n14\n").hexdigest()


def test_a_written_list_is_read_back(tmp_path: Path) -> None:
    coco = made_up()
    prompts = draw_prompts(coco, 300, seed=4)
    path = write_ids(tmp_path, coco, prompts)
    assert path.name == "coco-ids-300.json"
    back = read_ids(path, coco)
    assert back == prompts  # how it was chosen as well, so that results of both can be compared
    assert read_ids(path, coco, 20).captions == prompts.captions[:20]
    assert write_ids(tmp_path, coco, prompts).read_bytes() == path.read_bytes()


def test_another_list_of_so_many_captions_replaces_none(tmp_path: Path) -> None:
    coco = made_up()
    first, second = (draw_prompts(coco, 300, seed=seed) for seed in (0, 1))
    paths = [write_ids(tmp_path, coco, prompts) for prompts in (first, second, second)]
    assert paths[1] == paths[2] == tmp_path / f"coco-ids-300-{second.sha256[:8]}.json"
    assert [read_ids(path, coco) for path in paths[:2]] == [first, second]


@pytest.mark.parametrize("text", ["[7, 3, 9]", "7\n3\n9\n", '["7", "3", "9"]', '{"caption_ids": [7, 3, 9]}'])
def test_lists_of_several_forms_are_read_in_their_order(tmp_path: Path, text: str) -> None:
    (tmp_path / "ids").write_text(text)
    assert [caption.id for caption in read_ids(tmp_path / "ids", made_up()).captions] == [7, 3, 9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[7, 3, 7]", "lists caption 7 twice"),
        ("[7, 99999, 88888]", r"2 of 3 caption ids in .* have no caption in val2014 \(99999, 88888\)"),
        ("[]", "lists no caption"),
        ("", "lists no caption"),
        ("[1.5]", "is no list of caption ids .1.5 is no whole number"),
        ("seven", "is no list of caption ids"),
        ("{}", "is no list of caption ids"),
        ("null", "is no list of caption ids"),
        ('{"caption_ids": [1], "split": "val2017"}', "lists captions of val2017, and not of val2014"),
    ],
)
def test_lists_that_do_not_fit_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "ids").write_text(text)
    with pytest.raises(UserError, match=message):
        read_ids(tmp_path / "ids", made_up())


def test_a_changed_list_is_refused(tmp_path: Path) -> None:
    coco = made_up()
    path = write_ids(tmp_path, coco, draw_prompts(coco, 20))
    known = json.loads(path.read_text())
    known["caption_ids"].reverse()
    path.write_text(json.dumps(known))
    with pytest.raises(UserError, match="SHA-256 differs"):
        read_ids(path, coco)
    with pytest.raises(UserError, match="cannot read the caption ids"):
        read_ids(tmp_path / "none", coco)


def test_a_plan_names_what_differs_from_the_published_protocol(coco: Path) -> None:
    found = plan_coco(coco, subset=5)
    assert len(found.references) == len({caption.picture for caption in found.prompts.captions}) == 5
    assert found.deviations == [
        "the annotations have not as many pictures and captions as the published ones",
        "5 captions of the published 30,000 are painted",
        "5 real pictures of 12 are compared",
    ]
    with pytest.raises(UserError, match="12 pictures with captions but 30,000 are asked for"):
        plan_coco(coco)
    with pytest.raises(UserError, match="--subset is 1"):
        plan_coco(coco, subset=1)


def test_a_subset_needs_its_own_pictures_only(coco: Path) -> None:
    wanted = {picture.file for picture in plan_coco(coco, subset=5).references}
    for picture in read_coco(coco).pictures:
        if picture.file not in wanted:
            (coco / "val2014" / picture.file).unlink()
    assert len(plan_coco(coco, subset=5).references) == 5
    with pytest.raises(UserError, match="1 of 6 pictures are missing"):
        plan_coco(coco, subset=6)
    ids = coco / "ids.txt"
    ids.write_text("\n".join(str(caption.id) for caption in plan_coco(coco, subset=5).prompts.captions))
    with pytest.raises(UserError, match="7 of 12 pictures are missing"):  # without a subset, all are compared
        plan_coco(coco, ids=ids)


def test_the_published_protocol_has_no_deviation() -> None:
    one_each = made_up(40_504, 1)
    whole = Coco(Path("coco"), "val2014", one_each.pictures, one_each.captions, 202_654 - 40_504, "0" * 64)
    plan = CocoPlan(whole, draw_prompts(whole), whole.pictures)
    assert plan.deviations == []
    assert len(plan.prompts.captions) == 30_000
