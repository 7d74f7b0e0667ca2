"""From an image as Pillow opens it to upright RGB pixels in sRGB."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from PIL import ExifTags, Image

from carseg._arrays import Uint8Array
from carseg.errors import ImageError
from carseg.images.color import ProfileError, to_srgb

_log = logging.getLogger("carseg")
_BAND = 1 << 20  # pixels that are converted together: beside the decoded image and the result they take no memory
_UPRIGHT = {  # EXIF orientation to the transposition that undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Transpositions that make rows columns, and those after which what came first comes last.
_SIDEWAYS = {_UPRIGHT[5], _UPRIGHT[6], _UPRIGHT[7], _UPRIGHT[8]}
_REVERSED = {_UPRIGHT[3], _UPRIGHT[4], _UPRIGHT[6], _UPRIGHT[7]}
# Those after which the rows, and the columns, of the upright image run against those that they were in the file.
_ROWS_REVERSED = {_UPRIGHT[3], _UPRIGHT[4], _UPRIGHT[7], _UPRIGHT[8]}
_COLUMNS_REVERSED = {_UPRIGHT[2], _UPRIGHT[3], _UPRIGHT[6], _UPRIGHT[7]}


def to_rgb(image: Image.Image) -> Uint8Array:
    """Return the pixels, uint8 (H, W, 3), upright and in sRGB.

    They are converted band by band: a whole image in every mode on the way would take much memory. A profile that
    cannot be used is left out, of which ``check_profile`` warns.

    Raises:
        ImageError: the pixels are floating-point numbers or CIELAB.
    """
    if image.mode == "F":
        raise ImageError("floating-point pixels have no known range; save it with 8 or 16 bits")
    if image.mode == "LAB":
        raise ImageError("CIELAB pixels are not converted; save it in RGB")
    image.load()
    convert = _conversion(image)
    turn = exif_transpose(image)  # that of ImageOps also rewrites all tags and fails where one is odd
    width, height = image.size
    rows = max(1, _BAND // width)
    rgb = np.empty((*upright_size(image), 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = _band_to_rgb(image.crop((0, top, width, bottom)), convert)
        first, last = (height - bottom, height - top) if turn in _REVERSED else (top, bottom)
        place = rgb[:, first:last] if turn in _SIDEWAYS else rgb[first:last]
        place[...] = np.asarray(band if turn is None else band.transpose(turn))
    return rgb


def exif_transpose(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that makes an image upright by its EXIF orientation; None where it is upright."""
    return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return the (height, width) that an image has when it is upright."""
    width, height = image.size
    return (width, height) if exif_transpose(image) in _SIDEWAYS else (height, width)


def reversed_axes(image: Image.Image) -> tuple[bool, bool]:
    """Return whether the file has the last row first, and the last column first, of the upright image."""
    turn = exif_transpose(image)
    return turn in _ROWS_REVERSED, turn in _COLUMNS_REVERSED


def warn_of_profile(image: Image.Image, name: str) -> None:
    """Log why the colour profile of an image is left out, if it is."""
    try:
        _from_profile(image)
    except ProfileError as error:
        _log.warning(f"{name}: its colour profile is left out, {error}")


def _conversion(image: Image.Image) -> Callable[[Image.Image], Image.Image] | None:
    """Return what converts an image to sRGB by its profile, None where nothing has to be done or can be."""
    try:
        return _from_profile(image)
    except ProfileError:
        return None


def _from_profile(image: Image.Image) -> Callable[[Image.Image], Image.Image] | None:
    profile = image.info.get("icc_profile")
    return to_srgb(profile, image.mode) if profile else None


def _band_to_rgb(band: Image.Image, convert: Callable[[Image.Image], Image.Image] | None) -> Image.Image:
    if band.mode.startswith("I"):  # 16 bits per pixel, as I;16 or widened to I
        band = Image.fromarray((np.asarray(band).clip(0, 65535) // 257).astype(np.uint8))
    if band.has_transparency_data:
        band = band.convert("RGBA")
        if convert:
            opaque = convert(band)
            opaque.putalpha(band.getchannel("A"))
            band = opaque
        band = Image.alpha_composite(Image.new("RGBA", band.size, "white"), band).convert("RGB")
    elif convert:
        return convert(band)
    return band if band.mode == "RGB" else band.convert("RGB")
