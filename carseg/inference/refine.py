"""The outline of a car at the image's own size: a small network looks again, in windows along the outline.

A network that sees a whole image decides on a coarse grid. Its answer, enlarged, is the fourth channel of what the
refining network sees beside the image's own pixels, in overlapping windows whose middles cover the outline: as boundary
patch refinement (Tang et al. 2021, https://arxiv.org/abs/2104.05239) and background matting v2 (Lin et al. 2020,
https://arxiv.org/abs/2012.07810) do it. Large images are refined at half their size first, and so on, because a window
must show more than the coarse answer is off by. numpy and Pillow only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from carseg._arrays import Float32Array, Uint8Array
from carseg.masks import polygons

_MARGIN = 16  # pixels of a window beyond the part that covers outline, over which it fades into its neighbours
_FIRST_SIDE = 1400  # longer side in pixels of the size at which a larger image is refined first, at least
_TOGETHER = 16  # windows that go through the network at once
_BAND = 256  # image rows whose windows are blended together

Places = npt.NDArray[np.intp]
Forward = Callable[[Float32Array], Float32Array]


def refine_outline(
    rgb: Uint8Array, mask: npt.NDArray[np.bool_], coarse: Float32Array, side: int, forward: Forward
) -> Uint8Array:
    """Return how opaque each pixel of a car is, uint8 (H, W).

    Far from the outline of the mask that is 255 inside and 0 outside.

    Args:
        rgb: uint8 (H, W, 3).
        mask: (H, W), where the car is.
        coarse: float32 (h, w) in 0..1, the network's probability of the car on a grid that is stretched over the image.
        side: of the network's windows, in pixels.
        forward: the network: float32 (N, 4, side, side) in -1..1 to logits (N, 2, side, side), the car's second.
    """
    image, known = Image.fromarray(rgb), Image.fromarray(mask)
    answer = Image.fromarray((255 * coarse + 0.5).astype(np.uint8))
    for number, factor in enumerate(_factors(image.size)):
        small = rgb if factor == 1 else np.asarray(image.reduce(factor))
        size = small.shape[1::-1]
        seen = np.asarray(answer.resize(size, Image.Resampling.BILINEAR))
        if number == 0:  # cleaning may have decided otherwise than the network
            car = np.asarray(known.resize(size, Image.Resampling.NEAREST))
            seen = np.where((seen > 127) == car, seen, np.where(car, np.uint8(255), np.uint8(0)))
        answer = Image.fromarray(_refined(small, seen, side, forward))
    return np.asarray(answer)


def _factors(size: tuple[int, int]) -> list[int]:
    """Return by how much an image is made smaller, one time after the other; the last is 1."""
    factors = [1]
    while max(size) >= 2 * factors[0] * _FIRST_SIDE:
        factors.insert(0, 2 * factors[0])
    return factors


def _refined(rgb: Uint8Array, seen: Uint8Array, side: int, forward: Forward) -> Uint8Array:
    """Return the opacity that the network gives along the outline of what was seen so far, uint8 (H, W) both."""
    height, width = seen.shape
    opacity = np.where(seen > 127, np.uint8(255), np.uint8(0))
    places = windows(seen > 127, side)
    answers = np.empty((len(places), side, side), np.uint8)
    if height < side or width < side:
        more = (0, max(side - height, 0)), (0, max(side - width, 0))
        rgb, seen = np.pad(rgb, [*more, (0, 0)], "edge"), np.pad(seen, more, "edge")
    for start in range(0, len(places), _TOGETHER):
        some = places[start : start + _TOGETHER]
        x = np.empty((len(some), 4, side, side), np.float32)
        for planes, (top, left) in zip(x, some, strict=True):
            here = np.s_[top : top + side, left : left + side]
            planes[:3], planes[3] = rgb[here].transpose(2, 0, 1), seen[here]
        x -= 127.5
        x /= 127.5
        logits = forward(x)
        answers[start : start + len(some)] = 255 / (1 + np.exp((logits[:, 0] - logits[:, 1]).clip(-30, 30))) + 0.5
    _blend(opacity, places, answers)
    return opacity


def _blend(opacity: Uint8Array, places: Places, answers: Uint8Array) -> None:
    """Enter the answers of windows into the opacity of the whole image, where they overlap by their distance."""
    side = answers.shape[1]
    height, width = opacity.shape
    for first in range(0, height, _BAND):
        last = min(first + _BAND, height)
        inside = np.flatnonzero((places[:, 0] < last) & (places[:, 0] + side > first))
        if not len(inside):
            continue
        total, sure = np.zeros((2, last - first, width), np.float32)
        for i in inside:
            top, left = places[i]
            weight = _fading(top, side, height)[:, None] * _fading(left, side, width)
            a, b = max(top, first), min(top + side, last)
            c = min(left + side, width)
            here, there = np.s_[a - first : b - first, left:c], np.s_[a - top : b - top, : c - left]
            total[here] += weight[there] * answers[i][there]
            sure[here] += weight[there]
        band = opacity[first:last]
        total += np.maximum(1 - sure, 0) * band
        band[:] = total / np.maximum(sure, 1) + 0.5


def _fading(start: int, side: int, length: int) -> Float32Array:
    """Return how much the pixels of a window count along an axis: less towards its ends, but for those of the image."""
    weight = np.ones(side, np.float32)
    ramp = (np.arange(_MARGIN, dtype=np.float32) + 0.5) / _MARGIN
    if start > 0:
        weight[:_MARGIN] = ramp
    if start + side < length:
        weight[-_MARGIN:] = ramp[::-1]
    return weight


def windows(car: npt.NDArray[np.bool_], side: int) -> Places:
    """Return the top left corners (N, 2) of windows whose middle parts cover the outline of a mask, bool (H, W)."""
    core = side - 2 * _MARGIN
    most = np.maximum(np.array(car.shape) - side, 0)
    places = [(corner - _MARGIN).clip(0, most) for corner in _cover(polygons.edge_pixels(car), core)]
    return np.array(places, np.intp).reshape(-1, 2)


def _cover(points: Places, core: int) -> Iterator[Places]:
    """Yield the corners of squares that cover all points (N, 2), which are in the order of their rows."""
    free = np.ones(len(points), bool)
    rows, columns = points.T
    start = 0
    while start < len(points):
        if not free[start]:
            start += 1
            continue
        y, x = points[start]
        end = np.searchsorted(rows, y + core)
        near = start + np.flatnonzero(free[start:end] & (abs(columns[start:end] - x) < core))
        left = np.clip(int(columns[near].mean()) - core // 2, x - core + 1, x)
        near = near[(columns[near] >= left) & (columns[near] < left + core)]
        free[near] = False
        box = points[near]
        yield (box.min(0) + box.max(0) + 1 - core) // 2
