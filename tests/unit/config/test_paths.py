"""A saved configuration means the same from every folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from majolica.config.data import DataConfig, SourceConfig
from majolica.config.paths import make_paths_absolute
from majolica.config.run import RunConfig
from majolica.config.training import TrainConfig


def test_local_paths_become_absolute_and_urls_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("elsewhere")
    sources = (SourceConfig("link", 2.0), SourceConfig("s3://bucket/set"), SourceConfig("/data/set"))
    data = DataConfig(shards="data/train", sources=sources, tokenizer="../t.model", remote_cache="", threads=3)
    found = make_paths_absolute(RunConfig(data=data)).data
    assert [source.shards for source in found.sources] == [str(tmp_path / "link"), "s3://bucket/set", "/data/set"]
    assert found.sources[0].weight == 2.0 and found.threads == 3
    assert found.shards == str(tmp_path / "data/train") and found.remote_cache == ""
    monkeypatch.chdir("/")
    assert Path(found.tokenizer).resolve() == tmp_path.parent / "t.model"
    assert make_paths_absolute(RunConfig(data=found)).data == found


def test_the_weights_to_begin_with_are_found_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert make_paths_absolute(RunConfig(train=TrainConfig(init_from="runs/a"))).train.init_from == str(
        tmp_path / "runs/a"
    )
    assert make_paths_absolute(RunConfig()).train.init_from == ""
