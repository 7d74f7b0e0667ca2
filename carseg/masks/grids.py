"""A grid of cells stretched over the pixels of an image, along one axis: the cell of a pixel, and the other way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nearest(pixels: NDArray[np.int64], size: int, cells: int) -> NDArray[np.int64]:
    """Return the cell, of ``cells`` over ``size`` pixels, that the middle of each pixel lies in."""
    return (2 * pixels + 1) * cells // (2 * size)


def middles(size: int, cells: int) -> NDArray[np.int64]:
    """Return the pixel, of ``size`` under ``cells``, that the middle of each cell lies in."""
    return (2 * np.arange(cells) + 1) * size // (2 * cells)
