"""How well an image is exposed: arrays in, numbers out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carseg._arrays import Uint8Array

_SIDE = 320  # pixels of the longer side that are looked at: shares need no more
_WHITE = 250  # of 255, in each of red, green and blue
_LIGHT = 0.95  # share of pixels that are darker than ``brightness``


@dataclass(frozen=True)
class Exposure:
    """How light a region is.

    Attributes:
        brightness: luma that a twentieth of the pixels of its box exceeds, 0..255: high around a black car too, which
            has reflections, and ground around it.
        clipped: share of its own pixels that are plain white, 0..1, where no detail is left.
    """

    brightness: float
    clipped: float


def measure_exposure(rgb: Uint8Array, region: NDArray[np.bool_]) -> Exposure:
    """Return the exposure of a region.

    Args:
        rgb: uint8 (h, w, 3), the pixels of the box around it.
        region: bool (h, w), which of them are its own.
    """
    step = max(1, max(region.shape) // _SIDE)
    seen, its = np.ascontiguousarray(rgb[::step, ::step]), region[::step, ::step]
    own = seen[its]
    return Exposure(
        brightness=float(np.quantile(np.asarray(Image.fromarray(seen).convert("L")), _LIGHT)),
        clipped=float((own.min(1) >= _WHITE).mean()) if len(own) else 0.0,
    )
