"""Labels that leave open what lies near an object: for images in which only parts of it are labelled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from carseg.data import Label
from carseg.labels import IGNORE


@dataclass(frozen=True)
class Fringed:
    """A label whose background is ignored near every other class.

    Attributes:
        label: as it is stored.
        background: the stored value of the background.
        reach: how near, as a share of the image's diagonal, along rows and columns.
    """

    label: Label
    background: int
    reach: float

    def read(self, height: int, width: int) -> np.ndarray:
        stored = self.label.read(height, width).copy()
        parts = Image.fromarray((stored != self.background).astype(np.uint8) * 255)
        near = np.asarray(parts.filter(ImageFilter.BoxBlur(math.ceil(self.reach * math.hypot(height, width))))) > 0
        stored[near & (stored == self.background)] = IGNORE
        return stored
