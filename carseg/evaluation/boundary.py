"""Boundary F1: Csurka, Larlus, Perronnin: What is a good evaluation measure for semantic segmentation? (BMVC 2013)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from carseg.evaluation.confusion import Counts, mean, ratio
from carseg.images import Uint8Array

TOLERANCE = (75, 10_000)  # of the diagonal, as a fraction of whole numbers: distances are then compared exactly


def boundary_f1(prediction: Uint8Array, truth: Uint8Array, classes: int) -> float:
    """How well the outlines in one image agree: the mean F1 of the classes that have an outline in either mask.

    The outline of a class is its pixels with one of the four neighbours of another class; where the truth is unknown
    there is no outline, nor at the image's edge. Precision is the share of the predicted outline within 0.75 % of
    the diagonal of the true one (Euclidean distance of pixel centres), recall the reverse.

    Args:
        prediction: uint8 (H, W) label ids; ``classes`` or more where undecided.
        truth: uint8 (H, W) label ids; ``classes`` or more where unknown.
        classes: their number.

    Returns:
        0..1, or NaN where neither mask has an outline.
    """
    height, width = truth.shape
    reach = TOLERANCE[0] ** 2 * (height**2 + width**2) // TOLERANCE[1] ** 2  # the largest squared distance allowed
    margin = math.isqrt(reach)
    known = truth < classes
    predicted, true = (_outline(mask, known, classes, margin) for mask in (prediction, truth))
    stride = width + 2 * margin
    right, met = _near(predicted, true, reach, stride), _near(true, predicted, reach, stride)
    block = (height + 2 * margin) * stride
    found, wanted = (np.bincount(points // block, minlength=classes) for points in (predicted, true))
    precision = ratio(np.bincount(predicted[right] // block, minlength=classes), np.maximum(found, 1))
    recall = ratio(np.bincount(true[met] // block, minlength=classes), np.maximum(wanted, 1))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    return float(mean(f1, (found > 0) | (wanted > 0)))


def _outline(mask: Uint8Array, known: npt.NDArray[np.bool_], classes: int, margin: int) -> Counts:
    """The known pixels with a known neighbour of another class, as sorted numbers made of class, row and column.

    A number counts through images with an empty margin all round, one such image a class, so that a walk of up to
    ``margin`` pixels never comes out at another row's or class's pixels.
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
    """bool (K,): which of the points have one of the others at a squared distance of at most ``reach``.

    Looks along one row of the disc round each point after the other, nearest rows first, for those not yet satisfied.
    """
    others = np.append(others, np.iinfo(np.int64).max)
    near = np.zeros(len(points), bool)
    left = np.arange(len(points))
    radius = math.isqrt(reach)
    for down in sorted(range(-radius, radius + 1), key=abs):
        half = math.isqrt(reach - down**2)
        first = points[left] + (down * stride - half)
        hit = others[np.searchsorted(others, first)] <= first + 2 * half
        near[left[hit]] = True
        left = left[~hit]
    return near
