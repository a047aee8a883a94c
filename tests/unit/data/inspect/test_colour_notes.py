"""Colour profiles of no use are counted by `data inspect`, and cost no sample."""

from __future__ import annotations

import io
import json
from pathlib import Path

from PIL import Image

import profiles
from majolica.config.engine import EngineConfig
from majolica.data.inspect.look import Look, inspect_shards
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record


def test_profiles_of_no_use_are_counted(tmp_path: Path) -> None:
    records = []
    for i, profile in enumerate((b"junk", b"other junk", profiles.adobe_rgb(), None)):
        out = io.BytesIO()
        Image.new("RGB", (32, 32), (60 * i, 0, 0)).save(out, "JPEG", icc_profile=profile)
        records.append(Record(out.getvalue(), "jpg", f"number {i}", {}))
    write_shards(tmp_path / "s", records)
    inspect_shards([str(tmp_path / "s")], tmp_path / "page.html", Look(limit=0), EngineConfig())
    known = json.loads((tmp_path / "page.json").read_text())
    assert known["colour_notes"] == {"the profile is damaged": 2} and not known["broken"]
    assert "colour profiles that are ignored: 2 x the profile is damaged" in known["remarks"]
