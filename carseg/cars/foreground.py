"""The colours of a foreground along its soft edge, without the old background that is mixed into them.

Blur fusion: M. Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021. Colours of both sides are averaged
around a pixel, each weighted by its opacity, and then corrected so that mixing them gives the pixel again.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from carseg._arrays import Float32Array, Uint8Array

_TILE = 32  # pixels of a side of the squares that are looked at: those that have an edge in them
_RADII = (8, 1)  # pixels that colours are averaged over, first widely, then closely; for hair the paper has 90 and 6
_AT_ONCE = 32  # squares that are computed together
_LEAST = 1e-4  # of a weight that is divided by


def foreground_colors(rgb: Uint8Array, alpha: Uint8Array) -> Uint8Array:
    """Return the image with the foreground's own colours where it is neither opaque nor transparent, uint8 (H, W, 3).

    Args:
        rgb: uint8 (H, W, 3).
        alpha: opacity of the foreground, uint8 (H, W).
    """
    colors = rgb.copy()
    halo = sum(_RADII)
    inner = slice(halo, halo + _TILE)
    for rows, columns in _squares((alpha > 0) & (alpha < 255), halo):
        opacity = alpha[rows, columns][..., None].astype(np.float32) / np.float32(255)
        found = _unmixed(rgb[rows, columns].astype(np.float32), opacity)
        y, x = np.broadcast_arrays(rows[:, inner], columns[:, :, inner])
        soft = (opacity > 0)[:, inner, inner, 0] & (opacity < 1)[:, inner, inner, 0]
        colors[y[soft], x[soft]] = np.rint(found[soft]).astype(np.uint8)
    return colors


def _squares(soft: NDArray[np.bool_], halo: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield rows (N, S, 1) and columns (N, 1, S) of squares that have soft pixels, with what lies around them."""
    height, width = soft.shape
    padded = np.zeros([-(-side // _TILE) * _TILE for side in soft.shape], bool)
    padded[:height, :width] = soft
    down, across = (side // _TILE for side in padded.shape)
    found = np.argwhere(padded.reshape(down, _TILE, across, _TILE).any((1, 3)))
    reach = np.arange(-halo, _TILE + halo)
    for start in range(0, len(found), _AT_ONCE):
        top, left = (found[start : start + _AT_ONCE] * _TILE).T
        yield (
            (top[:, None, None] + reach[:, None]).clip(0, height - 1),
            (left[:, None, None] + reach).clip(0, width - 1),
        )


def _unmixed(image: Float32Array, alpha: Float32Array) -> Float32Array:
    """Return the foreground's colours, float32 (N, S - 2 halo, S - 2 halo, 3), of squares with their surroundings."""
    front = back = image
    for radius in _RADII:
        rest = 1 - alpha
        front, weight = _sums(front * alpha, radius), _sums(alpha, radius)
        back, other = _sums(back * rest, radius), _sums(rest, radius)
        front /= np.maximum(weight, _LEAST)
        back /= np.maximum(other, _LEAST)
        image, alpha = (each[:, radius:-radius, radius:-radius] for each in (image, alpha))
        front += alpha * (image - alpha * front - (1 - alpha) * back)
    return front.clip(0, 255)


def _sums(values: Float32Array, radius: int) -> Float32Array:
    """Return the sum over a square around each value that has one whole, axes 1 and 2 shorter by twice the radius.

    The radius is a power of two: sums of two, four, ... neighbours are each made of those before.
    """
    for before in (np.s_[:,], np.s_[:, :]):
        sums, width = values, 1
        while width <= radius:
            sums = sums[*before, :-width] + sums[*before, width:]
            width *= 2
        values = sums[*before, :-1] + values[*before, 2 * radius :]
    return values
