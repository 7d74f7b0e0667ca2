"""Figures of confusion matrices (..., classes, classes + 1): IoU, Dice, side error. numpy only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Floats:
    """part / whole, NaN where there is no whole."""
    ratio: Floats = np.divide(part, whole, out=np.full(np.shape(whole), math.nan), where=whole > 0)
    return ratio


def mean(values: Floats, weights: npt.NDArray[Any]) -> Floats:
    """Weighted mean over the last axis; values of weight zero may be NaN."""
    return ratio((np.where(weights > 0, values, 0) * weights).sum(-1), weights.sum(-1))


def _parts(matrices: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Per class of (..., C, C + 1) matrices: pixels found, pixels of the truth, pixels predicted; each (..., C)."""
    return np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(-1), matrices.sum(-2)[..., :-1]


def class_iou(matrices: npt.NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """IoU per class (..., C), NaN where the truth lacks it; its mean over the classes and over the pixels (...)."""
    hit, true, predicted = _parts(matrices)
    iou = np.where(true > 0, ratio(hit, true + predicted - hit), math.nan)
    return iou, mean(iou, true > 0), mean(iou, true)


def class_dice(matrices: npt.NDArray[Any], foreground: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Dice per class (..., C), NaN where the truth lacks it; its mean over the classes but the background (...)."""
    hit, true, predicted = _parts(matrices)
    dice = np.where(true > 0, ratio(2 * hit, true + predicted), math.nan)
    return dice, mean(dice, (true > 0) & foreground)


def side_error(matrices: npt.NDArray[Any], pairs: npt.NDArray[np.intp]) -> Floats:
    left, right = pairs.T
    wrong = matrices[..., left, right].sum(-1) + matrices[..., right, left].sum(-1)
    return ratio(wrong, wrong + matrices[..., left, left].sum(-1) + matrices[..., right, right].sum(-1))


def weighted_mean(draws: Floats, values: Floats) -> Floats:
    """(splits, figures): means of values (images, figures), of those that are not NaN."""
    there = ~np.isnan(values)
    return ratio(draws @ np.where(there, values, 0), draws @ there)
