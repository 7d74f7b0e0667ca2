"""Motion between two small images, for each pixel where it was before, as OpenCV finds it (``carseg[video]``).

Dense inverse search (Kroeger et al. 2016, https://arxiv.org/abs/1603.03590), at the images' full resolution in the end,
because what moves by itself covers few pixels of them. The refinement of OpenCV's other presets blurs motion at edges,
and masks then flicker more. A motion is float32 (h, w, 2): x and y, in pixels, relative to the pixel itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from carseg._arrays import Float32Array, Uint8Array

_SMALLEST = 12  # pixels of a side, below which OpenCV finds no motion


def find_motion(before: Uint8Array, after: Uint8Array) -> Float32Array:
    """Return where each pixel of an image was in the one before; nothing moves in less than 12 pixels a side.

    Args:
        before: uint8 (h, w, 3).
        after: uint8 (h, w, 3), as large.
    """
    import cv2

    if min(after.shape[:2]) < _SMALLEST:
        return np.zeros((*after.shape[:2], 2), np.float32)
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    search.setFinestScale(0)
    old, new = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in (before, after))
    flow: Float32Array = search.calc(new, old, None)
    return flow


def unexplained(before: Uint8Array, after: Uint8Array, flow: Float32Array) -> Float32Array:
    """Return by how much the surroundings of each pixel differ from where they were, float32 (h, w), in grey values."""
    import cv2

    off = cv2.absdiff(_moved(before, _places(flow)), after).mean(2, dtype=np.float32)
    return np.asarray(cv2.blur(off, (3, 3)), np.float32)


def warp(planes: Float32Array, flow: Float32Array) -> Float32Array:
    """Return planes, float32 (C, h, w), with each pixel as it was where a motion says that it was, bilinear."""
    places = _places(flow)
    return np.stack([_moved(plane, places) for plane in planes])


def stretched(values: Float32Array, size: tuple[int, int]) -> Float32Array:
    """Return values, float32 (h, w) or (h, w, 2), on a finer grid of ``size`` (height, width), bilinear."""
    import cv2

    return np.asarray(cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def stretched_motion(flow: Float32Array, size: tuple[int, int]) -> Float32Array:
    """Return a motion on a finer grid of ``size`` (height, width), in pixels of that."""
    height, width = flow.shape[:2]
    return stretched(flow, size) * np.array([size[1] / width, size[0] / height], np.float32)


def inside(flow: Float32Array) -> NDArray[np.bool_]:
    """Return which pixels were in the image before, bool (h, w)."""
    x, y = _places(flow)
    height, width = flow.shape[:2]
    return np.asarray((y >= -0.5) & (y <= height - 0.5) & (x >= -0.5) & (x <= width - 0.5))


def _places(flow: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Return x and y of where each pixel was, float32 (h, w)."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x + flow[..., 0], y + flow[..., 1]


def _moved(values: NDArray[Any], places: tuple[Float32Array, Float32Array]) -> NDArray[Any]:
    """Return values, (h, w) or (h, w, 3), with each pixel as it was at x and y, float32 (h, w) each, bilinear."""
    import cv2

    return cv2.remap(values, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
