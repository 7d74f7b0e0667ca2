"""Motion between two small images: for each pixel where it was before. Arrays in, arrays out, numpy only.

Dense optical flow after Lucas and Kanade (1981) on a pyramid (Bouguet 2001), at the resolution of a network's answers:
there it takes some milliseconds, so that no extra is needed for it as large as OpenCV, whose flows are more exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carseg._arrays import Float32Array, Uint8Array
from carseg.images import resize

_SMALLEST = 12  # pixels of the shorter side of the coarsest level
_STEPS = 3  # of each level
_REACH = 2  # pixels around one that are taken to move as it does
_APART = 4  # pixels between a motion and those beside it
_FLAT = 8.0  # squared slopes, in grey values, below which nothing is seen to move
_LESS = 0.8  # of what rest leaves unexplained: a motion that explains little more fits noise


def find_motion(before: Uint8Array, after: Uint8Array) -> Float32Array:
    """Return where each pixel of an image was in the one before, relative to where it is: float32 (2, h, w), y and x.

    Args:
        before: uint8 (h, w, 3).
        after: uint8 (h, w, 3), as large.
    """
    flow = np.zeros((2, 1, 1), np.float32)
    for old, new in reversed(list(zip(_pyramid(before), _pyramid(after), strict=True))):
        flow = stretched_motion(flow, (new.shape[0], new.shape[1]))
        for _ in range(_STEPS):
            flow = flow + _step(old, new, flow)
        flow = _median(flow)
    return _best(before, after, flow)


def unexplained(before: Uint8Array, after: Uint8Array, flow: Float32Array) -> Float32Array:
    """Return by how much the surroundings of each pixel differ from where they were, float32 (h, w), in grey values."""
    old = warp(before.transpose(2, 0, 1).astype(np.float32), flow)
    return _around(abs(old - after.transpose(2, 0, 1)).mean(0), 1)


def warp(planes: Float32Array, flow: Float32Array) -> Float32Array:
    """Return planes, float32 (C, h, w), with each pixel as it was where a motion says that it was, bilinear."""
    height, width = planes.shape[1:]
    y = (np.arange(height, dtype=np.float32)[:, None] + flow[0]).clip(0, height - 1)
    x = (np.arange(width, dtype=np.float32) + flow[1]).clip(0, width - 1)
    top, left = y.astype(np.intp), x.astype(np.intp)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, across = y - top, x - left
    upper = planes[:, top, left] * (1 - across) + planes[:, top, right] * across
    lower = planes[:, bottom, left] * (1 - across) + planes[:, bottom, right] * across
    warped: Float32Array = upper + (lower - upper) * down
    return warped


def stretched(planes: Float32Array, size: tuple[int, int]) -> Float32Array:
    """Return planes, float32 (C, h, w), on a grid of ``size`` (height, width), bilinear."""
    if planes.shape[1:] == size:
        return planes
    size_of_pillow, how = size[::-1], Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(plane).resize(size_of_pillow, how)) for plane in planes])


def stretched_motion(flow: Float32Array, size: tuple[int, int]) -> Float32Array:
    """Return a motion on a grid of ``size`` (height, width), in pixels of that."""
    scale = np.array([size[0] / flow.shape[1], size[1] / flow.shape[2]], np.float32)
    return stretched(flow, size) * scale[:, None, None]


def inside(flow: Float32Array) -> NDArray[np.bool_]:
    """Return which pixels were in the image before, bool (h, w)."""
    height, width = flow.shape[1:]
    y, x = np.arange(height)[:, None] + flow[0], np.arange(width) + flow[1]
    return np.asarray((y >= -0.5) & (y <= height - 0.5) & (x >= -0.5) & (x <= width - 0.5))


def _pyramid(rgb: Uint8Array) -> list[Float32Array]:
    """Return an image in grey, and smaller by half again and again."""
    levels = [_grey(rgb)]
    height, width = rgb.shape[:2]
    while min(height, width) >= 2 * _SMALLEST:
        height, width = height // 2, width // 2
        levels.append(_grey(resize(rgb, (height, width))))
    return levels


def _grey(rgb: Uint8Array) -> Float32Array:
    return rgb.mean(2, dtype=np.float32)


def _step(before: Float32Array, after: Float32Array, flow: Float32Array) -> Float32Array:
    """Return what is to be added to a motion so that it explains more: the least squares of each surrounding."""
    old = warp(before[None], flow)[0]
    slope_y, slope_x = np.gradient((old + after) / 2)
    left = after - old
    yy, xx = (_around(slope * slope, _REACH) + _FLAT for slope in (slope_y, slope_x))
    yx = _around(slope_y * slope_x, _REACH)
    y, x = _around(slope_y * left, _REACH), _around(slope_x * left, _REACH)
    step: Float32Array = np.stack([xx * y - yx * x, yy * x - yx * y]) / (yy * xx - yx * yx)
    return step.clip(-1, 1)


def _best(before: Uint8Array, after: Uint8Array, flow: Float32Array) -> Float32Array:
    """Return of each pixel's motion, rest and the motions beside it the one that explains most.

    At the edge of what moves those of both sides were found as one.
    """
    best = np.zeros_like(flow)
    least = _LESS * unexplained(before, after, best)
    for down, right in ((0, 0), (-_APART, 0), (_APART, 0), (0, -_APART), (0, _APART)):
        beside = np.roll(flow, (down, right), (1, 2))
        left = unexplained(before, after, beside)
        best = np.where(left < least, beside, best)
        least = np.minimum(left, least)
    return best


def _around(plane: Float32Array, reach: int) -> Float32Array:
    """Return the mean of the square around each pixel."""
    side = 2 * reach + 1
    sums = np.cumsum(np.pad(plane, ((reach + 1, reach), (reach, reach)), mode="edge"), 0, dtype=np.float64)
    sums = np.cumsum(np.pad(sums[side:] - sums[:-side], ((0, 0), (1, 0))), 1)
    return ((sums[:, side:] - sums[:, :-side]) / side**2).astype(np.float32)


def _median(flow: Float32Array) -> Float32Array:
    """Return the median of the nine motions around each pixel."""
    padded = np.pad(flow, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    return np.sort(around.reshape(*flow.shape, 9), 3)[..., 4]
