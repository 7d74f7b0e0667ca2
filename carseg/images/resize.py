"""Resizing of images."""

from __future__ import annotations

import numpy as np
from PIL import Image

from carseg._arrays import Uint8Array


def resize(
    rgb: Uint8Array, size: tuple[int, int], *, box: tuple[float, float, float, float] | None = None
) -> Uint8Array:
    """Return an image at ``size`` (height, width): bilinear, antialiased.

    A much larger image is first shrunk by a whole factor.

    Args:
        rgb: uint8 (H, W, 3).
        size: height and width of what is returned.
        box: left, top, right and bottom of what is taken of it, to parts of a pixel; None: all.
    """
    height, width = size
    whole = 0, 0, rgb.shape[1], rgb.shape[0]
    box = box or whole
    if rgb.shape[:2] == size and box == whole:
        return rgb
    image = Image.fromarray(rgb)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0))
