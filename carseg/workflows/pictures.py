"""Small JPEGs of photographs and of what is in them."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw

from carseg._arrays import Uint8Array
from carseg.images import draw
from carseg.labels import LabelSet
from carseg.masks import rle

_THUMBNAIL = 360  # pixels of the longer side
_CROP = _LABELED = 640
_TINT = 0.45
_MARK, _GAP = (255, 0, 140), 4  # the colour of what is marked, and how far around it the mark is
_MARGIN = 0.15  # of the longer side of a box, on each side of it


def thumbnail(rgb: Uint8Array) -> bytes:
    """Return an image, uint8 (H, W, 3), made small, as the content of a JPEG file."""
    return _jpeg(rgb, _THUMBNAIL)


def labeled(rgb: Uint8Array, mask: Uint8Array | None, labels: LabelSet, boxes: Iterable[rle.Box]) -> bytes:
    """Return an image made small, its classes tinted and the boxes marked, as the content of a JPEG file.

    Args:
        rgb: uint8 (H, W, 3).
        mask: uint8 (H, W), label ids; None where there are none.
        labels: names and colours.
        boxes: what is marked.
    """
    scale = min(_LABELED / max(rgb.shape[:2]), 1)
    size = max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1)
    image = Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    if mask is not None:
        small = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        image = draw.overlay(np.asarray(image), small, labels, alpha=_TINT, legend=False)
    marks = ImageDraw.Draw(image)
    for x, y, width, height in boxes:
        ends = (x * scale - _GAP, y * scale - _GAP, (x + width) * scale + _GAP, (y + height) * scale + _GAP)
        marks.rectangle(ends, outline=_MARK, width=2)
    return _jpeg(np.asarray(image), _LABELED)


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
