"""Describing many pictures: the features do not depend on how many fit in memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from majolica.errors import is_out_of_memory
from majolica.features.extractor import Extractor
from majolica.features.streaming import describe_all

IMAGES = torch.arange(23, dtype=torch.uint8).view(23, 1, 1, 1).expand(23, 3, 4, 4)


class Memory:
    """Describes pictures by their first pixel; fails as torch does for more than `most` at once."""

    def __init__(self, most: int, error: Exception | None = None) -> None:
        self.most, self.error = most, error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        self.sizes: list[int] = []

    def describe(self, images_B3HW: Tensor) -> Tensor:
        self.sizes.append(len(images_B3HW))
        if len(images_B3HW) > self.most:
            raise self.error
        return images_B3HW[:, :2, 0, 0].float()

    def extractor(self) -> Extractor:
        return Extractor("fake", 2, self.describe, {}, False, "FD")


@pytest.mark.parametrize("most", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("batch", [1, 8, 23])
def test_features_are_the_same_whatever_fits(most: int, batch: int) -> None:
    memory = Memory(most)
    done: list[int] = []
    found = list(describe_all(memory.extractor(), torch.split(IMAGES, batch), done.append))
    assert [len(features_BD) for features_BD in found] == [len(images) for images in torch.split(IMAGES, batch)]
    assert torch.equal(torch.cat(found), IMAGES[:, :2, 0, 0].float())
    assert done == sorted(done) and done[-1] == 23


def test_later_batches_begin_with_the_size_that_fitted() -> None:
    memory = Memory(3)
    list(describe_all(memory.extractor(), torch.split(IMAGES[:16], 8)))
    assert memory.sizes == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]


def test_batches_are_read_one_by_one() -> None:
    read: list[int] = []

    def batches() -> object:
        for i in range(3):
            read.append(i)
            yield IMAGES[i : i + 1]

    stream = describe_all(Memory(8).extractor(), batches())  # type: ignore[arg-type]
    next(stream)
    assert read == [0]


def test_a_batch_without_pictures_has_no_features() -> None:
    (features_BD,) = describe_all(Memory(8).extractor(), [IMAGES[:0]])
    assert features_BD.shape == (0, 2)


def test_a_single_picture_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        list(describe_all(Memory(0).extractor(), [IMAGES]))


def test_other_errors_are_not_tried_again() -> None:
    memory = Memory(2, RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        list(describe_all(memory.extractor(), [IMAGES]))
    assert memory.sizes == [23]


def test_messages_of_the_cpu_are_understood() -> None:
    text = (
        "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
    )
    assert is_out_of_memory(RuntimeError(text)) and is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("out of memory"))
