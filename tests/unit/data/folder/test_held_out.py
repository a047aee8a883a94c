"""Which pictures are held out depends on their paths alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from gathered import config, records
from majolica.config.shard import ShardConfig
from majolica.data.folder import spool
from majolica.data.folder.gather import gather
from majolica.errors import UserError


@pytest.mark.parametrize("heldout", [0.3, 4])
def test_held_out(folder: Path, heldout: float) -> None:
    """A picture's side depends on its path alone."""
    report = gather(config(folder, heldout=heldout))
    out = folder.parent / "out"
    train, held = records(out / "train"), records(out / "heldout")
    assert len(train) + len(held) == 10 and report.pictures == {
        str(out / "train"): len(train),
        str(out / "heldout"): len(held),
    }
    names = {record.meta["path"] for record in held}
    if heldout == 4:
        assert len(held) == 4
    for path in sorted(folder.rglob("*.png")):
        if str(path.relative_to(folder)) not in names and len(train) > 1:
            path.unlink()
            break
    again = replace(config(folder, heldout=heldout), out=str(out.with_name("again")))
    gather(again)
    assert {record.meta["path"] for record in records(out.with_name("again") / "heldout")} == names


def test_tars_of_a_split_that_has_become_empty_are_told(folder: Path) -> None:
    gather(config(folder, heldout=0.3))
    for record in records(folder.parent / "out" / "heldout"):
        (folder / record.meta["path"]).unlink()
    with pytest.raises(UserError, match=r"out/heldout holds tars that the source no longer gives"):
        gather(config(folder, heldout=0.3))


def test_a_share_is_about_right() -> None:
    hashes = [spool._hash({"path": f"{i}.jpg"}) for i in range(5000)]
    threshold = spool._threshold(ShardConfig(heldout=0.1))
    assert 420 < sum(value < threshold for value in hashes) < 580
    digest = hashlib.sha256(b"a/b.jpg").hexdigest()
    assert f"{spool._hash({'path': 'a/b.jpg'}):016x}" == digest[:16]


def test_more_held_out_than_there_are(folder: Path) -> None:
    with pytest.raises(UserError, match=r"11 pictures shall be held out, but .* has only 10"):
        gather(config(folder, heldout=11))
    with pytest.raises(
        UserError, match=r"has 10 pictures, and --heldout 10 leaves none to train on: give a smaller one"
    ):
        gather(config(folder, heldout=10))
    with pytest.raises(UserError, match="a share below 1 or a whole number"):
        gather(config(folder, heldout=2.5))
