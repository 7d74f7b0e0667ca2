"""Outlines of the regions of one mask, simplified together: neighbours keep one common border, so no gap opens.

A slanting border is a flight of stairs of pixels. First the line through the middles of its steps takes its place, then
``shapely.coverage_simplify`` leaves out vertices: by a tolerance that is given, or as ``thinning`` chooses
them. Needs shapely (the extra ``label``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carseg.errors import OptionError, require_extra
from carseg.masks.thinning import SIDE, keys_of, thinned

if TYPE_CHECKING:
    pass

Ring = list[list[Any]]  # [[x, y], ...]; the last vertex is joined to the first
Polygon = list[Ring]  # an outline, then the holes in it

_RISER = 1
_PAIRS = 10_000_000  # distances that are held at once


def nested(rings: Sequence[Ring]) -> list[Polygon]:
    """Return the rings of ``polygons.rings`` as polygons: each outer ring with the rings of its holes."""
    if len(rings) <= 1:
        return [[ring] for ring in rings]
    owner = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    x, y = np.concatenate([np.array(ring) for ring in rings]).T
    end, level = np.concatenate([np.roll(np.array(ring), -1, axis=0) for ring in rings]).T
    left, right = np.minimum(x, end), np.maximum(x, end)
    polygons: dict[int, Polygon] = {}
    outer = list(range(len(rings)))
    for number, ring in enumerate(rings):
        # A hole runs downwards from its uppermost corner, an outer ring to the right. Above a hole comes its outer
        # ring, or another of its holes, which begins further up and so came before.
        if ring[0][0] != ring[1][0]:
            polygons[number] = [ring]
            continue
        column, top = ring[0]
        above = (left <= column) & (column < right) & (y == level) & (y < top)
        outer[number] = outer[owner[np.argmax(np.where(above, y, -1))]]
        polygons[outer[number]].append(ring)
    return list(polygons.values())


def joined(polygon: Polygon) -> Ring:
    """Return one ring for formats without holes: each hole is joined by a cut of no width, which drawing does not show.

    The cut goes there and back between the nearest vertices, so that a point is within an odd number of windings of
    the ring where it is in the polygon.
    """
    path = list(polygon[0])
    for hole in polygon[1:]:
        some = hole[:: 1 + len(path) * len(hole) // _PAIRS]
        gaps: NDArray[Any] = np.array(path)[:, None] - np.array(some)
        place, nearest = np.unravel_index(np.argmin((gaps**2).sum(-1)), (len(path), len(some)))
        first = hole.index(some[nearest])
        path[place + 1 : place + 1] = [*hole[first:], *hole[:first], hole[first], path[place]]
    return path


def flat(polygons: Iterable[Polygon]) -> list[list[Any]]:
    """Return polygons as COCO has them, ``[[x0, y0, x1, y1, ...], ...]``, holes joined to their outlines."""
    return [[side for corner in joined(polygon) for side in corner] for polygon in polygons]


def simplify(regions: Sequence[Sequence[Ring]], tolerance: float | None = None) -> list[list[Polygon]]:
    """Return the polygons of each region of a mask, with fewer vertices.

    Args:
        regions: the rings of each, as ``polygons.rings`` returns them; no two cover the same pixel.
        tolerance: corners are cut off whose triangles cover less than its square, in pixels; 0: none, which needs no
            shapely. None: as many as leave each region an intersection over union of 98 % with its pixels.

    Raises:
        MissingExtraError: shapely is not installed.
        OptionError: a negative tolerance.
    """
    if tolerance is not None and not tolerance >= 0:
        raise OptionError(f"tolerance must be 0 or more, in pixels, got {tolerance}")
    if tolerance == 0 or not any(regions):
        return [nested(rings) for rings in regions]
    require_extra("shapely", "label", "simplifying polygons")
    import shapely

    smooth, owner = _coverage(regions)
    if tolerance is None:
        coarse = thinned(smooth, owner, len(regions))
    else:
        coarse = shapely.coverage_simplify(smooth, 2 * tolerance)
    found: list[list[Polygon]] = [[] for _ in regions]
    for geometry, region in zip(coarse, owner, strict=True):
        if not geometry.is_empty:
            rings = [geometry.exterior, *geometry.interiors]
            found[region].append([(shapely.get_coordinates(ring)[:-1] / 2).tolist() for ring in rings])
    return found


def _coverage(regions: Sequence[Sequence[Ring]]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the polygons of all regions, with smooth stairs, and the region of each.

    Their coordinates are doubled. Along a common border neighbours have the same vertices.
    """
    import shapely

    polygons = [(number, polygon) for number, rings in enumerate(regions) for polygon in nested(rings)]
    sizes = [len(polygon) for _, polygon in polygons]
    dense = _with_common_vertices([ring for _, polygon in polygons for ring in polygon])
    smooth = _shapes(_with_smooth_stairs(dense), sizes)
    if not (shapely.is_valid(smooth).all() and shapely.coverage_is_valid(smooth)):  # stairs a pixel apart may meet
        smooth = _shapes([[[2 * x, 2 * y] for x, y in ring] for ring in dense], sizes)
    return smooth, np.array([number for number, _ in polygons])


def _shapes(rings: Sequence[Ring], sizes: Sequence[int]) -> NDArray[Any]:
    """Return shapely's polygons of the rings, so many of which belong to each."""
    import shapely

    shapes, following = [], iter(rings)
    for size in sizes:
        simple = [loop for ring in itertools.islice(following, size) for loop in _without_touching_itself(ring)]
        outer = max(range(len(simple)), key=lambda place: _signed_area(simple[place]))
        shapes.append(shapely.Polygon(simple[outer], [*simple[:outer], *simple[outer + 1 :]]))
    return np.array(shapes)


def _with_common_vertices(rings: Iterable[Ring]) -> list[Ring]:
    """Return the rings with a vertex wherever another ring has one on their edges."""
    rings = list(rings)
    points = np.concatenate([np.array(ring) for ring in rings])
    by_row, by_column = (np.unique(points[:, 1 - i] * SIDE + points[:, i]) for i in (0, 1))
    found = []
    for ring in rings:
        dense: Ring = []
        for (x, y), (end, level) in zip(ring, [*ring[1:], ring[0]], strict=True):
            flat = y == level
            known, line, first, last = (by_row, y, x, end) if flat else (by_column, x, y, level)
            ends = sorted((line * SIDE + first, line * SIDE + last))
            between = known[known.searchsorted(ends[0], "right") : known.searchsorted(ends[1], "left")] % SIDE
            steps = between.tolist() if first < last else between[::-1].tolist()
            dense += [[x, y], *([step, y] if flat else [x, step] for step in steps)]
        found.append(dense)
    return found


def _with_smooth_stairs(rings: Sequence[Ring]) -> list[Ring]:
    """Return the rings, their coordinates doubled, with slanting borders that run through the middles of their steps.

    Through the corners of the steps they would lie beside the border, on one side of it. A step is an edge that turns
    one way at one end and the other way at the other. Corners of two long edges, and points where three regions or more
    meet, stay where they are.
    """
    points = 2 * np.concatenate([np.array(ring) for ring in rings])
    sizes = [len(ring) for ring in rings]
    first = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)
    place = np.arange(len(points)) - first
    size = np.repeat(sizes, sizes)
    following, before = first + (place + 1) % size, first + (place - 1) % size
    edge = points[following] - points
    length = np.abs(edge).sum(1)
    turn = edge[before, 0] * edge[:, 1] - edge[before, 1] * edge[:, 0]
    _, vertex = np.unique(keys_of(points), return_inverse=True)
    ends = np.unique(np.sort(np.stack([vertex, vertex[following]], 1), axis=1), axis=0)
    meeting = np.bincount(ends.ravel())[vertex] > 2
    short = 2 * _RISER
    step = (turn * turn[following] < 0) & ~meeting & ~meeting[following]
    smooth = step & step[before] & ((length <= short) | (length[before] <= short))
    middle = points + edge // 2
    found = []
    for start, count in zip(np.cumsum([0, *sizes[:-1]]).tolist(), sizes, strict=True):
        ring: Ring = []
        for number in range(start, start + count):
            if not smooth[number]:
                ring.append(points[number].tolist())
            if smooth[number] or smooth[following[number]]:
                ring.append(middle[number].tolist())
        found.append(ring)
    return found


def _without_touching_itself(ring: Ring) -> list[Ring]:
    """Return a ring as rings that pass no point twice: what lies between the first time and the second is a hole."""
    found: list[Ring] = []
    path: list[tuple[int, int]] = []
    places: dict[tuple[int, int], int] = {}
    for x, y in ring:
        point = (x, y)
        if point in places:
            loop = path[places[point] :]
            del path[places[point] + 1 :]
            for other in loop[1:]:
                del places[other]
            found.append([[*corner] for corner in loop])
        else:
            places[point] = len(path)
            path.append(point)
    return [*found, [[*corner] for corner in path]]


def _signed_area(ring: Ring) -> float:
    x, y = np.array(ring).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
