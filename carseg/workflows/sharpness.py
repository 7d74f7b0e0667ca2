"""How sharp an image is, and each region of it: arrays in, numbers out.

The idea is that of Crété-Roffet et al. 2007 ("The blur effect"): blur changes a sharp image much and a blurred one
little, whatever it shows. It is asked of an image as a viewer sees it, reduced to ``SIDE`` pixels: a photograph of
twelve megapixels need not be sharp in each of them.
"""

from __future__ import annotations

import numpy as np

from carseg._arrays import Float32Array, Uint8Array
from carseg.images import resize
from carseg.masks import rle

SIDE = 640  # pixels of the longer side, at which sharpness is told
_WINDOW = 9  # pixels that are averaged to blur
_MARGIN = 0.05  # of a region's sides: its outline tells most
_GRAY = np.array([0.299, 0.587, 0.114], np.float32)


class Sharpness:
    """The sharpness of regions of an image.

    Args:
        rgb: uint8 (H, W, 3).
        region: x, y, width, height of what will be asked about, at most the whole image; it is seen at ``SIDE`` pixels.
    """

    def __init__(self, rgb: Uint8Array, region: rle.Box) -> None:
        left, top, right, bottom = self._frame = _with_margin(region, rgb.shape)
        self._scale = min(1.0, SIDE / max(right - left, bottom - top))
        size = max(1, round((bottom - top) * self._scale)), max(1, round((right - left) * self._scale))
        gray = resize(rgb[top:bottom, left:right], size) @ _GRAY
        self._changes = [_changes(gray, axis) for axis in (0, 1)]

    def of(self, box: rle.Box) -> float:
        """Return the sharpness of a box in the image, x, y, width, height: 0 (none) to 1; 0 where nothing is drawn.

        A blur to one side, as of a camera that moved, counts as much as one to all.
        """
        rows, columns = self._cells(box[1], box[3], 1), self._cells(box[0], box[2], 0)
        sums = ((lost[rows, columns].sum(), change[rows, columns].sum()) for lost, change in self._changes)
        return min(float(lost / change) if change > 0 else 0.0 for lost, change in sums)

    def _cells(self, start: int, length: int, axis: int) -> slice:
        """Return where a side of a box, with its margin, lies in the reduced image; axis 0 is across, 1 is down."""
        ends = start - _MARGIN * length, start + length + _MARGIN * length
        first, last = (max(0, round((end - self._frame[axis]) * self._scale)) for end in ends)
        return slice(first, last)


def _changes(gray: Float32Array, axis: int) -> tuple[Float32Array, Float32Array]:
    """Return how much of the differences of neighbours along an axis blur takes away, and the differences."""
    change = np.abs(np.diff(gray, axis=axis, append=np.take(gray, [-1], axis)))
    blurred = _mean_along(gray, axis)
    left = np.abs(np.diff(blurred, axis=axis, append=np.take(blurred, [-1], axis)))
    return np.maximum(change - left, 0), change


def _mean_along(gray: Float32Array, axis: int) -> Float32Array:
    """Return the mean of ``_WINDOW`` neighbours along an axis, those beyond the border being like it."""
    widths = [(0, 0), (0, 0)]
    widths[axis] = (_WINDOW // 2 + 1, _WINDOW // 2)
    sums = np.cumsum(np.pad(gray, widths, mode="edge"), axis, dtype=np.float64)
    ends, starts = (np.take(sums, range(at, at + gray.shape[axis]), axis) for at in (_WINDOW, 0))
    return ((ends - starts) / _WINDOW).astype(np.float32)


def _with_margin(box: rle.Box, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a box with some of what is around it, within the image."""
    x, y, width, height = box
    across, down = round(_MARGIN * width), round(_MARGIN * height)
    return max(0, x - across), max(0, y - down), min(shape[1], x + width + across), min(shape[0], y + height + down)
