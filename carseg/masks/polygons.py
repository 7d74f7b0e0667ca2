"""Outlines of a mask as polygons, exact to the pixel, with every piece and every hole.

Vertices lie on pixel *corners* (0..W, 0..H), not on pixel centres, so that drawing the rings again gives the mask
they came from. Pixels that touch by a corner only belong to different pieces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ring = list[list[int]]  # [[x, y], ...]; the last vertex is joined to the first


def rings(mask: NDArray[Any], offset: tuple[int, int] = (0, 0)) -> list[Ring]:
    """Return all outlines of a mask (H, W), moved by ``offset`` (x, y) pixels, from top to bottom.

    Each ring begins at its uppermost corner. A point is inside the mask where it lies within an odd number of rings.
    Outer rings run clockwise as seen on the screen, the rings of holes the other way round, so that filling by winding
    number gives the same mask.
    """
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

    Readers unite the polygons, so a hole cannot be one of its own: it is joined to the ring above it by a vertical cut
    of no width, which does not show when it is rasterized.
    """
    holes = [number for number, ring in enumerate(outlines) if _is_hole(ring)]
    cuts = _cuts(outlines, holes) if holes else {}
    outer = (number for number, ring in enumerate(outlines) if not _is_hole(ring))
    return [_walk(outlines, number, cuts) for number in outer]


def _is_hole(ring: Ring) -> bool:
    # A hole runs downwards from its uppermost corner, an outer ring to the right.
    return ring[0][0] == ring[1][0]


def _cuts(outlines: list[Ring], holes: list[int]) -> dict[tuple[int, int], list[int]]:
    """Return the holes to join to each edge, in the edge's direction; an edge is a ring's number and its vertex's."""
    owner = np.repeat(np.arange(len(outlines)), [len(ring) for ring in outlines])
    vertex = np.concatenate([np.arange(len(ring)) for ring in outlines])
    x, y = np.concatenate([np.array(ring) for ring in outlines]).T
    end, level = np.concatenate([np.roll(np.array(ring), -1, axis=0) for ring in outlines]).T
    left, right = np.minimum(x, end), np.maximum(x, end)
    found: dict[tuple[int, int], list[int]] = {}
    for hole in holes:
        column, top = outlines[hole][0]
        above = (left <= column) & (column < right) & (y == level) & (y < top)
        edge = int(np.argmax(np.where(above, y, -1)))
        found.setdefault((int(owner[edge]), int(vertex[edge])), []).append(hole)
    for (number, corner), hanging in found.items():
        ring = outlines[number]
        to_the_right = ring[corner][0] < ring[(corner + 1) % len(ring)][0]
        hanging.sort(key=lambda hole: outlines[hole][0][0], reverse=not to_the_right)
    return found


def _walk(outlines: list[Ring], number: int, cuts: dict[tuple[int, int], list[int]]) -> list[int]:
    """Return the vertices of an outer ring and, by way of the cuts, of the holes joined to it, as x, y, x, y, ..."""
    path: list[int] = []
    # Vertices to continue from, and points to pass on the way back through a cut.
    pending: list[tuple[int, int] | list[int]] = [(number, 0)]
    while pending:
        step = pending.pop()
        if isinstance(step, list):
            path += step
            continue
        ring_number, corner = step
        ring = outlines[ring_number]
        path += ring[corner]
        if corner + 1 < len(ring):
            pending.append((ring_number, corner + 1))
        for hole in reversed(cuts.get(step, [])):
            x, y = outlines[hole][0]
            foot = [x, ring[corner][1]]
            pending += [[x, y, *foot], (hole, 0), foot]
    return path


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
