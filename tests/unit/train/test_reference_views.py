"""Views of pictures: the same subject and colours, in another direction, size and place."""

import torch

from majolica.config.data import DataConfig
from majolica.train.reference_views import SMALLEST, draw_views

DATA = DataConfig(flip=True, jitter=0.0)
POSITIONS = torch.arange(64)
RAMP = torch.linspace(0, 1, 32).expand(64, 3, 32, 32)
"""Pictures in which every pixel says how far to the right it lies."""


def test_a_view_is_a_part_enlarged() -> None:
    """Of the ramp, a part with a side of 0.7 to 1 spans that share of its values."""
    views = draw_views(RAMP, POSITIONS, 0, DATA)
    rows_BW = views[:, 0, 16]
    spans = (rows_BW[:, -1] - rows_BW[:, 0]).abs()
    assert spans.min() > SMALLEST - 0.02 and spans.max() <= 1.0
    assert spans.max() - spans.min() > 0.2
    middles = rows_BW.mean(1)
    assert middles.min() < 0.42 and middles.max() > 0.58


def test_half_of_the_views_are_mirrored_where_training_mirrors() -> None:
    mirrored = [draw_views(RAMP, POSITIONS, 0, data)[:, 0, 16] for data in (DATA, DataConfig(flip=False, jitter=0.0))]
    shares = [(rows_BW[:, -1] < rows_BW[:, 0]).float().mean().item() for rows_BW in mirrored]
    assert 0.3 < shares[0] < 0.7 and shares[1] == 0


def test_colours_stay() -> None:
    flat = torch.rand(64, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(64, 3, 32, 32)
    torch.testing.assert_close(draw_views(flat, POSITIONS, 0, DATA), flat)
    jittered = draw_views(flat, POSITIONS, 0, DataConfig(flip=True, jitter=0.05))
    assert 0 < (jittered - flat).abs().max() < 0.2


def test_a_view_depends_on_its_position_and_the_seed() -> None:
    images = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    views = draw_views(images, POSITIONS, 0, DATA)
    alone = draw_views(images[7:9], POSITIONS[7:9], 0, DATA)
    torch.testing.assert_close(views[7:9], alone)
    assert not torch.equal(views, draw_views(images, POSITIONS, 1, DATA))
