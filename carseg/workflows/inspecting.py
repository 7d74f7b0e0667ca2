"""From a segmented photograph to the record of what is seen in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from carseg.cars import Piece
from carseg.inference import Car, Part, Result
from carseg.masks import rle
from carseg.workflows.exposure import measure_exposure
from carseg.workflows.photo import Photo, PhotoPart
from carseg.workflows.photo_warnings import find_warnings
from carseg.workflows.sharpness import Sharpness
from carseg.workflows.sides import shown_sides
from carseg.workflows.wheels import WHEEL, name_wheels

# What is smaller or less sure does not count as seen: of 4036 parts in a turntable's images it takes away 224, among
# them 24 of the 41 that the view hides.
_SHARE = 0.001  # of the car
_SCORE = 0.5
_OTHER_CAR = 0.10  # of the area of the largest car
_ON_EDGE = 0.15  # of the height, or width, of the car's box
_EDGES = ("left", "top", "right", "bottom")


def inspect_photo(result: Result, number: int) -> Photo:
    """Return what is seen in a photograph.

    Args:
        result: the photograph, segmented by a model that tells parts of cars.
        number: its place among those that were given, from 1.
    """
    cars = [car for car in result.cars if car.area_px >= _OTHER_CAR * result.cars[0].area_px]
    car = cars[0] if cars else None
    box = car.bbox if car else (0, 0, result.width, result.height)
    region = rle.decode(car.rle, box) if car else np.ones(result.mask.shape, bool)
    sharpness = Sharpness(result.image, box)
    exposure = measure_exposure(result.image[box[1] : box[1] + box[3], box[0] : box[0] + box[2]], region)
    photo = Photo(
        number=number,
        source=result.source,
        width=result.width,
        height=result.height,
        view=car.view if car else None,
        sides=(),
        cars=len(cars),
        uncertain=car.uncertain if car else False,
        bbox=car.bbox if car else None,
        area_fraction=car.area_fraction if car else 0.0,
        cut_off=(),
        sharpness=sharpness.of(box),
        brightness=exposure.brightness,
        clipped=exposure.clipped,
        parts=(),
        wheels=(),
    )
    if car:
        photo = _with_parts(photo, car, region, result, sharpness)
    return replace(photo, warnings=tuple(find_warnings(photo)))


def _with_parts(photo: Photo, car: Car, region: NDArray[np.bool_], result: Result, sharpness: Sharpness) -> Photo:
    """Return the record with the parts of the car, and where it is cut off."""

    def measured(name: str, seen: Part | Piece) -> PhotoPart:
        largest = seen.pieces[0] if isinstance(seen, Part) else seen
        return PhotoPart(
            name=name,
            area_px=seen.area_px,
            area_fraction=seen.area_fraction,
            car_fraction=seen.area_px / car.area_px,
            score=seen.score,
            bbox=largest.bbox,
            sharpness=sharpness.of(largest.bbox),
            cut_off=_share_on_edges(largest, result.mask.shape),
        )

    parts = [part for part in car.parts if _is_seen(part, car)]
    wheels = [piece for part in parts if part.name == WHEEL for piece in part.pieces]
    wheels = [wheel for wheel in wheels if _is_seen(wheel, car)]
    names = name_wheels([wheel.bbox for wheel in wheels], parts, photo.sure_view)
    return replace(
        photo,
        sides=shown_sides(parts, photo.sure_view),
        cut_off=_cut_off(car.bbox, region, result.mask.shape, whole_below=bool(wheels)),
        parts=tuple(measured(part.name, part) for part in parts),
        wheels=tuple(measured(name or WHEEL, wheel) for name, wheel in zip(names, wheels, strict=True)),
    )


def _is_seen(part: Part | Piece, car: Car) -> bool:
    return part.area_px >= _SHARE * car.area_px and (part.score is None or part.score >= _SCORE)


def _cut_off(box: rle.Box, region: NDArray[np.bool_], shape: tuple[int, ...], *, whole_below: bool) -> tuple[str, ...]:
    """Return the edges of the image that a car reaches beyond.

    Args:
        box: x, y, width, height around it.
        region: its mask in the box.
        shape: height and width of the image.
        whole_below: it has wheels, so what lies on the lower edge is ground that was taken for the car.
    """
    long_enough = (
        lengths >= _ON_EDGE * side
        for lengths, side in zip(_on_edges(box, region, shape), (box[3], box[2]) * 2, strict=True)
    )
    edges = [edge for edge, cut in zip(_EDGES, long_enough, strict=True) if cut]
    return tuple(edge for edge in edges if not (edge == "bottom" and whole_below))


def _share_on_edges(piece: Piece, shape: tuple[int, ...]) -> float:
    """Return how many pixels of a piece lie on the edges of the image, by the longer side of its box, 0..1."""
    x, y, width, height = piece.bbox
    if x > 0 and y > 0 and x + width < shape[1] and y + height < shape[0]:
        return 0.0
    on_edges = _on_edges(piece.bbox, rle.decode(piece.rle, piece.bbox), shape)
    return min(1.0, sum(on_edges) / max(width, height))


def _on_edges(box: rle.Box, region: NDArray[np.bool_], shape: tuple[int, ...]) -> Sequence[int]:
    """Return how many pixels of a region lie on the left, top, right and bottom edge of the image."""
    x, y, width, height = box
    ends = (
        (x == 0, region[:, 0]),
        (y == 0, region[0]),
        (x + width == shape[1], region[:, -1]),
        (y + height == shape[0], region[-1]),
    )
    return [int(line.sum()) if there else 0 for there, line in ends]
