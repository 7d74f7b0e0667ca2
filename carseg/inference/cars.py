"""The cars of a mask: one record per car, with its parts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carseg._arrays import Float16Array, Uint8Array
from carseg.cars import CarRuns, Piece, Region, Tracker, View, car_labels, find_view, tell_cars
from carseg.errors import ClosedError
from carseg.images import LoadedImage
from carseg.inference.parts import Parts, find_parts_of_runs
from carseg.labels import IGNORE, LabelSet
from carseg.masks import rle


@dataclass(frozen=True)
class Body(Region):
    """The pixels of a car that belong to no named part: roof, fenders, pillars.

    Attributes:
        area_px: number of pixels.
        area_fraction: share of the image, 0..1.
        bbox: x, y, width, height of the box around them, in pixels; zeros if there are none.
        rle: their mask in COCO's compressed run-length encoding.
    """

    area_px: int
    area_fraction: float
    bbox: rle.Box
    rle: rle.Rle


@dataclass(frozen=True)
class Car(Region):
    """One car of an image.

    Attributes:
        number: 1 for the largest car, then 2, 3 and so on.
        area_px: number of pixels.
        area_fraction: share of the image, 0..1.
        bbox: x, y, width, height of the box around it, in pixels.
        rle: its mask in COCO's compressed run-length encoding.
        parts: its parts, like ``Result.parts`` but only with the pixels of this car.
        body: its pixels without a named part; None without a second network for whole cars (``carseg.load(cars=)``).
        view: the side that the image shows; None if no part is visible, or the classes do not tell front from back.
        uncertain: whether it may be several cars that could not be separated.
        id: its number in a video, the same in all frames; None if it was not tracked.
    """

    number: int
    area_px: int
    area_fraction: float
    bbox: rle.Box
    rle: rle.Rle
    parts: Parts
    body: Body | None
    view: View | None
    uncertain: bool
    id: int | None = None

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Its mask, bool (H, W), at the image's size; computed on first use."""
        return rle.decode(self.rle)

    def to_dict(self, *, polygons: bool = False) -> dict[str, Any]:
        """Return its attributes as a dict for JSON, on request with polygons; parts are given in short form."""
        short = ("name", "label", "area_px", "area_fraction", "bbox", "score")
        fields = {
            "number": self.number,
            **({} if self.id is None else {"id": self.id}),
            "area_px": self.area_px,
            "area_fraction": self.area_fraction,
            "bbox": list(self.bbox),
            "rle": self.rle,
            "parts": [{key: value for key, value in part.to_dict().items() if key in short} for part in self.parts],
            "body": self.body and self.body.to_dict(polygons=polygons),
            "view": self.view and vars(self.view),
            "uncertain": self.uncertain,
        }
        return {**fields, "polygons": self.polygons} if polygons else fields


class WholeCars:
    """What is car by a second network, which is asked once, when that is first wanted.

    A pickle or a copy keeps what it says instead of the network, unless that was closed before it was asked.

    Args:
        image: what it is shown.
        see: the network; it returns what is car, bool (H, W).
    """

    def __init__(self, image: LoadedImage, see: Callable[[LoadedImage], NDArray[np.bool_]]) -> None:
        self._image, self._see = image, see

    @cached_property
    def rle(self) -> rle.Rle:
        """Its pixels as COCO's compressed run-length encoding.

        Raises:
            ClosedError: the network was closed before it was asked.
        """
        return rle.encode(self._see(self._image))

    def __getstate__(self) -> dict[str, Any]:
        with contextlib.suppress(ClosedError):
            return {"rle": self.rle}
        return vars(self)


def find_cars(
    mask: Uint8Array,
    labels: LabelSet,
    parts: Parts,
    *,
    whole: WholeCars | None = None,
    certainty: Float16Array | None = None,
) -> tuple[Car, ...]:
    """Return the cars of a mask, largest first.

    Args:
        mask: uint8 (H, W), label ids.
        labels: what the ids mean.
        parts: all parts of the mask.
        whole: what is car by a network that tells whole cars, if there is one.
        certainty: what ``carseg.inference.postprocess.certainty`` returns, if it is known.
    """
    size = mask.shape[0], mask.shape[1]
    cars = tell_cars(mask, labels, None if whole is None else rle.decode(whole.rle))
    named = np.isin(cars.labels, car_labels(labels))
    found = []
    for number, uncertain in enumerate(cars.uncertain):
        its = cars.car == number
        everything = _body(cars, its, size)
        own = _parts_of(cars, its & named, size, parts, certainty)
        region = rle.decode(everything.rle)
        found.append(
            Car(
                **vars(everything),
                number=number + 1,
                parts=own,
                body=None if whole is None else _body(cars, its & ~named, size),
                view=find_view(mask, labels, region),
                uncertain=uncertain,
            )
        )
    return tuple(found)


class CarTracker:
    """Gives the cars of frames ids by which they are known from frame to frame.

    An image that does not follow the one before, as ``LoadedImage.follows`` has it, begins anew.
    """

    def __init__(self) -> None:
        self._last: LoadedImage | None = None
        self._tracker = Tracker()

    def __call__(self, cars: Sequence[Car], image: LoadedImage) -> tuple[Car, ...]:
        """Return the cars of the next frame with their ids."""
        if self._last is None or not image.follows(self._last):
            self._tracker = Tracker()
        self._last = image
        ids = self._tracker.update([car.bbox for car in cars])
        return tuple(replace(car, id=number) for car, number in zip(cars, ids, strict=True))


def _parts_of(
    cars: CarRuns, its: NDArray[np.bool_], size: tuple[int, int], parts: Parts, certainty: Float16Array | None
) -> Parts:
    """Return the parts of a car: those of the image that it has wholly, and what it has of the others."""
    lengths = cars.ends - cars.starts
    areas = np.bincount(cars.labels[its], lengths[its], IGNORE + 1)
    whole = {part.label: part for part in parts if part.area_px == areas[part.label]}
    labels = np.where(its & ~np.isin(cars.labels, list(whole)), cars.labels, np.uint8(IGNORE))
    rest = find_parts_of_runs((cars.starts, cars.ends, labels), size, parts.labels, {}, certainty)
    scored = [replace(part, score=_mean_score(part.pieces)) for part in rest]
    return Parts(sorted([*whole.values(), *scored], key=lambda part: part.label), parts.labels)


def _mean_score(pieces: Sequence[Piece]) -> float | None:
    if any(piece.score is None for piece in pieces):
        return None
    return sum((piece.score or 0.0) * piece.area_px for piece in pieces) / sum(piece.area_px for piece in pieces)


def _body(cars: CarRuns, its: NDArray[np.bool_], size: tuple[int, int]) -> Body:
    starts, ends = cars.starts[its], cars.ends[its]
    area = int((ends - starts).sum())
    encoded = rle.encode_runs(starts, ends, size)
    return Body(area_px=area, area_fraction=area / (size[0] * size[1]), bbox=rle.bbox(encoded), rle=encoded)
