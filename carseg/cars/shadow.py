"""The shadow of a car on the ground, drawn after its outline alone: dark where it touches, softly ending around it.

The ground is the line that the outline rests on, from wheel to wheel, which is straight for cars seen from a side, an
end or a corner. Under it the light of the whole sky is missing, so the shadow has no direction.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from carseg._arrays import Uint8Array

Floats = NDArray[np.float64]

_DETAIL = 480  # cells of the car's width in which the shadow is computed: it is soft
# All else in shares of the car's width.
_GAP = 0.02  # how far the outline is off the ground somewhere between two wheels, at least
_DEPTH = 0.06  # how far the shade reaches behind the ground line
_LIFT = 0.05  # how high a bumper is over the ground where the shade under it is a third of that between wheels
_TOUCH = 0.012  # how near to the ground is what touches it
_RISE = 0.12  # of the ground beyond the wheels, at least, pixels per pixel
# Layers: blur across and down, since the ground is seen flat, and how dark they are at most.
_WIDE, _UNDER, _CONTACT = (0.03, 0.012, 0.3), (0.011, 0.005, 0.5), (0.004, 0.0022, 0.8)


def ground_shadow(alpha: Uint8Array) -> Uint8Array:
    """Return the opacity of a black shadow under a car, uint8 (H, W); nothing where there is no car.

    Args:
        alpha: opacity of the car, uint8 (H, W).
    """
    shadow = Image.fromarray(np.zeros_like(alpha))
    inside = alpha >= 128
    columns = np.flatnonzero(inside.any(0))
    if not columns.size:
        return np.asarray(shadow)
    lows = len(alpha) - np.argmax(inside[::-1], 0)[columns]
    left, length = int(columns[0]), int(columns[-1]) + 1 - int(columns[0])
    ground, between = _ground(columns, lows)
    clearance = ground - lows
    weight = np.where(between, 1, np.exp(-clearance / (_LIFT * length)))
    depth = np.where(between, clearance, 0) + _DEPTH * length * weight
    across, down = (round(4 * blur * length) for blur in _WIDE[:2])
    top, bottom = int((ground - depth).min()) - down, int(ground.max()) + down
    size = length + 2 * across, bottom - top
    cell = max(length / _DETAIL, 1.0)
    rows, cells = (round(pixels / cell) for pixels in (size[1], size[0]))
    at = (np.arange(cells) + 0.5) * cell - across + left
    line, reach, near, full = (np.interp(at, columns, each) for each in (ground - top, depth, clearance, weight))
    full *= (left <= at) & (at < left + length)
    drawn = _shade(rows, line / cell, reach / cell, full, full * np.exp(-near / (_TOUCH * length)), length / cell)
    shadow.paste(Image.fromarray(drawn).resize(size, Image.Resampling.BILINEAR), (left - across, top))
    return np.asarray(shadow)


def _ground(columns: NDArray[np.intp], lows: NDArray[np.intp]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return where the ground is in each column, on the line that the outline rests on, and which lie between wheels.

    From wheel to wheel that line bridges a gap. Beyond the wheels the outline is that of a bumper, and the ground goes
    on as it did between them, or gently rising.

    Args:
        columns: those of the car.
        lows: where it ends in each.
    """
    corners = _lower_hull(columns.tolist(), lows.tolist())
    ground = np.interp(columns, columns[corners], lows[corners])
    gap, length = ground - lows, columns[-1] + 1 - columns[0]
    bridges = [(a, b) for a, b in pairwise(corners) if gap[a : b + 1].max() > _GAP * length]
    widest = max(bridges, key=lambda bridge: bridge[1] - bridge[0], default=(0, 0))
    if widest[1] - widest[0] > length / 2:  # a car from the side: what else bridges a gap ends at a bumper
        bridges = [widest]
    lowest = int(np.argmax(lows))
    (first, then), (last_but_one, last) = (bridges[0], bridges[-1]) if bridges else [(lowest, lowest)] * 2
    for end, inner, beyond in ((first, then, slice(0, first)), (last, last_but_one, slice(last + 1, None))):
        away = abs(columns[beyond] - columns[end])
        rise = (lows[inner] - lows[end]) / max(abs(columns[inner] - columns[end]), 1)
        ground[beyond] = np.maximum(ground[beyond], lows[end] - max(rise, _RISE) * away)
    number = np.arange(columns.size)
    return ground, (first <= number) & (number <= last)


def _lower_hull(xs: list[int], ys: list[int]) -> list[int]:
    """Return which of the points, from left to right, are the corners of their hull's lower side; y runs downwards."""
    hull: list[int] = []
    for i in range(len(xs)):
        while len(hull) > 1:
            a, b = hull[-2:]
            if (ys[b] - ys[a]) * (xs[i] - xs[a]) > (ys[i] - ys[a]) * (xs[b] - xs[a]):
                break
            hull.pop()
        hull.append(i)
    return hull


def _shade(rows: int, line: Floats, depth: Floats, weight: Floats, touching: Floats, length: float) -> Uint8Array:
    """Return the shadow in cells, uint8: three layers, each darker, sharper and nearer to what touches the ground.

    Args:
        rows: how many there are.
        line: where the ground is in each column of cells.
        depth: how far the shade reaches behind it.
        weight: 0..1, how much of the shade there is.
        touching: 0..1, how much of that touches the ground.
        length: that of the car.
    """
    y = np.arange(rows)[:, None] + 0.5
    before = (line - y + 0.5).clip(0, 1)
    light = np.ones(before.shape)
    for (across, down, darkness), share, reach in (
        (_WIDE, weight, depth),
        (_UNDER, weight, depth),
        (_CONTACT, touching, _TOUCH * length),
    ):
        drawn = before * (y - line + reach + 0.5).clip(0, 1) * share
        layer = Image.fromarray(np.rint(255 * drawn).astype(np.uint8))
        blurred = layer.filter(ImageFilter.GaussianBlur((across * length, down * length)))
        light *= 1 - darkness / 255 * np.asarray(blurred)
    return np.rint(255 * (1 - light)).astype(np.uint8)
