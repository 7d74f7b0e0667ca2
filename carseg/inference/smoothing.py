"""Answers that do not flicker: a network's probabilities, averaged over the frames of a video along what moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carseg._arrays import Float32Array, Uint8Array
from carseg.images import LoadedImage
from carseg.inference.motion import find_motion, inside, stretched, stretched_motion, unexplained, warp
from carseg.inference.postprocess import log_probabilities

_LONGEST = 160  # pixels of the longer side at which motion is looked for, at most
# Share of the frames before in an average. A change that the network is 90 % sure of is late by one frame at most.
_KEPT = 2 / 3
_NOISE = 2.5  # times the median of what motion leaves unexplained: as much counts as noise of the sensor
_LEAST, _MOST = 12.0, 24.0  # grey values between which that lies
_NEVER = 1e-6  # the least probability


@dataclass(frozen=True)
class _Seen:
    """A frame.

    Attributes:
        image: the frame.
        small: uint8 (h, w, 3), as motion is looked for in it.
        probabilities: float32 (C, h', w'), the average up to it.
    """

    image: LoadedImage
    small: Uint8Array
    probabilities: Float32Array


class Smoother:
    """Averages the answers to the frames of a video, each with those before, moved along as the image moved.

    Where the frame before, moved along, does not look like this one, its answer does not count: what has just come into
    view is never late. An image that does not follow the one before, as ``LoadedImage.follows`` has it, begins anew.
    """

    def __init__(self) -> None:
        self._last: _Seen | None = None

    def __call__(self, logits: Float32Array, image: LoadedImage) -> Float32Array:
        """Return the logits of the average, float32 (C, h, w), which are the next frame's past.

        Args:
            logits: float32 (C, h, w), the network's own.
            image: the frame.
        """
        grid = logits.shape[1], logits.shape[2]
        scale = min(_LONGEST / max(grid), 1)
        small = image.resized((max(round(grid[0] * scale), 2), max(round(grid[1] * scale), 2)))
        probabilities = np.exp(log_probabilities(logits))
        last = self._last
        if last is not None and image.follows(last.image):
            flow = find_motion(last.small, small)
            before = warp(last.probabilities, stretched_motion(flow, grid))
            share = _KEPT * stretched(_likeness(last.small, small, flow), grid)
            probabilities += share * (before - probabilities)
            logits = np.log(np.maximum(probabilities, np.float32(_NEVER)))
        self._last = _Seen(image, small, probabilities)
        return logits


def _likeness(before: Uint8Array, after: Uint8Array, flow: Float32Array) -> Float32Array:
    """Return how alike two frames are along a motion, float32 (h, w): 1 where they differ by noise alone, 0 for not."""
    left = unexplained(before, after, flow)
    noise = np.clip(_NOISE * np.median(left), _LEAST, _MOST)
    likeness: Float32Array = (2 - left / noise).clip(0, 1) * inside(flow)
    return likeness
