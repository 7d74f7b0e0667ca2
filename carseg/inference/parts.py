"""The parts of a mask: one record per class that is present, found by position or by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, SupportsIndex, overload

import numpy as np

from carseg._arrays import Float16Array, Uint8Array
from carseg.cars import Piece, Region, find_pieces
from carseg.errors import OptionError, PartNotFoundError, unknown_name
from carseg.labels import IGNORE, LabelSet
from carseg.masks import rle


@dataclass(frozen=True)
class Part(Region):
    """One class that is present in an image.

    Attributes:
        name: name of the class.
        label: label id of the class.
        area_px: number of pixels.
        area_fraction: share of the image, 0..1.
        bbox: x, y, width, height of the box around all of its pieces, in pixels.
        score: mean probability of its pixels, 0..1; None if the mask does not come from a network.
        rle: its mask in COCO's compressed run-length encoding.
        pieces: its connected pieces, largest first.
    """

    name: str
    label: int
    area_px: int
    area_fraction: float
    bbox: rle.Box
    score: float | None
    rle: rle.Rle
    pieces: tuple[Piece, ...]

    if TYPE_CHECKING:  # the dataclass's own; without it mypy takes `"wheel" in parts` for a mistake

        def __eq__(self, other: object) -> bool: ...

    def to_dict(self, *, polygons: bool = False) -> dict[str, Any]:
        """Return its attributes as a dict for JSON, on request with polygons, also those of its pieces."""
        pieces = [piece.to_dict(polygons=polygons) for piece in self.pieces]
        return {**super().to_dict(polygons=polygons), "pieces": pieces}


class Parts(tuple[Part, ...]):
    """The parts of an image, by label id: a tuple that also accepts a class name, ``parts["wheel"]``.

    ``"wheel" in parts`` tells whether that class was found.

    Attributes:
        labels: all classes that the network knows.
    """

    labels: LabelSet

    def __new__(cls, parts: Iterable[Part], labels: LabelSet) -> Self:
        self = super().__new__(cls, parts)
        self.labels = labels
        return self

    def __getnewargs__(self) -> tuple[tuple[Part, ...], LabelSet]:  # for copy and pickle
        return tuple(self), self.labels

    @overload
    def __getitem__(self, key: SupportsIndex | str) -> Part: ...

    @overload
    def __getitem__(self, key: slice) -> tuple[Part, ...]: ...

    def __getitem__(self, key: SupportsIndex | str | slice) -> Part | tuple[Part, ...]:
        """Return the part at a position or of a class, or a tuple of parts for a slice.

        Raises:
            IndexError: there is no such position.
            PartNotFoundError: the network knows the class, but the image has no pixel of it.
            UnknownNameError: the network does not know the class.
        """
        if not isinstance(key, str):
            return super().__getitem__(key)
        for part in self:
            if part.name == key:
                return part
        if key not in self.labels.classes:
            raise unknown_name("class", key, self.labels.classes)
        if self.labels.classes.index(key) == self.labels.background:
            raise PartNotFoundError(
                f"{key!r} is the background, which is not a part: compare the mask with its label id"
            )
        found = ", ".join(part.name for part in self) or "nothing"
        raise PartNotFoundError(
            f"{key!r} was not found in this image (found: {found}): check `{key!r} in result.parts` first"
        )

    def __contains__(self, key: object) -> bool:
        return any(part.name == key for part in self) if isinstance(key, str) else super().__contains__(key)


def find_parts(
    mask: Uint8Array, labels: LabelSet, scores: Mapping[int, float], certainty: Float16Array | None = None
) -> Parts:
    """Return every class that is present in a mask, but the background, by label id.

    Args:
        mask: uint8 (H, W), label ids; 255 is no part.
        labels: what the ids mean.
        scores: mean probability of each label id, as far as it is known.
        certainty: what ``carseg.inference.postprocess.certainty`` returns, if it is known.

    Raises:
        OptionError: the mask holds a label id that the label set has no class for.
    """
    return find_parts_of_runs(rle.label_runs(mask), (mask.shape[0], mask.shape[1]), labels, scores, certainty)


def find_parts_of_runs(
    runs: tuple[rle.Positions, rle.Positions, Uint8Array],
    size: tuple[int, int],
    labels: LabelSet,
    scores: Mapping[int, float],
    certainty: Float16Array | None = None,
) -> Parts:
    """Return what ``find_parts`` does, of the runs of a mask of ``size`` (height, width), which cover it."""
    starts, ends, ids = runs
    areas = np.bincount(ids, weights=ends - starts, minlength=IGNORE + 1).astype(np.int64)
    boxes = rle.boxes_of_runs(starts, ends, ids, IGNORE + 1, size[0]).tolist()
    present = [int(label) for label in np.flatnonzero(areas) if label not in (labels.background, IGNORE)]
    if present and present[-1] >= len(labels):
        raise OptionError(f"the mask holds the label {present[-1]}; {labels.name} has {len(labels)} classes")
    all_pieces = find_pieces(runs, size, present, certainty)
    parts = []
    for label in present:
        here, pieces = ids == label, all_pieces[label]
        parts.append(
            Part(
                name=labels.classes[label],
                label=label,
                area_px=int(areas[label]),
                area_fraction=int(areas[label]) / (size[0] * size[1]),
                bbox=tuple(boxes[label]),
                score=scores.get(label),
                rle=pieces[0].rle if len(pieces) == 1 else rle.encode_runs(starts[here], ends[here], size),
                pieces=pieces,
            )
        )
    return Parts(parts, labels)
