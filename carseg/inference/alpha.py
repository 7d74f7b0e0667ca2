"""How opaque the foreground is in each pixel: soft along its outline, which the network knows finer than the mask.

numpy only. The outline is where foreground and rest are equally probable. How much of a pixel it leaves to the
foreground follows from its distance, and that from the log-odds and their gradient, as in a signed distance field: so
the width of the edge does not depend on how sure the network is, which a probability as opacity would make it do.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from carseg._arrays import Float16Array, Float32Array, Uint8Array
from carseg.inference.preprocess import stretch

_REACH = 2  # pixels on each side of the mask's outline that may be neither opaque nor transparent
_SOFTNESS = 1.0  # pixels from the outline to where all is opaque, and to where all is transparent
_LARGEST = 3e4  # log-odds that float16 can hold
_LEAST_SLOPE = 1e-6  # of the log-odds per pixel


def log_odds(log_probabilities: Float32Array, foreground: Collection[int]) -> Float16Array | None:
    """Return the log-odds of the foreground's most probable class against that of all else, float16 (h, w).

    Above 0 is where the mask has the foreground. None where either has no class.

    Args:
        log_probabilities: float32 (C, h, w).
        foreground: its label ids.
    """
    inside = np.isin(np.arange(len(log_probabilities)), list(foreground))
    if inside.all() or not inside.any():
        return None
    here, elsewhere = (log_probabilities[which].max(0) for which in (inside, ~inside))
    return np.clip(here - elsewhere, -_LARGEST, _LARGEST).astype(np.float16)


def soft_alpha(inside: NDArray[np.bool_], odds: Float16Array | None) -> Uint8Array:
    """Return the opacity of the foreground, uint8 (H, W): 128 and more where the mask has it, less elsewhere.

    Args:
        inside: bool (H, W), where the mask has the foreground.
        odds: what ``log_odds`` returns, on a grid that is stretched over the mask; None gives 255 and 0 alone.
    """
    alpha = inside.astype(np.uint8) * np.uint8(255)
    if odds is None:
        return alpha
    rows, columns = np.nonzero(_outline(inside))
    distance = _distance(odds.astype(np.float32), rows, columns, inside.shape)
    soft = np.rint((0.5 + distance / (2 * _SOFTNESS)).clip(0, 1) * 255).astype(np.uint8)
    kept = inside[rows, columns]  # the mask has the last word: it was cleaned, and interpolated class by class
    soft = np.where(kept, np.maximum(soft, 128), np.minimum(soft, 127))
    known = np.where(kept, distance > -_REACH, distance < _REACH)
    alpha[rows[known], columns[known]] = soft[known]
    return alpha


def _outline(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pixels lie within ``_REACH`` of the outline, counted along rows and columns."""
    band = np.zeros_like(inside)
    for axis in (0, 1):
        turned, of_band = (inside, band) if axis == 0 else (inside.T, band.T)
        changes = turned[1:] != turned[:-1]
        of_band[1:] |= changes
        of_band[:-1] |= changes
    for _ in range(_REACH - 1):
        grown = band.copy()
        grown[1:] |= band[:-1]
        grown[:-1] |= band[1:]
        grown[:, 1:] |= band[:, :-1]
        grown[:, :-1] |= band[:, 1:]
        band = grown
    return band


def _distance(
    odds: Float32Array, rows: NDArray[np.intp], columns: NDArray[np.intp], size: tuple[int, ...]
) -> Float32Array:
    """Return how many pixels the outline lies from the given ones, to first order; above 0 in the foreground."""
    height, width = odds.shape
    down, across = stretch((height, width), (size[0], size[1]))
    y0, y1, fy = (tap[rows] for tap in down)
    x0, x1, fx = (tap[columns] for tap in across)
    upper_left, upper_right, lower_left, lower_right = odds[y0, x0], odds[y0, x1], odds[y1, x0], odds[y1, x1]
    upper, lower = upper_left + (upper_right - upper_left) * fx, lower_left + (lower_right - lower_left) * fx
    left, right = upper_left + (lower_left - upper_left) * fy, upper_right + (lower_right - upper_right) * fy
    slope = np.hypot((lower - upper) * (height / size[0]), (right - left) * (width / size[1]))
    value = upper + (lower - upper) * fy
    return value / np.maximum(slope, _LEAST_SLOPE)
