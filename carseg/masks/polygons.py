"""Outlines of a mask as polygons, exact to the pixel, with every piece and every hole.

Vertices lie on pixel *corners* (0..W, 0..H), not on pixel centres, so that drawing the rings again gives the mask
they came from. Pixels that touch by a corner only belong to different pieces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from carseg.masks.coverage import Ring, flat, nested, simplify


def rings(mask: NDArray[Any], offset: tuple[int, int] = (0, 0), tolerance: float | None = 0) -> list[Ring]:
    """Return all outlines of a mask (H, W), moved by ``offset`` (x, y) pixels, from top to bottom.

    Each ring begins at its uppermost corner. A point is inside the mask where it lies within an odd number of rings.
    Outer rings run clockwise as seen on the screen, the rings of holes the other way round, so that filling by winding
    number gives the same mask.

    Args:
        mask: its set pixels are those that are not 0.
        offset: x and y in pixels.
        tolerance: as for ``coverage.simplify``: 0 for outlines exact to the pixel, of which the above is true.

    Raises:
        MissingExtraError: shapely, which simplifies, is not installed.
        OptionError: a negative tolerance.
    """
    [polygons] = simplify([exact := _exact_rings(mask, offset)], tolerance)
    return [ring for polygon in polygons for ring in polygon] if tolerance != 0 else exact


def _exact_rings(mask: NDArray[Any], offset: tuple[int, int]) -> list[Ring]:
    inside = np.pad(np.asarray(mask) != 0, 1)
    x, y, beside, along = _corners(inside)
    found: list[Ring] = []
    seen = np.zeros(x.size, bool).tolist()
    xs, ys = (x + offset[0]).tolist(), (y + offset[1]).tolist()
    # Read at a ring's first corner only: a hole's has an unset pixel to its lower right.
    hole = (~inside[y + 1, x + 1]).tolist()
    for first in range(x.size):
        if seen[first]:
            continue
        ring: Ring = []
        corner = first
        while not seen[corner]:
            other = beside[corner]
            seen[corner] = seen[other] = True
            ring += [[xs[corner], ys[corner]], [xs[other], ys[other]]]
            corner = along[other]
        found.append([ring[0], *ring[:0:-1]] if hole[first] else ring)
    return found


def coco_segmentation(outlines: list[Ring]) -> list[list[int]]:
    """Return the outlines of ``rings`` as COCO's polygons ``[[x0, y0, x1, y1, ...], ...]``.

    Readers unite the polygons, so a hole cannot be one of its own: it is joined to its outline by a cut of no width.
    """
    return flat(nested(outlines))


def _corners(inside: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], list[int], list[int]]:
    """Return the corners of the outlines, by rows: x, y and the index of the neighbour along the row and the column.

    A corner lies where an odd number of the four pixels around it is set. Where two are set that touch by this corner
    only, two corners lie at the same point. Along each row, and each column, successive corners then form pairs.
    """
    upper_left, upper_right = inside[:-1, :-1], inside[:-1, 1:]
    lower_left, lower_right = inside[1:, :-1], inside[1:, 1:]
    diagonal = (upper_left == lower_right) & (upper_right == lower_left) & (upper_left != upper_right)
    odd = upper_left ^ upper_right ^ lower_left ^ lower_right
    y, x = np.nonzero(odd | diagonal)
    twice = diagonal[y, x]
    # Of two corners at one point the first ends the edge from the left. It goes on upwards around a pixel at the upper
    # left, downwards around one at the lower left; on its column it then is the first, or the second, of the two.
    upwards = np.repeat(upper_left[y, x], twice + 1)
    y, x = np.repeat(y, twice + 1), np.repeat(x, twice + 1)
    second = np.zeros(x.size, bool)
    second[1:] = (x[1:] == x[:-1]) & (y[1:] == y[:-1])
    by_column = np.lexsort((second == upwards, y, x))
    beside = np.arange(x.size) ^ 1
    along = np.empty(x.size, np.intp)
    along[by_column] = by_column[beside]
    return x, y, beside.tolist(), along.tolist()


def edge_pixels(inside: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return row and column, (N, 2), of the pixels of a mask (H, W) that are unlike the one above or to the left."""
    edge = np.zeros(inside.shape, bool)
    edge[1:] |= inside[1:] != inside[:-1]
    edge[:, 1:] |= inside[:, 1:] != inside[:, :-1]
    return np.argwhere(edge)
