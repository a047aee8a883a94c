"""A sample that cannot be read is replaced, counted and named; too many of them stop training."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loaded import loader_of, read, rows
from majolica.data.loading.split import load_split
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError
from majolica.train.property_values import measure_property_values
from tiny import tiny_run

Write = Callable[..., Path]


def test_bad_sample_is_replaced_by_another_of_the_set_and_counted(write: Write) -> None:
    folder = write(100, bad=frozenset({41}))
    with loader_of(folder, 10, seed=3, bad_share=0.02) as loader:
        found = rows([next(loader) for _ in range(40)])
        assert loader.faults == {"picture cannot be decoded": 4}  # once an epoch
    whole = read(write(100), 40, batch=10)
    moved = [p for p in found if found[p] != whole[p]]
    assert [whole[p][2] for p in moved] == [41] * 4
    assert all(found[p][2] != 41 for p in moved)


def test_a_replaced_sample_is_named_by_its_tar_and_its_key(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    folder = write(100, bad=frozenset({41}))
    with loader_of(folder, 10, seed=3, bad_share=0.02) as loader:
        for _ in range(20):
            next(loader)
    place = f'{folder}/00001.tar: sample "000010001"'
    assert caplog.messages == [f"{place} is replaced: picture cannot be decoded (begins with 89504e47206e6f6e)"]


def test_a_sample_that_evaluation_leaves_out_is_named_too(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    folder = write(3, bad=frozenset({1}))
    assert load_split(folder)[1] == ["number 0", "number 2"]
    assert caplog.messages[0].startswith(f'{folder}/00000.tar: sample "000000001" is left out: picture cannot be')


def test_a_sample_of_a_tar_that_cannot_be_read_has_its_number_in_it(write: Write) -> None:
    folder = write(100)
    shards = ShardSet(folder)
    (folder / "00001.tar").unlink()
    assert shards.place_of(41) == f"{folder}/00001.tar: sample 1 of the tar"
    assert shards.place_of(99) == f'{folder}/00002.tar: sample "000020019"'


def test_with_a_share_of_nothing_the_first_bad_sample_stops_training(write: Write) -> None:
    folder = write(100, bad=frozenset({41}))
    told = pytest.raises(UserError, match=r"^1 of the \d+ samples? read so far in .*, which is 0$")
    with loader_of(folder, 1, seed=3, bad_share=0) as loader, told:
        for _ in range(100):
            next(loader)


def test_too_many_bad_samples_stop_training(write: Write) -> None:
    folder = write(100, bad=frozenset(range(0, 100, 10)))
    with loader_of(folder, 20, seed=3, bad_share=0.05) as loader:
        with pytest.raises(
            UserError, match=r"of the \d+ samples read so far in .* cannot be .*picture cannot be decoded"
        ):
            for _ in range(10):
                next(loader)
        assert loader.tallies[0].rows <= 100


def test_a_share_of_bad_samples_is_of_all_that_were_read(write: Write) -> None:
    """More samples than rows are read where most cannot be: their share stays below 1, which allows all."""
    folder = write(40, bad=frozenset(range(0, 40, 2)) | frozenset(range(0, 40, 3)))
    with loader_of(folder, 20, seed=3, bad_share=0.5) as loader, pytest.raises(UserError) as refused:
        for _ in range(10):
            next(loader)
    counts = re.match(r"(\d+) of the (\d+) samples read so far in .*, a share of (0\.\d+): ", str(refused.value))
    assert counts and int(counts[1]) / int(counts[2]) == pytest.approx(float(counts[3]), abs=0.01)
    assert 0.5 < float(counts[3]) < 0.9 and str(refused.value).endswith("or raise --data.bad-share, which is 0.5")
    with loader_of(folder, 20, seed=3, bad_share=1.0) as loader:
        for _ in range(2):
            next(loader)
        assert loader.faults.total() > loader.tallies[0].rows


def test_the_survey_of_properties_stops_at_the_share_that_the_user_allows(write: Write, tmp_path: Path) -> None:
    config = tiny_run(write(64, bad=frozenset(range(0, 64, 4))))
    config = replace(config, model=replace(config.model, properties=("brightness",)))
    with pytest.raises(
        UserError, match=r"a share of 0\.\d+: repair the data, or raise --data.bad-share, which is 0.01"
    ):
        measure_property_values(config, tmp_path)
    assert not list(tmp_path.glob("properties.json"))
    measure_property_values(replace(config, data=replace(config.data, bad_share=1.0)), tmp_path)
    assert (tmp_path / "properties.json").exists()


def test_nothing_but_bad_samples(write: Write) -> None:
    folder = write(3, bad=frozenset(range(3)))
    with loader_of(folder, 2) as loader, pytest.raises(UserError, match="samples in a row"):
        next(loader)
    with pytest.raises(UserError, match="no picture"):
        load_split(folder)
