"""Sizes that a run learns, and what is said of those beyond them."""

import dataclasses

from majolica.config.picture_size import PictureSize
from majolica.config.resolutions import base_only_notes, beyond_training_notes, trained_sizes
from majolica.config.run import RunConfig
from majolica.recipes import recipe


def test_trained_sizes() -> None:
    config = RunConfig()
    assert trained_sizes(config) == (256,)
    fine = dataclasses.replace(config, loss=dataclasses.replace(config.loss, fine_share=0.1, fine_scales=(4,)))
    assert trained_sizes(fine) == (256, 1024)
    assert beyond_training_notes(PictureSize(1024, 1024, 4), fine) == []
    assert beyond_training_notes(PictureSize(256, 256, 1), config) == []
    assert "--loss.fine-scales 2" in beyond_training_notes(PictureSize(512, 512, 2), config)[0]


def test_a_picture_that_is_not_square_is_said_where_training_knew_squares_only() -> None:
    config, wide = RunConfig(), PictureSize(192, 320, 1)
    assert "320x192 is not square" in beyond_training_notes(wide, config)[0]
    assert (
        beyond_training_notes(wide, dataclasses.replace(config, data=dataclasses.replace(config.data, buckets=True)))
        == []
    )


def test_a_run_without_fine_rows_is_said_when_it_begins() -> None:
    config = RunConfig()
    assert "at 256 px only" in base_only_notes(config)[0] and "learns 512 px too" in base_only_notes(config)[0]
    assert base_only_notes(dataclasses.replace(config, loss=dataclasses.replace(config.loss, fine_share=0.1))) == []


def test_a_share_that_leaves_no_row_to_paint_larger_trains_no_larger_pictures() -> None:
    config = recipe("demo")
    small = dataclasses.replace(config, train=dataclasses.replace(config.train, batch=3, processes=1))
    assert trained_sizes(config) == (48, 96) and base_only_notes(config) == []
    assert trained_sizes(small) == (48,)
    assert (
        "is 0.125, which leaves none of 3 rows, so this run learns to paint at 48 px only" in base_only_notes(small)[0]
    )
