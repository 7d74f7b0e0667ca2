"""The windows of a car, through which the old background is seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from carseg._arrays import Uint8Array
from carseg.labels import LabelSet

_TONE = np.array([44, 48, 52], np.float32)  # dark, next to neutral
_LEFT = 0.3  # share of the light and dark in the glass that stays, for its reflections
_SOFTNESS = 1.5  # pixels
_WORDS = {"window", "windows", "glass", "windshield", "windscreen"}


def glass_labels(labels: LabelSet) -> tuple[int, ...]:
    """Return the label ids of windows: classes like ``window`` and ``front_glass``."""
    return tuple(i for i, name in enumerate(labels.classes) if not _WORDS.isdisjoint(name.lower().split("_")))


def tint_glass(rgb: Uint8Array, glass: NDArray[np.bool_]) -> Uint8Array:
    """Return the image with dark, neutral glass, in which what is seen through it is next to gone, uint8 (H, W, 3).

    Args:
        rgb: uint8 (H, W, 3).
        glass: bool (H, W), where windows are.
    """
    image = Image.fromarray(rgb)
    grey = np.asarray(image.convert("L"), np.float32)[..., None]
    toned = np.rint(_TONE * (1 - _LEFT) + grey * _LEFT).astype(np.uint8)
    soft = Image.fromarray(glass.astype(np.uint8) * np.uint8(255)).filter(ImageFilter.GaussianBlur(_SOFTNESS))
    return np.array(Image.composite(Image.fromarray(toned), image, soft))
