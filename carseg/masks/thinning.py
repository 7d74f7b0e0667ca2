"""Which vertices the outlines of a coverage keep, and where these go, so that few follow the regions closely.

``shapely.coverage_simplify`` gives the order in which vertices are left out. Edges between the others lie on the inner
side of each curve. So vertices are moved until every edge cuts off as much of a region as it adds, and fewer vertices
are enough. Those where three borders meet stay. Needs shapely (the extra ``label``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]

# Intersection over union of each region with its smooth outline. Drawing the outline again rounds it to pixels: a small
# region may lose more by that, this share of the root of its pixels.
_LEAST_IOU = 0.981
_ROUNDING = 0.13
# Tolerances that are tried, in pixels: beyond the last a region of a thousand pixels a side has lost its shape.
_TOLERANCES = [0.35 * 1.1**step for step in range(66)]
_STRIDES = (4, 2, 1)  # in so many steps of these at once
_ROUNDS = 12  # of moving all vertices
_FARTHEST = 0.4  # of its shorter edge is a vertex moved
SIDE = 1 << 20  # more than an image has pixels a side: x and y become one number


def thinned(smooth: NDArray[Any], owner: Indices, count: int) -> NDArray[Any]:
    """Return a coverage with as few vertices as each region bears.

    All regions become coarser together, step by step, until one of them would be too coarse. It stays as it is then,
    with its borders, and the others go on: a large one is coarse but for its border with a small one.

    Args:
        smooth: shapely's polygons; their coordinates are doubled, and whole numbers. Neighbours have the same vertices.
        owner: the region of each, 0 to ``count`` - 1.
        count: number of regions.
    """
    import shapely

    outlines = _Outlines(smooth)
    left_at = outlines.left_at(smooth)
    region = owner[outlines.polygon[outlines.ring]]  # of each point
    pixels = np.bincount(owner, shapely.area(smooth), count) / 4
    least = np.minimum(_LEAST_IOU + _ROUNDING / np.sqrt(np.maximum(pixels, 1)), 1 - 1e-9)
    steps, chosen = np.zeros(count, int), smooth
    for stride in _STRIDES:
        rising = steps + stride <= len(_TOLERANCES)
        while rising.any():
            wanted = np.full(len(left_at), len(_TOLERANCES))
            np.minimum.at(wanted, outlines.vertex, (steps + stride * rising)[region])
            coarser, crossing = outlines.balanced(left_at >= wanted)
            too_coarse = _iou(smooth, coarser, owner, count) < least
            too_coarse[owner[crossing]] = True
            if too_coarse.any():
                rising &= ~_to_stop(too_coarse, rising, region, outlines.vertex)
            else:
                chosen = coarser
                steps += stride * rising
                rising &= steps + stride <= len(_TOLERANCES)
    return chosen


def _to_stop(too_coarse: Flags, rising: Flags, region: Indices, vertex: Indices) -> Flags:
    """Return which of the rising regions are to stop: those too coarse, else their neighbours, else all."""
    shared = np.isin(vertex, vertex[too_coarse[region]])
    beside = np.isin(np.arange(len(rising)), region[shared])
    return next(stop for stop in (too_coarse, beside, rising) if (stop & rising).any())


def _iou(before: NDArray[Any], after: NDArray[Any], owner: Indices, count: int) -> Floats:
    """Return the intersection over union of each region with what has become of it; of invalid polygons nothing is."""
    import shapely

    valid = shapely.is_valid(after)
    kept = np.zeros(len(after))
    kept[valid] = shapely.area(shapely.intersection(before[valid], after[valid]))
    common = np.bincount(owner, kept, count)
    both = np.bincount(owner, shapely.area(before) + shapely.area(after), count) - common
    return np.asarray(common / np.maximum(both, 1))


class _Outlines:
    """The rings of polygons as arrays.

    Attributes:
        polygon: the polygon of each ring; its outer one comes first.
        ring: the ring of each point.
        points: x and y, (N, 2); no ring has one twice.
        vertex: which of the places each point is; neighbours share them.
        places: x and y of each vertex.
    """

    def __init__(self, polygons: NDArray[Any]) -> None:
        import shapely

        rings, self.polygon = shapely.get_rings(polygons, return_index=True)
        points, ring = shapely.get_coordinates(rings, return_index=True)
        closing = np.r_[ring[1:] != ring[:-1], True]
        self.points, self.ring = points[~closing], ring[~closing]
        self.keys, first, self.vertex = np.unique(keys_of(self.points), return_index=True, return_inverse=True)
        self.places = self.points[first]
        cross = _cross(self.points, self.points[self._following(np.arange(len(self.points)))])
        self._swept = np.r_[0, np.cumsum(cross)]
        self._whole = np.bincount(self.ring, cross)

    def left_at(self, smooth: NDArray[Any]) -> NDArray[np.int64]:
        """Return the last of the steps at which each vertex is there."""
        import shapely

        left_at = np.zeros(len(self.keys), int)
        coarse = smooth
        for step, tolerance in enumerate(_TOLERANCES, start=1):
            coarse = shapely.coverage_simplify(coarse, 2 * tolerance)
            left_at[self.keys.searchsorted(keys_of(shapely.get_coordinates(coarse)))] = step
        return left_at

    def balanced(self, kept: Flags) -> tuple[NDArray[Any], Flags]:
        """Return the polygons with those of the vertices alone that are kept, moved, and which of them cross."""
        import shapely

        chosen = np.flatnonzero(kept[self.vertex])
        corners = np.bincount(self.ring[chosen], minlength=len(self.polygon))
        chosen = chosen[corners[self.ring[chosen]] > 2]  # else it is a hole no more
        still = np.zeros(len(kept), bool)
        for _ in range(3):
            polygons = self._polygons(chosen, self._moved(chosen, still))
            crossing = ~(shapely.is_valid(polygons) & shapely.is_empty(shapely.coverage_invalid_edges(polygons)))
            if not crossing.any():
                break
            still[self.vertex[crossing[self.polygon[self.ring]]]] = True
        return polygons, crossing

    def _moved(self, chosen: Indices, still: Flags) -> Floats:
        """Return where each vertex goes, so that edges cut off as much as they add; those that are ``still`` stay.

        An edge that is off by a distance, in the mean, is put right by moving its two vertices across it. Each vertex
        goes where its two edges are off least, given the others; again and again.
        """
        start, end, off = self._edges(chosen)
        edge = self.places[end] - self.places[start]
        length = np.hypot(*edge.T)
        across = np.stack([-edge[:, 1], edge[:, 0]], 1) / length[:, None]
        both = np.concatenate([start, end])
        weights = np.zeros((len(still), 2, 2)) + np.eye(2)  # keeps what no edge asks to move
        np.add.at(weights, both, np.tile(length[:, None, None] * across[:, :, None] * across[:, None], (2, 1, 1)))
        free = ((np.bincount(both, minlength=len(still)) == 2) & ~still)[:, None]
        solved, moves = np.linalg.inv(weights), np.zeros_like(self.places)
        for _ in range(_ROUNDS):
            lacking = off - length * (across * (moves[start] + moves[end])).sum(1) / 2
            pulls = -moves
            np.add.at(pulls, both, np.tile(across * lacking[:, None], (2, 1)))
            moves += free * (solved @ pulls[:, :, None])[:, :, 0]
        shortest = np.full(len(still), np.inf)
        np.minimum.at(shortest, both, np.tile(length, 2))
        moves *= np.minimum(1, _FARTHEST * shortest / np.maximum(np.hypot(*moves.T), 1e-9))[:, None]
        return np.asarray(np.clip(self.places + moves, self.points.min(0), self.points.max(0)).round(1))

    def _edges(self, chosen: Indices) -> tuple[Indices, Indices, Floats]:
        """Return the edges between chosen points, once each: two vertices, and the area left of it that is lacking."""
        following = chosen[self._following(chosen)]
        swept = self._swept[following] - self._swept[chosen]
        swept += np.where(following <= chosen, self._whole[self.ring[chosen]], 0)
        off = (_cross(self.points[chosen], self.points[following]) - swept) / 2
        start, end = self.vertex[chosen], self.vertex[following]
        back = start > end
        start, end = np.where(back, end, start), np.where(back, start, end)
        _, once = np.unique(start * len(self.places) + end, return_index=True)
        return start[once], end[once], np.where(back, -off, off)[once]

    def _following(self, chosen: Indices) -> Indices:
        """Return for each of the chosen points which of them follows in its ring."""
        ring = self.ring[chosen]
        last = np.flatnonzero(np.r_[ring[1:] != ring[:-1], True])
        following = np.arange(1, len(chosen) + 1)
        following[last] = np.r_[0, last[:-1] + 1]
        return following

    def _polygons(self, chosen: Indices, places: Floats) -> NDArray[Any]:
        import shapely

        which, ring = np.unique(self.ring[chosen], return_inverse=True)
        rings = shapely.linearrings(places[self.vertex[chosen]], indices=ring)
        return np.asarray(shapely.polygons(rings, indices=self.polygon[which]))


def _cross(first: Floats, second: Floats) -> Floats:
    return np.asarray(first[:, 0] * second[:, 1] - second[:, 0] * first[:, 1])


def keys_of(points: Floats) -> NDArray[np.int64]:
    """Return x and y of points (N, 2), whole numbers, as one number each."""
    x, y = points.T.astype(np.int64)
    return np.asarray(y * SIDE + x)
