"""Pictures as cameras and scanners make them become pictures that training reads, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from gathered import config, records
from majolica.data.folder.gather import gather
from majolica.data.pictures.decode import decode

Picture = Callable[..., bytes]


def test_pictures_as_cameras_and_scanners_make_them(tmp_path: Path) -> None:
    """On its side by EXIF, 16 bits, CMYK, transparent, TIFF: upright 8-bit RGB that the loader reads."""
    (tmp_path / "in").mkdir()
    wide = np.zeros((20, 40, 3), np.uint8)
    wide[:, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(wide).save(tmp_path / "in/turned.jpg", quality=95, exif=exif)
    Image.fromarray(wide).save(tmp_path / "in/plain.tif")
    Image.fromarray(wide).save(tmp_path / "in/turned.tiff", exif=exif)
    Image.fromarray(wide).convert("CMYK").save(tmp_path / "in/cmyk.jpg", quality=95)
    Image.fromarray(wide[:, :, 0].astype(np.uint16) * 257).save(tmp_path / "in/deep.png")
    Image.fromarray(np.dstack([wide * 0, wide[:, :, :1]])).save(tmp_path / "in/clear.png")
    gather(config(tmp_path / "in", caption=("name",)))
    found = {record.meta["path"]: record for record in records(tmp_path / "out")}
    assert len(found) == 6
    for name, record in found.items():
        image = decode(record.image).image
        upright = image.transpose(1, 0, 2) if "turned" in name else image
        assert upright.shape == (20, 40, 3), name
        left, right = upright[:, :15].mean(), upright[:, 25:].mean()
        assert (left < 20 and right > 235) if name == "clear.png" else (left > 235 and right < 20), name
    assert found["plain.tif"].extension == "png"


def test_scaled_down(tmp_path: Path, picture: Picture) -> None:
    (tmp_path / "in").mkdir()
    for name, size in (("wide", (90, 30)), ("small", (20, 10)), ("tall", (40, 70))):
        (tmp_path / f"in/{name}.jpg").write_bytes(picture(3, *size, "jpg"))
    gather(config(tmp_path / "in", caption=("name",), resolution=20))
    found = {record.caption: record for record in records(tmp_path / "out")}
    sizes = {name: decode(record.image).image.shape[1::-1] for name, record in found.items()}
    assert sizes == {"wide": (60, 20), "small": (20, 10), "tall": (20, 35)}
    assert found["small"].image == picture(3, 20, 10, "jpg")
    assert (found["wide"].meta["original_width"], found["wide"].meta["original_height"]) == (90, 30)


def test_one_picture_in_memory_at_a_time(tmp_path: Path) -> None:
    """A shard of large pictures needs no more memory than a few of them."""
    import tracemalloc

    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (512, 1024, 3), dtype=np.uint8)
    for i in range(20):
        Image.fromarray(np.roll(noise, i, 0)).save(tmp_path / f"in/{i}.png", compress_level=0)
    tracemalloc.start()
    gather(replace(config(tmp_path / "in", caption=("name",)), per_shard=100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "out/00000.tar").stat().st_size > 30e6 and peak < 12e6
