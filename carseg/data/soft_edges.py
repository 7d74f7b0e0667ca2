"""Soft edges in label images: values between those of two classes, where a mask was resized, blurred or compressed.

They are no classes, though they look like it: few pixels, none amid its equals, and all between lower and higher ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from carseg.labels import IGNORE

_MOST_FLAT = 0.02  # of a soft value's pixels, those whose neighbours are all the same; a class has most of its own so
_LEAST_BETWEEN = 0.9  # of its pixels, those with lower and higher ones at most two pixels away
_MOST = 0.1  # of all pixels
_FEWEST = 8  # pixels of all soft values together: less is chance


def soft_values(masks: Iterable[NDArray[np.integer]], named: Collection[int] = ()) -> tuple[list[int], float]:
    """Return the values that only soft edges have, in order, and their share of the pixels; no values where none are.

    A class of lines that is as thin as an edge is taken for one only where it lies between lower and higher values.

    Args:
        masks: labels as stored, integers (H, W); values outside 0..255 are not looked at.
        named: values that are classes for certain.
    """
    pixels, flat, between = np.zeros((3, IGNORE + 1), np.int64)
    for mask in masks:
        least, most = _extremes(mask, 1)
        lowest, highest = _extremes(mask, 2)
        inside = (mask >= 0) & (mask <= IGNORE)
        for counts, chosen in ((pixels, inside), (flat, least == most), (between, (lowest < mask) & (mask < highest))):
            counts += np.bincount(mask[inside & chosen].ravel(), minlength=IGNORE + 1)
    soft = (pixels > 0) & (flat <= _MOST_FLAT * pixels) & (between >= _LEAST_BETWEEN * pixels)
    soft &= pixels <= _MOST * pixels.sum()
    soft[list(named)] = False
    if pixels[soft].sum() < _FEWEST:
        return [], 0.0
    return np.flatnonzero(soft).tolist(), float(pixels[soft].sum() / pixels.sum())


def _extremes(mask: NDArray[np.integer], reach: int) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return the least and the largest value at most ``reach`` pixels away in both directions, each (H, W)."""
    least = most = mask
    for axis in (0, 1):
        padding = [(reach, reach) if axis == side else (0, 0) for side in (0, 1)]
        low, high = np.pad(least, padding, mode="edge"), np.pad(most, padding, mode="edge")
        for shift in range(2 * reach + 1):
            window = (slice(shift, shift + mask.shape[axis]), slice(None))[:: 1 if axis == 0 else -1]
            least = low[window] if shift == 0 else np.minimum(least, low[window])
            most = high[window] if shift == 0 else np.maximum(most, high[window])
    return least, most
