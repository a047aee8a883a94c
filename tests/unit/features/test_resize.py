"""Ways of resizing, against closed forms and against Pillow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from majolica.features.resize import (
    check_images,
    prepare_reference,
    resize_antialiased,
    resize_bilinear,
    resize_like_tensorflow,
)
from random_inception import smooth_pictures

RAMP_B3HW = torch.tensor([10, 50], dtype=torch.uint8).expand(1, 3, 2, 2)


@pytest.mark.parametrize("size", [(48, 48), (299, 299), (300, 400)])
def test_antialiased_is_pillow_on_float_channels_clipped_but_not_rounded(size: tuple[int, int]) -> None:
    images_B3HW = smooth_pictures(2, *size)
    images_B3HW[:, :, : size[0] // 2] = 0
    images_B3HW[:, :, size[0] // 2 :, ::8] = 255
    resized_B3SS = resize_antialiased(images_B3HW, 299)
    for planes, resized in zip(images_B3HW.flatten(0, 1), resized_B3SS.flatten(0, 1), strict=True):
        plain = np.asarray(Image.fromarray(planes.float().numpy()).resize((299, 299), Image.Resampling.BICUBIC))
        assert np.array_equal(resized.numpy(), plain.clip(0, 255))
        assert size == (299, 299) or not np.array_equal(plain, plain.clip(0, 255))  # the filter overshoots
        assert size == (299, 299) or not np.array_equal(plain, plain.round())
    assert resized_B3SS.dtype == torch.float32


def test_only_the_antialiased_way_averages_fine_stripes() -> None:
    stripes_B3HW = torch.tensor([0, 0, 255, 255] * 149, dtype=torch.uint8).expand(1, 3, 596, 596)
    inner = slice(20, -20)
    assert resize_antialiased(stripes_B3HW, 149)[..., inner, inner] == pytest.approx(127.5, abs=1)
    assert not resize_like_tensorflow(stripes_B3HW, 149).any()
    assert (255 * resize_bilinear(stripes_B3HW, 149))[..., inner, inner] == pytest.approx(127.5, abs=1e-3)
    moved_B3HW = stripes_B3HW.roll(1, -1)
    assert not resize_bilinear(moved_B3HW, 149).any()


def test_tensorflow_puts_corners_at_pixel_0_and_repeats_the_last() -> None:
    resized_B3SS = resize_like_tensorflow(RAMP_B3HW, 4)
    assert resized_B3SS[0, 0].tolist() == [[10, 30, 50, 50]] * 4
    assert resize_like_tensorflow(RAMP_B3HW.mT, 4)[0, 2].mT.tolist() == [[10, 30, 50, 50]] * 4


def test_torch_puts_pixels_at_their_centres() -> None:
    assert (255 * resize_bilinear(RAMP_B3HW, 4))[0, 0, 0].tolist() == pytest.approx([10, 20, 40, 50])


def test_pictures_of_the_right_size_stay_as_they_are() -> None:
    images_B3HW = smooth_pictures(1, 64, 64)
    assert torch.equal(resize_antialiased(images_B3HW, 64), images_B3HW.float())
    assert torch.equal(resize_like_tensorflow(images_B3HW, 64), images_B3HW.float())
    assert torch.equal(resize_bilinear(images_B3HW, 64), images_B3HW.float() / 255)


def test_a_reference_has_the_short_side_of_pillow_and_the_middle_of_the_long_one() -> None:
    image = smooth_pictures(1, 150, 311)[0].permute(1, 2, 0).contiguous().numpy()
    whole = np.asarray(Image.fromarray(image).resize((207, 100), Image.Resampling.BICUBIC))  # 207.33 rounded down
    reference_3SS = prepare_reference(image, 100)
    assert reference_3SS.dtype == torch.uint8 and reference_3SS.shape == (3, 100, 100)
    assert np.array_equal(reference_3SS.permute(1, 2, 0).numpy(), whole[:, 54:154])  # 53.5 to the even 54
    turned_3SS = prepare_reference(image.transpose(1, 0, 2).copy(), 100)
    assert torch.equal(turned_3SS, reference_3SS.mT)


def test_a_reference_whose_short_side_fits_is_cut_only() -> None:
    image = smooth_pictures(1, 103, 100)[0].permute(1, 2, 0).contiguous().numpy()
    assert np.array_equal(prepare_reference(image, 100).permute(1, 2, 0).numpy(), image[2:102])


@pytest.mark.parametrize("images", [torch.zeros(1, 3, 8, 8), torch.zeros(3, 8, 8, dtype=torch.uint8)])
def test_other_tensors_are_no_pictures(images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="uint8 pictures"):
        check_images(images)
