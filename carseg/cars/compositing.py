"""Compositing of a car: on its own, or before another background. Arrays in, images out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from carseg._arrays import Uint8Array
from carseg.cars.foreground import foreground_colors
from carseg.cars.framing import Frame
from carseg.cars.glass import tint_glass
from carseg.cars.shadow import ground_shadow
from carseg.masks import rle

_REACH = 8  # pixels beyond its mask to which a car's soft edge may reach where other cars are


def alpha_within(alpha: Uint8Array, car: NDArray[np.bool_], others: NDArray[np.bool_]) -> Uint8Array:
    """Return the opacity of one car, uint8 (H, W), of that of all.

    Args:
        alpha: uint8 (H, W), of all cars.
        car: bool (H, W), the car's mask.
        others: bool (H, W), what else is in the foreground.
    """
    if not others.any():
        return alpha
    spread = Image.fromarray(car.astype(np.uint8) * np.uint8(255)).filter(ImageFilter.BoxBlur(_REACH))
    return np.where((np.asarray(spread) > 0) & ~others, alpha, np.uint8(0))


def feathered(alpha: Uint8Array, radius: float) -> Uint8Array:
    """Return the opacity with a softer border, uint8 (H, W): it fades inwards, so that no rim of the background shows.

    Args:
        alpha: uint8 (H, W).
        radius: in pixels; parts thinner than that fade away, 0 leaves all as it is.
    """
    if radius <= 0:
        return alpha
    image = Image.fromarray(alpha)
    inner = image.filter(ImageFilter.GaussianBlur(radius)).point([max(0, 2 * v - 255) for v in range(256)])
    return np.asarray(ImageChops.darker(image, inner))


def box_of(alpha: Uint8Array, least: int) -> rle.Box | None:
    """Return x, y, width, height of where the opacity is ``least`` or more; None where it nowhere is."""
    box = Image.fromarray(alpha).point([255 * (value >= least) for value in range(256)]).getbbox()
    return box and (box[0], box[1], box[2] - box[0], box[3] - box[1])


def cut_out(rgb: Uint8Array, alpha: Uint8Array, glass: NDArray[np.bool_] | None = None) -> Image.Image:
    """Return the foreground (RGBA), the old background taken out of the colours of its edge.

    Transparent pixels are black, so that no file reveals them.

    Args:
        rgb: uint8 (H, W, 3).
        alpha: uint8 (H, W).
        glass: bool (H, W), windows to be tinted.
    """
    colors = foreground_colors(rgb, alpha)
    if glass is not None:
        colors = tint_glass(colors, glass)
    colors[alpha == 0] = 0
    car = Image.fromarray(colors)
    car.putalpha(Image.fromarray(alpha))
    return car


def composite(
    car: Image.Image, box: rle.Box, frame: Frame, *, background: Image.Image | None = None, shadow: bool = False
) -> Image.Image:
    """Return the car on a canvas (RGBA), opaque before a background.

    Args:
        car: what ``cut_out`` returns.
        box: x, y, width, height of where it was in the image.
        frame: the canvas.
        background: RGB, of the canvas' size; it is drawn on.
        shadow: draw one under the car.
    """
    left, top, *size = frame.locate(box)
    if (size[0], size[1]) != car.size:
        car = car.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    shade = Image.new("L", frame.size)
    if shadow:
        shade.paste(car.getchannel("A"), (left, top))
        shade = Image.fromarray(ground_shadow(np.asarray(shade)))
    if background is not None:
        if shadow:
            background.paste((0, 0, 0), mask=shade)
        background.paste(car.convert("RGB"), (left, top), car.getchannel("A"))
        return background.convert("RGBA")
    alone = Image.new("RGBA", frame.size)
    alone.paste(car, (left, top))
    if not shadow:
        return alone
    ground = Image.new("RGBA", frame.size)
    ground.putalpha(shade)
    return Image.alpha_composite(ground, alone)
