"""Labels drawn as polygons: labelme, Supervisely and YOLO.

A polygon covers the pixels whose centre lies inside it (even-odd rule), so polygons that share an edge neither overlap
nor leave a gap. Larger polygons are painted first, ties in the order of the file: the smaller part lies on top, as with
COCO.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from carseg.errors import DataError, excerpt

_MOST_PIXELS = 1 << 28  # more than Pillow opens

# (x, y) in pixels; (0, 0) is the image's corner, (0.5, 0.5) its first pixel's centre.
Points = Sequence[tuple[float, float]]


def within(points: Points, height: int, width: int) -> Points:
    """Return the points of a shape.

    Raises:
        DataError: none of it can lie in an image of this size.
    """
    (left, top), (right, bottom) = np.min(points, axis=0), np.max(points, axis=0)
    if right < 0 or bottom < 0 or left > width or top > height:
        raise DataError(
            f"a shape at x {left:g} to {right:g} and y {top:g} to {bottom:g}, outside the image's {width}x{height} "
            "pixels: move it, or delete it"
        )
    return points


def paint(shapes: Iterable[tuple[int, Points]], height: int, width: int) -> np.ndarray:
    """Return a mask, uint8 (height, width): 0 where no shape is, else the value of the topmost (value, points)."""
    mask = np.zeros((height, width), dtype=np.uint8)
    for value, points in sorted(shapes, key=lambda shape: -area(shape[1])):
        fill(mask, points, value)
    return mask


def blank(height: int, width: int, value: int = 0) -> np.ndarray:
    """Return a mask, uint8 (height, width), of one value.

    Raises:
        DataError: no image has this size, which a label file states.
    """
    if not (height > 0 and width > 0 and height * width <= _MOST_PIXELS):
        raise DataError(f"is for an image of {excerpt(f'{width}x{height}')} pixels")
    return np.full((height, width), value, dtype=np.uint8)


def canvas(stated: tuple[int, int], image: tuple[int, int]) -> np.ndarray:
    """Return a mask of zeros, uint8, of the (height, width) that a label file states.

    Where the image is of another size nothing is to be drawn, since the caller refuses the mask: it is read-only then,
    and takes no memory, whatever the file announces.

    Raises:
        DataError: no image has this size.
    """
    height, width = stated
    if stated != image and min(stated) > 0 and height * width <= _MOST_PIXELS:
        return np.broadcast_to(np.uint8(0), stated)
    return blank(height, width)


def stroke(mask: np.ndarray, points: Points, width: float, value: int) -> None:
    """Set the pixels of ``mask`` whose centre lies within half a ``width`` of a line of one point or more."""
    height, across = mask.shape
    reach = width / 2
    for (x0, y0), (x1, y1) in pairwise(points) if len(points) > 1 else [(points[0], points[0])]:
        left, right = (min(max(math.floor(x), 0), across) for x in (min(x0, x1) - reach, max(x0, x1) + reach + 1))
        top, bottom = (min(max(math.floor(y), 0), height) for y in (min(y0, y1) - reach, max(y0, y1) + reach + 1))
        ys, xs = (grid + 0.5 for grid in np.ogrid[top:bottom, left:right])
        along = (xs - x0) * (x1 - x0) + (ys - y0) * (y1 - y0)
        share = np.clip(along / (math.dist((x0, y0), (x1, y1)) ** 2 or 1), 0, 1)
        near = (xs - x0 - share * (x1 - x0)) ** 2 + (ys - y0 - share * (y1 - y0)) ** 2 <= reach**2
        mask[top:bottom, left:right][near] = value


@dataclass(frozen=True)
class Background:
    """The label of an image that shows nothing but background."""

    def read(self, height: int, width: int) -> np.ndarray:
        return np.zeros((height, width), dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class DrawnLabel(ABC):
    """A label of shapes drawn by hand, some of which may be lines and points.

    Attributes:
        line_width: width of lines and diameter of points in pixels, 0 to leave both out; None refuses them.
    """

    line_width: float | None = None

    @abstractmethod
    def read(self, height: int, width: int) -> np.ndarray: ...

    def draw_line(self, mask: np.ndarray, points: Points, value: int, kind: str) -> None:
        """Set the pixels of a line, or of a point.

        Raises:
            DataError: nothing says how wide it is.
        """
        if self.line_width is None:
            raise DataError(
                f"a {kind} of {len(points)} points, which covers no area: line_width=10 (--line-width on the "
                "command line) draws it 10 pixels wide, 0 leaves it out"
            )
        if self.line_width:
            stroke(mask, points, self.line_width, value)


def area(points: Points) -> float:
    """Return the area of a polygon in pixels, by the shoelace formula."""
    x, y = np.asarray(points, dtype=float).T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


def fill(mask: np.ndarray, points: Points, value: int) -> None:
    """Set the pixels of ``mask`` whose centre lies inside the polygon; what lies outside the image is cut off."""
    height, width = mask.shape
    xs, ys = np.asarray(points, dtype=float).T
    left, right = (min(max(math.floor(x), 0), width) for x in (xs.min(), xs.max() + 1))
    top, bottom = (min(max(math.floor(y), 0), height) for y in (ys.min(), ys.max() + 1))
    # Every edge toggles the pixels to its right, row by row; what is toggled an odd number of times is inside.
    toggles = np.zeros((bottom - top, right - left + 1), dtype=np.int32)
    for x0, y0, x1, y1 in zip(xs, ys, np.roll(xs, -1), np.roll(ys, -1), strict=True):
        first, last = (min(max(math.ceil(y - 0.5), top), bottom) for y in sorted((y0, y1)))
        rows = np.arange(first, last)
        if len(rows):
            crossings = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
            columns = np.ceil(crossings - 0.5).clip(left, right).astype(int)
            toggles[rows - top, columns - left] += 1
    inside = np.cumsum(toggles[:, :-1], axis=1) % 2 == 1
    mask[top:bottom, left:right][inside] = value
