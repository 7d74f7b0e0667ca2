"""The options of ``predict`` and ``stream``, checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypedDict

from carseg.errors import OptionError
from carseg.images import pixel_limit

_SMALLEST_TILE = 32


class _Raw(TypedDict):
    sides: str
    min_area: float


RAW: Final[_Raw] = {"sides": "raw", "min_area": 0}  # options for the network's own mask, which all figures are about


@dataclass(frozen=True)
class Options:
    """How an image is segmented; the fields are described at ``Segmenter.predict``.

    Raises:
        OptionError: one is out of range.
    """

    channels: str = "rgb"
    tile: int | None = None
    threshold: float | None = None
    return_probabilities: bool = False
    max_pixels: int | None = None
    min_area: float | None = None
    sides: str = "consistent"
    edges: str = "network"

    def __post_init__(self) -> None:
        check_channels(self.channels)
        check_sides(self.sides)
        check_threshold(self.threshold)
        check_min_area(self.min_area)
        pixel_limit(self.max_pixels)
        if self.tile is not None and self.tile < _SMALLEST_TILE:
            raise OptionError(f"tile must be at least {_SMALLEST_TILE} pixels, got {self.tile}")


def check_channels(channels: str) -> None:
    """Raise OptionError unless it is an order of channels."""
    if channels not in ("rgb", "bgr"):
        raise OptionError(f"channels must be 'rgb' or 'bgr', got {channels!r}")


def check_sides(sides: str) -> None:
    """Raise OptionError unless it is a way to tell left from right."""
    if sides not in ("consistent", "raw"):
        raise OptionError(f"sides must be 'consistent' or 'raw', got {sides!r}")


def check_threshold(threshold: float | None) -> None:
    """Raise OptionError unless it is None or a probability."""
    if threshold is not None and not 0 <= threshold <= 1:
        raise OptionError(f"threshold must lie in 0..1, got {threshold}")


def check_min_area(min_area: float | None) -> None:
    """Raise OptionError unless it is None or a share."""
    if min_area is not None and not 0 <= min_area <= 1:
        raise OptionError(f"min_area must lie in 0..1, a share of a class's largest piece, got {min_area}")
