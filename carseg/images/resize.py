"""Resizing of images."""

from __future__ import annotations

import numpy as np
from PIL import Image

from carseg._arrays import Uint8Array


def resize(rgb: Uint8Array, size: tuple[int, int]) -> Uint8Array:
    """Return an image, uint8 (H, W, 3), at ``size`` (height, width): bilinear, antialiased.

    A much larger image is first shrunk by a whole factor.
    """
    height, width = size
    if rgb.shape[:2] == size:
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0))
