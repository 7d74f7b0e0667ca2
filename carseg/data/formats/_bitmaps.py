"""Bit masks inside JSON files: a PNG of the pixels that a shape covers, as base64 text. labelme and Supervisely."""

from __future__ import annotations

import base64
import io
import zlib
from typing import Any

import numpy as np

from carseg.data.formats._documents import brief
from carseg.errors import DataError, ImageError
from carseg.images import open_image

_OVERHEAD = 1 << 16  # bytes of a PNG besides its pixels


def read_bits(text: Any, field: str, height: int, width: int, *, compressed: bool = False) -> np.ndarray:
    """Return the pixels that are set, bool (h, w): those that are opaque where the PNG has transparency, else not 0.

    Args:
        text: the PNG as base64.
        field: the name of the text, for messages.
        height: the image's height; no bit mask is higher, whatever it announces. ``width`` likewise.
        compressed: the PNG is inside a zlib stream.

    Raises:
        DataError: it is no such text, damaged, or larger than the image.
    """
    if not isinstance(text, str):
        raise DataError(f"{field} = {brief(text)}, not a bit mask as base64")
    try:
        data = base64.b64decode(text)
        if compressed:
            stream = zlib.decompressobj()
            data = stream.decompress(data, 8 * height * width + _OVERHEAD)
            if not stream.eof:
                raise DataError(f"{field} with a zlib stream that is cut off, or longer than any mask of the image")
        with open_image(io.BytesIO(data), name=field, max_pixels=height * width) as image:
            if image.width > width or image.height > height:
                size = f"{image.width}x{image.height}"
                raise DataError(f"{field} of {size} pixels, more than the image's {width}x{height}")
            channel = image.getchannel("A") if image.mode in ("RGBA", "LA") else image.convert("L")
            return np.asarray(channel) > 0
    except DataError:
        raise
    except ImageError:
        size = f"{width}x{height}"
        raise DataError(f"{field} that is no PNG as base64, or one of more pixels than the image's {size}") from None
    except (ValueError, zlib.error) as error:
        raise DataError(f"{field} that is no PNG as base64 ({error})") from None


def stamp(mask: np.ndarray, bits: np.ndarray, left: int, top: int, value: int) -> None:
    """Set the pixels of ``mask`` that are set in ``bits``, the first at (left, top); the rest is cut off."""
    bits, top, left = bits[max(-top, 0) :, max(-left, 0) :], max(top, 0), max(left, 0)
    place = mask[top : top + bits.shape[0], left : left + bits.shape[1]]
    place[bits[: place.shape[0], : place.shape[1]]] = value
