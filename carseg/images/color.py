"""Colour profiles (ICC): from what an image's numbers mean to sRGB, which everything after it takes them for."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # of a profile, to the mode of the pixels it is for
_SAME = 2  # levels of 255; an sRGB profile's own rounding is below
_DATE = slice(24, 36)  # bytes of a profile that say when it was made
_STEPS = np.arange(0, 256, 51, dtype=np.uint8)


class ProfileError(ValueError):
    """A colour profile is broken, absurd, or made for pixels of another kind; the message is the reason."""


def to_srgb(profile: bytes, mode: str) -> Callable[[Image.Image], Image.Image] | None:
    """Return what converts images of a mode that have this profile to sRGB (RGB); None where they are in it already.

    Args:
        profile: the profile as it lies in the file.
        mode: Pillow's mode of the pixels; transparency and what is beyond 8 bits do not count.

    Raises:
        ProfileError: the profile cannot be used.
    """
    kind = "CMYK" if mode == "CMYK" else "L" if mode[0] in "1LI" and mode != "LAB" else "RGB"
    transform = _transform(profile, kind)
    return None if transform is None else lambda image: transform.apply(image.convert(transform.input_mode))


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """Return the profile of what carseg's pixels are, for the files that it writes; always the same bytes."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[: _DATE.start] + bytes(_DATE.stop - _DATE.start) + profile[_DATE.stop :]


@lru_cache(maxsize=16)  # the images of a folder mostly have the same one
def _transform(profile: bytes, kind: str) -> ImageCms.ImageCmsTransform | None:
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _SPACES.get(given.profile.xcolor_space.strip())
        if mode is None or (mode != kind and (mode, kind) != ("RGB", "L")):  # grey is a colour, too
            raise ProfileError(f"it is for {given.profile.xcolor_space.strip()} pixels, these are {kind}")
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.ImageCmsTransform(given, srgb, mode, "RGB")
        probe = _probe(mode)
        after = np.asarray(transform.apply(probe)).astype(int)
    except ProfileError:
        raise
    except (OSError, ValueError, TypeError) as error:
        raise ProfileError(f"it is broken: {error}") from None
    before = np.asarray(probe.convert("RGB")).astype(int)
    white, grey, black = (after[(before == level).all(-1)] for level in (255, 153, 0))
    if white.min() < 200 or not 16 < grey.mean() < 250 or black.max() > 127:
        raise ProfileError("it is absurd: white would not be light, grey not between, or black not dark")
    return None if mode != "CMYK" and np.abs(after - before).max() <= _SAME else transform


def _probe(mode: str) -> Image.Image:
    """Return an image with all corners of a colour space and some colours between them."""
    bands = np.meshgrid(*[_STEPS] * Image.getmodebands(mode), indexing="ij")
    return Image.merge(mode, [Image.fromarray(band.reshape(1, -1)) for band in bands])
