"""Logits to labels and probabilities at the image's own size, and how sure the network is of each class.

numpy only, so that a prediction through ONNX Runtime or OpenVINO never imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from carseg._arrays import Float16Array, Float32Array, Uint8Array
from carseg.inference.preprocess import Upsampling
from carseg.labels import IGNORE
from carseg.masks import grids

_BAND = 64  # about so many image rows are interpolated together: few calls of numpy, all in the processor's cache
_ROUNDING = 1e-3  # that interpolation may add to a logit, by far
_PROBABLE_ROWS = 16  # image rows whose probabilities are computed together, for the same reason


def to_mask(
    logits: Float32Array, upsampling: Upsampling, *, threshold: float | None = None, background: int | None = None
) -> Uint8Array:
    """Return label ids, uint8 (H, W) at the image's size: the argmax of bilinearly upsampled logits.

    Args:
        logits: float32 (C, h, w).
        upsampling: where the image's pixels lie on them, see ``Preprocessor.inverse``.
        threshold: pixels whose class has a lower probability, interpolated between the network's pixels, become
            ``background``, or 255 where there is none.
        background: label id of the background, None where the classes have none.

    Full-size logits are never built. Between four neighbouring logits that agree on the class every interpolated pixel
    has that class too, because bilinear weights are convex; so only pixels between disagreeing neighbours are
    interpolated, first across, once for all image rows between two rows of network pixels, then down, and of them only
    the classes that can win somewhere in the band.
    """
    coarse = _strongest(logits)
    (y0, y1, fy), (x0, x1, fx) = upsampling
    mask = coarse[:, x0][y0]
    right = np.roll(coarse, -1, 1)
    right[:, -1] = coarse[:, -1]
    mixed = (
        (coarse != right)
        | (coarse != np.vstack([coarse[1:], coarse[-1:]]))
        | (coarse != np.vstack([right[1:], right[-1:]]))
    )
    heights = np.bincount(y0, minlength=len(coarse))  # image rows below each row of network pixels, down to the next
    used = np.flatnonzero(heights)
    step = max(_BAND * len(coarse) // len(y0), 1)
    for band in np.split(used, range(step, len(used), step)):
        rows, columns = np.nonzero(mixed[band][:, x0])
        if not len(rows):
            continue
        able = _able(logits, mixed[band], band)
        some = logits[able]
        rows = band[rows]
        starts = np.searchsorted(y0, rows)
        left, right_, across = x0[columns], x1[columns], fx[columns]
        upper, lower = (some[:, y, left] * (1 - across) + some[:, y, right_] * across for y in (rows, y1[starts]))
        # Where a row of network pixels has fewer image rows than others of the band its last one is done again.
        lines = starts + np.minimum(np.arange(heights[band].max())[:, None], heights[rows] - 1)
        down = fy[lines]
        up = 1 - down
        mask[lines, columns] = able[_strongest(a * up + b * down for a, b in zip(upper, lower, strict=True))]
    if threshold is not None:
        probability = _probabilities(logits)
        for y, label in enumerate(mask):
            upper, lower = (
                probability[label, row, x0] * (1 - fx) + probability[label, row, x1] * fx for row in (y0[y], y1[y])
            )
            label[upper * (1 - fy[y]) + lower * fy[y] < threshold] = IGNORE if background is None else background
    return mask


def _able(logits: Float32Array, mixed: npt.NDArray[np.bool_], band: npt.NDArray[np.intp]) -> Uint8Array:
    """Return the classes that can win between network pixels that disagree.

    One whose highest corner is below the lowest corner of another one loses everywhere between the four.
    """
    y, x = np.nonzero(mixed)
    y = band[y]
    below, beside = np.minimum(y + 1, logits.shape[1] - 1), np.minimum(x + 1, logits.shape[2] - 1)
    corners = np.stack([logits[:, y, x], logits[:, y, beside], logits[:, below, x], logits[:, below, beside]])
    least = corners.min(0).max(0) - _ROUNDING
    return np.flatnonzero((corners.max(0) >= least).any(1)).astype(np.uint8)


def to_probabilities(logits: Float32Array, upsampling: Upsampling) -> Float16Array:
    """Return the probability of each class, float16 (C, H, W) at the image's size: the softmax of upsampled logits.

    The most probable class is the one that ``to_mask`` gives without a threshold; float16 cannot tell every two classes
    apart that are next to equally probable.

    Args:
        logits: float32 (C, h, w).
        upsampling: where the image's pixels lie on them, see ``Preprocessor.inverse``.
    """
    (y0, y1, fy), (x0, x1, fx) = upsampling
    probabilities = np.empty((len(logits), len(y0), len(x0)), np.float16)
    for start in range(0, len(y0), _PROBABLE_ROWS):  # so that the whole is never built in float32
        rows = slice(start, start + _PROBABLE_ROWS)
        upper, lower = logits[:, y0[rows]], logits[:, y1[rows]]
        band = upper + (lower - upper) * fy[rows, None]
        left, right = band[:, :, x0], band[:, :, x1]
        probabilities[:, rows] = _probabilities(left + (right - left) * fx)
    return probabilities


def _strongest(planes: Iterable[Float32Array]) -> Uint8Array:
    """Return the number of the plane with the highest value at each place; numpy's argmax takes three times as long."""
    rest = iter(planes)
    best = next(rest).copy()
    winner = np.zeros(best.shape, np.uint8)
    for number, plane in enumerate(rest, 1):
        winner[plane > best] = number
        np.maximum(best, plane, out=best)
    return winner


def _probabilities(logits: Float32Array) -> Float32Array:
    exp = np.exp(logits - logits.max(0))
    return exp / exp.sum(0)


def log_probabilities(logits: Float32Array) -> Float32Array:
    """Return the logarithm of each class's probability, float32 (C, h, w)."""
    below = logits - logits.max(0)
    return below - np.log(np.exp(below).sum(0))


def certainty(log_probabilities: Float32Array, mask: Uint8Array) -> Float16Array:
    """Return how sure the network is of a mask, float16 (2, h, w), on the network's grid stretched over the mask.

    In each cell: the probability of the label that the mask has in its middle, and that of the most probable other one,
    which stands for what is smaller than a cell.
    """
    (height, width), (rows, columns) = mask.shape, log_probabilities.shape[1:]
    shown = mask[grids.middles(height, rows)[:, None], grids.middles(width, columns)]
    shown = np.minimum(shown, len(log_probabilities) - 1)[None].astype(np.intp)  # 255 is of no class and no part
    others = log_probabilities.copy()
    np.put_along_axis(others, shown, -np.inf, 0)
    both = np.take_along_axis(log_probabilities, shown, 0), others.max(0, keepdims=True)
    return np.exp(np.concatenate(both)).astype(np.float16)


def class_scores(logits: Float32Array, *, threshold: float | None = None) -> tuple[Float32Array, Float32Array]:
    """Return the sum of each class's probability over the network pixels of that class, and their number.

    Their ratio is how sure the network is of a class. Pixels that ``threshold`` takes from their class are left out. A
    class that wins nowhere on the network's own grid counts its best pixel with next to no weight.
    """
    probability = _probabilities(logits)
    winner, best = _strongest(logits).ravel(), probability.max(0).ravel()
    if threshold is not None:
        winner, best = winner[best >= threshold], best[best >= threshold]
    count = np.bincount(winner, minlength=len(logits)).astype(np.float32)
    total = np.bincount(winner, best, minlength=len(logits)).astype(np.float32)
    absent = count == 0
    total[absent] = 1e-6 * probability[absent].max((1, 2))
    count[absent] = 1e-6
    return total, count
