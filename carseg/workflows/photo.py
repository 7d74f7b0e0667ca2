"""Records of a photograph of a car: what is seen of it, how well, and what is wrong with it. No pixels are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from carseg.cars import View
from carseg.masks import rle

_SURE = 0.5  # of a view's confidence
_SPOILED = ("blurred", "dark", "overexposed")


@dataclass(frozen=True)
class PhotoPart:
    """A part, or one wheel, in a photograph.

    Attributes:
        name: its class, or one of ``carseg.workflows.wheels.WHEELS``.
        area_px: number of its pixels.
        area_fraction: its share of the image, 0..1.
        car_fraction: its share of the car, 0..1.
        score: mean probability of its pixels, 0..1; None where the mask does not come from a network.
        bbox: x, y, width, height in pixels of its largest piece.
        sharpness: of that piece, 0..1, see ``carseg.workflows.sharpness.Sharpness``.
        cut_off: how much of that piece lies on the image's edge, 0..1: pixels there by the longer side of its box.
    """

    name: str
    area_px: int
    area_fraction: float
    car_fraction: float
    score: float | None
    bbox: rle.Box
    sharpness: float
    cut_off: float

    @property
    def quality(self) -> float:
        """How well it is seen, by which the best photograph of a part is chosen: sharp, large, whole and sure."""
        return self.sharpness * self.area_px**0.5 * (1 - self.cut_off) * (1.0 if self.score is None else self.score)

    def to_dict(self) -> dict[str, Any]:
        """Return its attributes as a dict ready for JSON."""
        return {**vars(self), "bbox": list(self.bbox)}


@dataclass(frozen=True)
class PhotoWarning:
    """Something that is wrong with a photograph.

    Attributes:
        kind: no_car, blurred, dark, overexposed, far, low_resolution, cut_off or several_cars.
        text: what is wrong, and what to do.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Photo:
    """What is seen in a photograph; of several cars it is about the largest.

    Attributes:
        number: its place among those that were given, from 1.
        source: its path, address or name.
        width: in pixels.
        height: in pixels.
        view: which of its sides the car shows; None where none is told.
        sides: those of front, rear, left and right that it shows well enough to look at them.
        cars: how many cars are seen, without those that are much smaller than the largest.
        uncertain: whether what counts as one car may be several.
        bbox: x, y, width, height of the car in pixels; None where there is none.
        area_fraction: the car's share of the image, 0..1.
        cut_off: the edges of the image that the car reaches beyond, of left, top, right, bottom.
        sharpness: of the car, 0..1, see ``carseg.workflows.sharpness.Sharpness``; without a car of the whole image.
        brightness: likewise, 0..255, see ``carseg.workflows.exposure.Exposure``.
        clipped: likewise, 0..1.
        parts: those that are seen, by label id.
        wheels: its wheels one by one, each under its own name where that can be told, else as "wheel".
        warnings: what is wrong with it.
    """

    number: int
    source: str
    width: int
    height: int
    view: View | None
    sides: tuple[str, ...]
    cars: int
    uncertain: bool
    bbox: rle.Box | None
    area_fraction: float
    cut_off: tuple[str, ...]
    sharpness: float
    brightness: float
    clipped: float
    parts: tuple[PhotoPart, ...]
    wheels: tuple[PhotoPart, ...]
    warnings: tuple[PhotoWarning, ...] = ()

    @property
    def is_spoiled(self) -> bool:
        """Whether it is warned of for its pixels: no part is seen well in it."""
        return any(warning.kind in _SPOILED for warning in self.warnings)

    @property
    def sure_view(self) -> View | None:
        """The view, None where it is too unsure to count."""
        return self.view if self.view and self.view.confidence >= _SURE else None

    def to_dict(self) -> dict[str, Any]:
        """Return its attributes as a dict ready for JSON."""
        return {
            **vars(self),
            "view": self.view and vars(self.view),
            "sides": list(self.sides),
            "bbox": self.bbox and list(self.bbox),
            "cut_off": list(self.cut_off),
            "parts": [part.to_dict() for part in self.parts],
            "wheels": [wheel.to_dict() for wheel in self.wheels],
            "warnings": [vars(warning) for warning in self.warnings],
        }
