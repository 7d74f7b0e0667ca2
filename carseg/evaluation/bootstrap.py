"""Splits drawn with replacement from a split's images (Efron & Tibshirani 1993), and their percentiles."""

from __future__ import annotations

import math

import numpy as np

from carseg.evaluation.confusion import Floats

RESAMPLES = 1000
SEED = 0


def resamples(count: int) -> list[Floats]:
    """How often each of ``count`` images is drawn, (splits, images); in parts, so that memory stays small."""
    generator = np.random.default_rng(SEED)
    parts = []
    for _ in range(RESAMPLES // 100):
        drawn = generator.integers(count, size=(100, count)) if count else np.zeros((100, 0), np.intp)
        drawn += np.arange(100)[:, None] * count
        parts.append(np.bincount(drawn.ravel(), minlength=100 * count).reshape(100, count).astype(np.float64))
    return parts


def percentiles(values: Floats) -> Floats:
    """(2, ...): where the middle 95 % of the first axis begin and end; NaN where no value is there."""
    missing = np.isnan(values).all(0)
    return np.where(missing, math.nan, np.nanpercentile(np.where(missing, 0, values), (2.5, 97.5), axis=0))
