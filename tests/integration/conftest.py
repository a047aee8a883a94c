"""A few shards to train on."""

from pathlib import Path

import pytest

from majolica.data.drawings.make import make_openmoji


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openmoji")
    make_openmoji(folder, samples=64, resolution=32, names=4, heldout=8, combinations=4)
    return folder / "train"
