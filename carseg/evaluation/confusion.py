"""Figures of confusion matrices (..., C, C + 1), truth by prediction: IoU, Dice, side error. numpy only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Floats:
    """Return part / whole, NaN where ``whole`` is 0."""
    result: Floats = np.divide(part, whole, out=np.full(np.shape(whole), math.nan), where=whole > 0)
    return result


def mean(values: Floats, weights: npt.NDArray[Any]) -> Floats:
    """Return the weighted mean over the last axis; values of weight zero may be NaN."""
    return ratio((np.where(weights > 0, values, 0) * weights).sum(-1), weights.sum(-1))


def _parts(matrices: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return per class the correct pixels, those of the truth and those predicted; each (..., C)."""
    return np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(-1), matrices.sum(-2)[..., :-1]


def class_iou(matrices: npt.NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """Return IoU per class (..., C), NaN where the truth lacks it, and its means over classes and over pixels (...)."""
    hit, true, predicted = _parts(matrices)
    iou = np.where(true > 0, ratio(hit, true + predicted - hit), math.nan)
    return iou, mean(iou, true > 0), mean(iou, true)


def class_dice(matrices: npt.NDArray[Any], foreground: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return Dice per class (..., C), NaN where the truth lacks it, and its mean over the foreground classes (...)."""
    hit, true, predicted = _parts(matrices)
    dice = np.where(true > 0, ratio(2 * hit, true + predicted), math.nan)
    return dice, mean(dice, (true > 0) & foreground)


def side_error(matrices: npt.NDArray[Any], pairs: npt.NDArray[np.intp]) -> Floats:
    """Return the share of pixels given the wrong side (...), of those recognized as either of their left-right pair.

    ``pairs`` are label ids, (pairs, 2); the share is NaN where there is no such pixel.
    """
    left, right = pairs.T
    wrong = matrices[..., left, right].sum(-1) + matrices[..., right, left].sum(-1)
    return ratio(wrong, wrong + matrices[..., left, left].sum(-1) + matrices[..., right, right].sum(-1))


def weighted_mean(draws: Floats, values: Floats) -> Floats:
    """Return means over the images, (splits, figures), of ``values`` (images, figures) that are not NaN.

    ``draws``, (splits, images), says how often each image is in a split.
    """
    known = ~np.isnan(values)
    return ratio(draws @ np.where(known, values, 0), draws @ known)


def most_confused(matrix: Counts) -> tuple[int, int, float] | None:
    """Return the class whose pixels are most often taken for one other class, that class, and the share of its pixels.

    ``matrix`` is (C, C + 1); None where no pixel is taken for another class.
    """
    shares = matrix[:, :-1] / np.maximum(matrix.sum(1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    truth, taken_for = np.unravel_index(np.argmax(shares), shares.shape)
    share = float(shares[truth, taken_for])
    return (int(truth), int(taken_for), share) if share else None
