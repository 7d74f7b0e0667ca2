"""Boundary F1: Csurka, Larlus, Perronnin: What is a good evaluation measure for semantic segmentation? (BMVC 2013)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from carseg._arrays import Uint8Array
from carseg.evaluation.confusion import Counts, mean, ratio

TOLERANCE = (75, 10_000)  # 0.75 % of the diagonal, as whole numbers so that distances are compared exactly


def boundary_f1(prediction: Uint8Array, truth: Uint8Array, classes: int, *, tolerance: int | None = None) -> float:
    """Return the boundary F1 of one image: the mean over the classes that have an outline in either mask.

    The outline of a class is its pixels with one of the four neighbours of another class; where the truth is unknown
    there is no outline, nor at the image's edge. Precision is the share of the predicted outline within a tolerance of
    the true one (Euclidean distance of pixel centres), recall the reverse.

    Args:
        prediction: uint8 (H, W) label ids; ``classes`` or more where undecided.
        truth: uint8 (H, W) label ids; ``classes`` or more where unknown.
        classes: number of classes.
        tolerance: in pixels; None for 0.75 % of the diagonal.

    Returns:
        0..1, or NaN where neither mask has an outline.
    """
    height, width = truth.shape
    diagonal = TOLERANCE[0] ** 2 * (height**2 + width**2) // TOLERANCE[1] ** 2
    reach = diagonal if tolerance is None else tolerance**2  # the largest squared distance allowed
    margin = math.isqrt(reach)
    known = truth < classes
    predicted, true = (_outline(mask, known, classes, margin) for mask in (prediction, truth))
    stride = width + 2 * margin
    matched, recalled = _near(predicted, true, reach, stride), _near(true, predicted, reach, stride)
    block = (height + 2 * margin) * stride
    predicted_size, true_size = (np.bincount(points // block, minlength=classes) for points in (predicted, true))
    precision = ratio(np.bincount(predicted[matched] // block, minlength=classes), np.maximum(predicted_size, 1))
    recall = ratio(np.bincount(true[recalled] // block, minlength=classes), np.maximum(true_size, 1))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    return float(mean(f1, (predicted_size > 0) | (true_size > 0)))


def _outline(mask: Uint8Array, known: npt.NDArray[np.bool_], classes: int, margin: int) -> Counts:
    """Return the known pixels with a known neighbour of another class, as sorted numbers of class, row and column.

    A number counts the pixels of images with an empty margin all round, one such image per class, so that a step of up
    to ``margin`` pixels never reaches the pixels of another row or class.
    """
    height, width = mask.shape
    outline = np.zeros(mask.shape, bool)
    for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        edge = (mask[here] != mask[there]) & known[here] & known[there]
        outline[here] |= edge
        outline[there] |= edge
    outline &= mask < classes
    rows, columns = np.nonzero(outline)
    labels = mask[rows, columns].astype(np.int64)
    return np.sort((labels * (height + 2 * margin) + rows + margin) * (width + 2 * margin) + columns + margin)


def _near(points: Counts, others: Counts, reach: int, stride: int) -> npt.NDArray[np.bool_]:
    """Return which of the K points have one of the others at a squared distance of at most ``reach``, bool (K,).

    It searches one row of the disc around each point after the other, nearest rows first, for points without a match.
    """
    others = np.append(others, np.iinfo(np.int64).max)
    near = np.zeros(len(points), bool)
    remaining = np.arange(len(points))
    radius = math.isqrt(reach)
    for down in sorted(range(-radius, radius + 1), key=abs):
        half = math.isqrt(reach - down**2)
        first = points[remaining] + (down * stride - half)
        hit = others[np.searchsorted(others, first)] <= first + 2 * half
        near[remaining[hit]] = True
        remaining = remaining[~hit]
    return near
