"""Things and their ground: colours, connected parts, and grounds with a gradient."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from majolica.eval.compositions.foreground import find_parts, find_things, label_parts, oklab, spread


def test_oklab_of_known_colours() -> None:
    """The values of white and of the primaries of sRGB, as Ottosson's definition gives them."""
    colours = torch.tensor([[1.0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])[:, :, None, None]
    expected = [[1, 0, 0], [0.62796, 0.22486, 0.12585], [0.86644, -0.23389, 0.17950], [0.45201, -0.03246, -0.31153]]
    assert torch.allclose(oklab(colours)[:, :, 0, 0], torch.tensor(expected), atol=2e-4)


def test_parts_are_those_of_scipy() -> None:
    mask_HW = torch.rand(40, 40, generator=torch.Generator().manual_seed(0)) < 0.35
    parts_NHW = label_parts(mask_HW)
    labels, count = ndimage.label(mask_HW.numpy(), np.ones((3, 3)))
    assert len(parts_NHW) == count > 10
    sizes = parts_NHW.sum((1, 2)).tolist()
    assert sizes == sorted(sizes, reverse=True) == sorted(np.bincount(labels.ravel())[1:].tolist(), reverse=True)
    assert all(len(np.unique(labels[part.numpy()])) == 1 for part in parts_NHW)
    assert label_parts(torch.zeros(5, 5, dtype=torch.bool)).shape == (0, 5, 5)


def test_spreading_goes_around_walls_and_not_through() -> None:
    rows = ["#.....", "#.###.", "#.#.#.", "#.###.", "......"]
    allowed = torch.tensor([[cell == "." for cell in row] for row in rows])[None]
    seeds = torch.zeros_like(allowed)
    seeds[0, 4, 0] = True
    reached = spread(seeds, allowed)
    assert not reached[0, 2, 3] and reached[0, 0, 5] and int(reached.sum()) == int(allowed.sum()) - 1


def test_things_are_found_on_a_gradient_also_where_they_touch_the_border() -> None:
    shade = torch.linspace(0.4, 0.7, 48)
    pictures = torch.stack([torch.stack((shade, 0.8 * shade, 0.9 * shade))[:, None].expand(3, 48, 48)] * 2).clone()
    truth = torch.zeros(2, 48, 48, dtype=torch.bool)
    truth[0, 10:30, 5:20] = truth[0, 20:40, 30:44] = True
    truth[1, 0:24, 0:30] = True  # half of two sides of the border
    pictures = torch.where(truth[:, None], torch.tensor([0.9, 0.2, 0.1]).view(1, 3, 1, 1), pictures)
    scene = find_things((pictures * 255).byte())
    assert torch.equal(scene.things_BHW, truth)
    assert [len(find_parts(mask)) for mask in scene.things_BHW] == [2, 1]


def test_what_is_inside_of_an_outline_belongs_to_the_thing() -> None:
    """A white thing with a black outline on white."""
    picture = torch.full((1, 3, 48, 48), 240, dtype=torch.uint8)
    picture[:, :, 12:36, 12:36] = 0
    picture[:, :, 14:34, 14:34] = 240
    assert int(find_things(picture).things_BHW.sum()) == 24 * 24
