"""The connected pieces of the classes of a mask: of two wheels each. Arrays in, records out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carseg._arrays import Float16Array
from carseg.masks import components, coverage, grids, rle
from carseg.masks import polygons as outlines


class Outlines(list[coverage.Ring]):
    """Outlines of a region, exact to the pixel; call it with a tolerance to get fewer vertices."""

    def __call__(self, tolerance: float | None = 0) -> list[coverage.Ring]:
        """Return the rings, simplified without regard to neighbours. (Writing labels simplifies neighbours together.)

        Args:
            tolerance: as for ``carseg.masks.coverage.simplify``: 0 keeps them exact; None uses as few vertices as
                keep 98 % of the pixels.

        Raises:
            MissingExtraError: shapely is not installed.
            OptionError: the tolerance is negative.
        """
        [simplified] = coverage.simplify([self], tolerance)
        return [ring for polygon in simplified for ring in polygon]


class Region:
    """A box and a mask, with their outlines; the base of parts, pieces and cars."""

    bbox: rle.Box
    rle: rle.Rle

    @cached_property
    def polygons(self) -> Outlines:
        """Its outlines, exact to the pixel, as rings of [x, y] corners; holes are rings too (even-odd rule).

        ``polygons(tolerance=1)`` returns them with fewer vertices.
        """
        return Outlines(outlines.rings(rle.decode(self.rle, self.bbox), (self.bbox[0], self.bbox[1])))

    def to_dict(self, *, polygons: bool = False) -> dict[str, Any]:
        """Return its attributes as a dict ready for JSON, with the polygons when asked for."""
        fields = {**vars(self), "bbox": list(self.bbox)}
        fields.pop("polygons", None)
        return {**fields, "polygons": self.polygons} if polygons else fields


@dataclass(frozen=True)
class Piece(Region):
    """Connected pixels of one class, which touch by a side or a corner.

    Attributes:
        area_px: number of pixels.
        area_fraction: share of the image, 0..1.
        bbox: x, y, width, height of the box around it, in pixels.
        score: mean probability of its class, 0..1; None if the mask does not come from a network.
        rle: its mask in COCO's compressed run-length encoding.
    """

    area_px: int
    area_fraction: float
    bbox: rle.Box
    score: float | None
    rle: rle.Rle


def find_pieces(
    runs: tuple[rle.Positions, rle.Positions, NDArray[Any]],
    size: tuple[int, int],
    classes: Collection[int],
    certainty: Float16Array | None = None,
) -> dict[int, tuple[Piece, ...]]:
    """Return the pieces of each class, the largest first.

    Args:
        runs: those of the mask, as ``carseg.masks.rle.label_runs`` returns them.
        size: height and width of the mask.
        classes: the label ids to look at.
        certainty: float16 (2, h, w), on a grid that is stretched over the mask: the probability of the label in the
            middle of each cell, and that of the most probable other one.
    """
    starts, ends, ids = components.split_columns(*runs, size[0])
    numbers = components.connect(components.touching(starts, ends, size[0]), ids)
    count = int(numbers.max(initial=-1)) + 1
    areas = np.bincount(numbers, ends - starts, count).astype(np.int64)
    boxes = rle.boxes_of_runs(starts, ends, numbers, count, size[0]).tolist()
    scores = [None] * count if certainty is None else _scores(certainty, (starts, ends), numbers, areas, size).tolist()
    classes_of = np.zeros(count, ids.dtype)
    classes_of[numbers] = ids
    by_piece = np.argsort(numbers, kind="stable")
    encodings = rle.encode_groups(starts[by_piece], ends[by_piece], numbers[by_piece], count, size)
    found: dict[int, list[Piece]] = {label: [] for label in classes}
    for number in np.argsort(-areas, kind="stable").tolist():
        if (label := int(classes_of[number])) in found:
            found[label].append(
                Piece(
                    area_px=int(areas[number]),
                    area_fraction=int(areas[number]) / (size[0] * size[1]),
                    bbox=tuple(boxes[number]),
                    score=scores[number],
                    rle=encodings[number],
                )
            )
    return {label: tuple(pieces) for label, pieces in found.items()}


def _scores(
    certainty: Float16Array,
    runs: tuple[rle.Positions, rle.Positions],
    numbers: rle.Positions,
    areas: NDArray[np.int64],
    size: tuple[int, int],
) -> NDArray[np.float64]:
    """Return the score of each piece: the mean over the cells whose middles lie in it.

    Where none does the piece is smaller than a cell, whose label is another one: there it is the most probable other
    label, at the middle of each run.
    """
    (starts, ends), (height, width) = runs, size
    _, rows, columns = certainty.shape
    middles = grids.middles(width, columns)[:, None] * height + grids.middles(height, rows)
    piece = numbers[np.searchsorted(starts, middles.ravel(), "right") - 1]
    cells = np.bincount(piece, minlength=areas.size)
    sums = np.bincount(piece, certainty[0].T.ravel(), areas.size)
    y, x = np.divmod((starts + ends - 1) // 2, height)[::-1]
    other = certainty[1, grids.nearest(y, height, rows), grids.nearest(x, width, columns)]
    small = np.bincount(numbers, other * (ends - starts), areas.size)
    return np.where(cells > 0, sums / np.maximum(cells, 1), small / np.maximum(areas, 1))
