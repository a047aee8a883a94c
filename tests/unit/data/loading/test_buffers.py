"""Memory is lent again only when no view of it is left."""

import gc

import torch

from majolica.data.loading.buffers import Buffers


def test_memory_is_used_again_when_the_last_view_is_gone() -> None:
    buffers = Buffers(2)
    first = buffers.take(4, 5, 3)
    place = first.data_ptr()
    view = first.permute(0, 2, 1)[1:]
    del first
    gc.collect()
    assert buffers.take(4, 5, 3).data_ptr() != place  # `view` still reads it
    del view
    gc.collect()
    assert buffers.take(4, 5, 3).data_ptr() == place


def test_smaller_shapes_share_and_larger_ones_do_not() -> None:
    buffers = Buffers(2)
    place = buffers.take(100).data_ptr()
    small = buffers.take(7, 3)
    assert small.data_ptr() == place and small.shape == (7, 3) and small.dtype == torch.uint8
    del small
    assert buffers.take(101).shape == (101,)


def test_no_more_is_held_back_than_asked_for() -> None:
    buffers = Buffers(2)
    held = [buffers.take(1000) for _ in range(5)]
    places = {tensor.data_ptr() for tensor in held}
    del held
    gc.collect()
    assert len(buffers._free) == 2
    assert buffers.take(1000).data_ptr() in places
