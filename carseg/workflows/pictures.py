"""Small JPEGs of photographs and of what is in them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from carseg._arrays import Uint8Array
from carseg.masks import rle

_THUMBNAIL = 360  # pixels of the longer side
_CROP = 640
_MARGIN = 0.15  # of the longer side of a box, on each side of it


def thumbnail(rgb: Uint8Array) -> bytes:
    """Return an image, uint8 (H, W, 3), made small, as the content of a JPEG file."""
    return _jpeg(rgb, _THUMBNAIL)


def crop(rgb: Uint8Array, box: rle.Box) -> bytes:
    """Return a box of an image, uint8 (H, W, 3), with some of what is around it, as the content of a JPEG file."""
    x, y, width, height = box
    margin = round(_MARGIN * max(width, height))
    rows, columns = slice(max(0, y - margin), y + height + margin), slice(max(0, x - margin), x + width + margin)
    return _jpeg(rgb[rows, columns], _CROP)


def _jpeg(rgb: Uint8Array, side: int) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(rgb))
    image.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()
