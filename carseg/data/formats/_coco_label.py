"""The pixels of COCO's annotations, painted as every figure of the project assumes.

pycocotools' rasterisation, the rings of an annotation united, annotations in the order of decreasing area, ties by
annotation id, so that the smaller part lies on top. An area that the file does not state is that of the pixels covered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carseg.data.formats._documents import FARTHEST, finite
from carseg.data.formats._rasterize import blank, within
from carseg.errors import DataError, MissingExtraError
from carseg.masks import rle

_LONGEST = 4e6  # pixels: pycocotools takes memory for each along an outline, and ends the process far off the image
_SPECK = 1.0  # what is no larger covers nothing, and is what drawing tools leave by accident


@dataclass(frozen=True)
class CocoShape:
    """One annotation.

    Attributes:
        value: its category as stored.
        segmentation: rings, counts or compressed counts, as the file has it.
        area: the area that the file states, None where that is none.
        extent: what it covers at most by its box or its area, in pixels; None where the file has neither.
        place: what to call it in an error.
    """

    value: int
    segmentation: Any
    area: float | None
    extent: float | None
    place: str


@dataclass(frozen=True)
class CocoLabel:
    """The annotations of one image, by annotation id; height and width are COCO's own, None for the image's.

    ``empty`` is the value of pixels that no annotation covers.
    """

    name: str
    file: Path
    height: int | None
    width: int | None
    shapes: tuple[CocoShape, ...]
    empty: int = 0

    def read(self, height: int, width: int) -> np.ndarray:
        height, width = (own if own is not None else real for own, real in ((self.height, height), (self.width, width)))
        try:
            mask = blank(height, width, self.empty)
        except DataError as error:
            raise DataError(f"{self.name} {error} (height and width in {self.file})") from None

        parts = [(shape, self._covered(shape, height, width)) for shape in self.shapes]
        parts.sort(key=lambda part: -(rle.area(part[1]) if part[0].area is None else part[0].area))
        for shape, runs in parts:
            mask[rle.decode(runs)] = shape.value
        return mask

    def _covered(self, shape: CocoShape, height: int, width: int) -> Mapping[str, Any]:
        try:
            return covered(shape.segmentation, height, width, shape.extent)
        except ValueError as error:
            raise DataError(f"{self.name} {error} ({shape.place} of {self.file}, segmentation)") from None


def covered(segmentation: Any, height: int, width: int, extent: float | None = None) -> Mapping[str, Any]:
    """Return the run lengths of what a COCO segmentation (rings, counts or compressed counts) covers.

    Args:
        segmentation: what the file has.
        height: that of the image, in pixels; ``width`` likewise.
        extent: where there is a box but no segmentation, its area; see ``CocoShape``.

    Raises:
        MissingExtraError: it is polygons and pycocotools is not installed.
        ValueError: it is neither polygons nor run lengths, run lengths of another size, or a mere box.
    """
    if isinstance(segmentation, Mapping):
        _check_runs(segmentation, height, width)
        return segmentation
    rings = _rings(segmentation or [])
    if not rings:
        points = any(segmentation or ())
        if (extent is None and not points) or (extent is not None and extent > _SPECK):
            has = "a polygon of less than three points" if points else "a box, not a polygon"
            raise ValueError(f"has {has}: draw an outline instead")
        return {"size": [height, width], "counts": [height * width]}
    _refuse_outside(rings, height, width)
    try:
        from pycocotools import mask as pycocotools
    except ImportError:
        raise MissingExtraError("pycocotools", "coco", "reading COCO polygons") from None
    runs: Mapping[str, Any] = pycocotools.merge(pycocotools.frPyObjects(rings, height, width))
    return runs


def _refuse_outside(rings: list[list[float]], height: int, width: int) -> None:
    try:
        within([(x, y) for x, y in np.reshape(np.concatenate(rings), (-1, 2))], height, width)
    except DataError as error:
        raise ValueError(f"has {error}") from None


def _check_runs(encoding: Mapping[str, Any], height: int, width: int) -> None:
    try:
        size = rle.size(encoding)
        if size != (height, width):
            raise ValueError(f"has run lengths for {size[1]}x{size[0]} pixels, not {width}x{height}")
        rle.runs(encoding)
    except DataError as error:
        raise ValueError(f"has a segmentation that is {error}") from None


def _rings(segmentation: Any) -> list[list[float]]:
    """Return the rings (x, y, x, y, ...) that cover anything: those of three points and more."""
    if not (isinstance(segmentation, list) and all(isinstance(ring, list) for ring in segmentation)):
        raise ValueError("has a segmentation that is neither polygons, [[x, y, x, y, ...], ...], nor run lengths")
    rings, length = [], 0.0
    for written in segmentation:
        try:
            ring = [finite(side) for side in written]
        except ValueError as error:
            raise ValueError(f"has a polygon in which {error}") from None
        if len(ring) % 2:
            raise ValueError(f"has a polygon of {len(ring)} numbers, an x without its y")
        if any(abs(side) > FARTHEST for side in ring):
            raise ValueError("has a polygon with coordinates that are no pixels")
        if len(ring) >= 6:
            rings.append(ring)
            points = np.reshape(ring, (-1, 2))
            length += float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum())
        elif len(ring) == 4 and abs((ring[2] - ring[0]) * (ring[3] - ring[1])) > _SPECK:
            raise ValueError("has a polygon of two points: a rectangle is written with its four corners")
    if length > _LONGEST:
        raise ValueError(f"has a polygon whose outline of {length:.0f} pixels fits no image")
    return rings
