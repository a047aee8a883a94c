"""Converting colours to sRGB. An embedded ICC profile is applied by Little CMS, which comes with Pillow.

A profile that cannot be read, or that is for another colour space than its picture, is ignored with a note. The picture
is then used as it is, which is what viewers do.
"""

from __future__ import annotations

import io
import logging
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from majolica.data.pictures import faults
from majolica.data.pictures.faults import BadPicture

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}
"""Mode of Pillow -> the colour space that a profile must have to fit it."""
_MOST_BYTES = 8_000_000
_SAME = 2
"""How many levels a profile may move any colour and still count as sRGB; rounding moves them by one or two."""
_LEAST_SPAN = 32
"""The fewest levels between the darkest and the brightest colour of a profile that is of any use."""

_BLACK_POINTS = 0x2000
"""The flag of Little CMS for black-point compensation, for which older versions of Pillow have no name."""

log = logging.getLogger(__name__)


def to_srgb(picture: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """Return a picture of mode L, RGB, CMYK or LAB as sRGB (mode L or RGB), and why its profile was not used, if it was
    not.

    CMYK without a profile is converted by the simple rule R = (255 - C) (255 - K) / 255. Colours outside of sRGB are
    clipped to it (relative colorimetric intent with black-point compensation), which leaves all others exact. A LAB
    picture needs no profile. Raises BadPicture if this Pillow cannot convert it.
    """
    note = ""
    if picture.mode == "LAB":
        profile = b""
    if profile is not None:
        found = _transform(bytes(profile), picture.mode)
        if not isinstance(found, str):
            return (picture if found is None else _apply(found, picture)), ""
        if picture.mode == "LAB":
            raise BadPicture(faults.DAMAGED, f"a LAB picture: {found}")
        note = found
        _say_once(note)
    return (picture if picture.mode in ("L", "RGB") else picture.convert("RGB")), note


def pixels_to_srgb(image: NDArray[np.uint8], profile: bytes) -> tuple[NDArray[np.uint8], str]:
    """Do the same for pixels, H x W (grey) or H x W x 3 (RGB); if no profile applies, they are returned as they are."""
    mode = "L" if image.ndim == 2 else "RGB"
    found = _transform(profile, mode)
    if isinstance(found, str):
        _say_once(found)
        return image, found
    return (image if found is None else np.array(_apply(found, Image.fromarray(image)))), ""


class _Unfit(Exception):
    """A profile that says nothing about its picture."""


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> Any:
    """Return how pictures of `mode` with this profile become sRGB: None if they are sRGB, or why it cannot be told."""
    if not features.check("littlecms2"):
        return "this Pillow was built without Little CMS"
    if len(profile) > _MOST_BYTES:
        return "the profile is too large"
    try:
        made = _build(profile, mode)
        before, after = _probe(made, mode)
    except _Unfit as unfit:
        return str(unfit)
    except Exception:  # Little CMS raises any exception on damaged profiles
        return "the profile is damaged"
    if int(after.max()) - int(after.min()) < _LEAST_SPAN:
        return "the profile is damaged: it makes all colours one"
    return None if before is not None and np.abs(before - after).max() <= _SAME else made


def _build(profile: bytes, mode: str) -> Any:
    """Return a transform of Little CMS that many threads may use. Without a profile, LAB is that of Pillow."""
    from PIL import ImageCms

    cms: Any = ImageCms
    source = cms.ImageCmsProfile(io.BytesIO(profile) if profile else cms.createProfile("LAB"))
    space = source.profile.xcolor_space.strip()
    if space != _SPACES[mode]:
        raise _Unfit(f"it is for {space} and the picture is {mode}")
    intent = cms.Intent.RELATIVE_COLORIMETRIC
    return cms.buildTransform(source, cms.createProfile("sRGB"), mode, "RGB", intent, _BLACK_POINTS)


def _apply(transform: Any, picture: Image.Image) -> Image.Image:
    from PIL import ImageCms

    converted: Any = ImageCms.applyTransform(picture, transform)
    return cast(Image.Image, converted)


def _probe(transform: Any, mode: str) -> tuple[NDArray[np.int16] | None, NDArray[np.int16]]:
    """Return colours from the whole range, N x 3, before the transform (None if they cannot be compared) and after
    it."""
    if mode == "L":
        grey = np.arange(256, dtype=np.uint8)
        before, picture = np.stack((grey,) * 3, -1).reshape(-1, 3), Image.fromarray(grey[None])
    else:
        levels = np.arange(0, 256, 17, dtype=np.uint8)
        axes = np.meshgrid(*(levels,) * 3, indexing="ij")
        before = np.stack(axes, -1).reshape(-1, 3)
        blank = np.zeros((len(before), 1), np.uint8)
        samples = np.hstack((before, blank)) if mode == "CMYK" else before
        picture = Image.frombytes(mode, (len(samples), 1), samples.tobytes())
    after = np.asarray(_apply(transform, picture)).reshape(-1, 3).astype(np.int16)
    return (before.astype(np.int16) if mode in ("L", "RGB") else None), after


@lru_cache(maxsize=64)
def _say_once(note: str) -> None:
    log.warning("a colour profile is ignored and the picture taken as it is (said once): %s", note)
