"""The cut-out of a car, as ``Result.cutout`` makes it: its options, and the picture."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from carseg._arrays import Uint8Array
from carseg.cars import (
    Frame,
    alpha_within,
    box_of,
    car_labels,
    composite,
    cut_out,
    feathered,
    frame_car,
    glass_labels,
    tells_whole_cars,
)
from carseg.errors import CarNotFoundError, OptionError, excerpt
from carseg.hub import info, list_models
from carseg.images import decode, is_data_uri, pixel_limit
from carseg.inference.cars import Car
from carseg.labels import LabelSet

GLASS: Final = ("keep", "tint")
_MARGIN = 0.08  # where a canvas is given and no margin
_WIDEST = 0.4  # margins beyond leave next to no car
_SIZE = re.compile(r"(\d{1,6})\s*[xX]\s*(\d{1,6})")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_HALF = 128  # opacity from which on a pixel counts as the car's, for its frame


@dataclass(frozen=True)
class CutoutOptions:
    """How a car is shown on its own; the fields are described at ``Result.cutout``. They are read once for many images.

    Raises:
        OptionError: one has a value that is not allowed.
        ImageError: the background cannot be read.
    """

    background: Any = None
    shadow: bool = False
    margin: Any = None
    size: Any = None
    car: int | None = None
    all: bool = False
    glass: str = "keep"
    feather: float = 0

    def __post_init__(self) -> None:
        if self.car is not None and self.all:
            raise OptionError(
                f"car={self.car} selects one car and all=True selects all: give only one of them (--car or --all)"
            )
        if self.car is not None and self.car < 1:
            raise OptionError(f"car must be 1 for the largest, 2 for the next and so on, got {self.car}")
        if self.glass not in GLASS:
            raise OptionError(f"glass must be {' or '.join(map(repr, GLASS))}, got {self.glass!r}")
        if not 0 <= self.feather < float("inf"):
            raise OptionError(f"feather must be a number of pixels, 0 or more, got {self.feather}")
        size = _size(self.size)
        margin = _margin(self.margin)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "margin", _MARGIN if margin is None and size else margin)
        object.__setattr__(self, "background", _background(self.background))

    @property
    def tinted(self) -> bool:
        """Whether windows are."""
        return self.glass == "tint"

    def check(self, labels: LabelSet) -> None:
        """Raise OptionError where the classes do not tell what the options need."""
        if self.tinted and not glass_labels(labels):
            sets = {name: info(name).labels for name in list_models()}
            able = [name for name, known in sets.items() if glass_labels(known) and tells_whole_cars(known)]
            way = f"use {' or '.join(able)}, or keep the glass" if able else "keep the glass"
            raise OptionError(
                f"glass={self.glass!r} needs a network that finds windows and whole cars, and {labels.name} has no "
                f"class for windows: {way}"
            )


def holes_notice(labels: LabelSet) -> str | None:
    """Return a sentence about classes whose cut-outs have holes; None where all of a car has a class."""
    if tells_whole_cars(labels) or not car_labels(labels):
        return None
    return (
        f"the classes of {labels.name} do not name all of a car (not its roof; side windows are doors), so cut-outs "
        "have holes: `carseg cutout` uses the model 'car', which finds whole cars"
    )


def choose_cars(cars: Sequence[Car], number: int | None, all: bool, source: str) -> Sequence[Car]:
    """Return the cars that are to be seen.

    Args:
        cars: those of the image, largest first.
        number: which of them, from 1; None takes the first, or none where there is none.
        all: take every one.
        source: name of the image, for the error.

    Raises:
        CarNotFoundError: there is none of that number.
    """
    if number and number > len(cars):
        found = f"cars were found: {len(cars)}" if cars else "no car was found"
        raise CarNotFoundError(f"{source or 'the image'}: there is no car {number} to cut out, {found}")
    return cars if all else cars[number - 1 : number] if number else cars[:1]


def alpha_of_cars(alpha: Uint8Array, inside: NDArray[np.bool_], cars: Sequence[Car]) -> Uint8Array:
    """Return the opacity of some cars, uint8 (H, W).

    Args:
        alpha: uint8 (H, W), of the whole foreground.
        inside: bool (H, W), the foreground.
        cars: the cars.
    """
    seen = np.zeros_like(inside)
    for car in cars:
        seen |= car.mask
    if (seen & ~inside).any():  # another network told the cars, and what it saw is the car
        return seen.astype(np.uint8) * np.uint8(255)
    return alpha_within(alpha, seen, inside & ~seen)


def draw_cutout(
    rgb: Uint8Array, alpha: Uint8Array, glass: NDArray[np.bool_] | None, options: CutoutOptions
) -> Image.Image:
    """Return the picture (RGBA), opaque before a background.

    Args:
        rgb: uint8 (H, W, 3).
        alpha: uint8 (H, W), opacity of what is to be seen.
        glass: bool (H, W), windows to be tinted.
        options: how it is shown; where nothing is to be seen there is nothing to frame either.
    """
    alpha = feathered(alpha, options.feather)
    height, width = alpha.shape
    frame, car = Frame(options.size or (width, height)), box_of(alpha, _HALF)
    if car and options.margin is not None:
        frame = frame_car(car, margin=options.margin, size=options.size)
    background = None if options.background is None else _backdrop(options.background, frame.size)
    box = box_of(alpha, 1)
    if box is None:
        return background.convert("RGBA") if background else Image.new("RGBA", frame.size)
    x, y, across, down = box
    here = np.s_[y : y + down, x : x + across]
    alone = cut_out(rgb[here], alpha[here], None if glass is None else glass[here])
    return composite(alone, box, frame, background=background, shadow=options.shadow)


def _size(size: Any) -> tuple[int, int] | None:
    """Return width and height of a canvas that was given as "1920x1080" or as (1920, 1080)."""
    if size is None:
        return None
    match = _SIZE.fullmatch(size.strip()) if isinstance(size, str) else None
    limit = pixel_limit()
    try:
        width, height = map(int, match.groups()) if match else map(operator.index, size)
    except (TypeError, ValueError):
        width = height = 0
    if width < 1 or height < 1 or (limit is not None and width * height > limit):
        most = "" if limit is None else f" of at most {limit} pixels"
        raise OptionError(f"size must be the width and height of a canvas{most}, such as 1920x1080, got {_said(size)}")
    return width, height


def _margin(margin: Any) -> float | None:
    """Return the share of a margin that was given as "8%" or as 0.08."""
    if margin is None:
        return None
    match = _PERCENT.fullmatch(margin.strip()) if isinstance(margin, str) else None
    share = float(match[1]) / 100 if match else margin
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= _WIDEST:
        raise OptionError(
            f"margin must be a share of the canvas from 0% to {_WIDEST:.0%}, such as '8%' or 0.08, got {_said(margin)}"
        )
    return float(share)


def _background(background: Any) -> Any:
    """Return the colour or the image (RGB) that a background stands for, None for a transparent one."""
    if background is None or (isinstance(background, str) and background.strip().lower() == "transparent"):
        return None
    if isinstance(background, (np.ndarray, Image.Image)) or is_data_uri(background):
        return Image.fromarray(decode(background).rgb)
    try:
        if not isinstance(background, os.PathLike):
            return Image.new("RGB", (1, 1), background).getpixel((0, 0))
    except (TypeError, ValueError):
        pass
    if isinstance(background, (str, os.PathLike)) and os.path.lexists(background):
        return Image.fromarray(decode(background).rgb)
    raise OptionError(
        f"{_said(background)} is neither a colour nor an image file: use 'transparent', (r, g, b), a name, '#rrggbb' "
        "or the path of an image"
    )


def _backdrop(background: Any, size: tuple[int, int]) -> Image.Image:
    """Return the background on a canvas, which may be drawn on: an image is scaled and cropped to cover it."""
    if isinstance(background, Image.Image):
        return ImageOps.fit(background, size)
    return Image.new("RGB", size, background)


def _said(value: Any) -> str:
    return excerpt(repr(value))
