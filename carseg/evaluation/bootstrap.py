"""Bootstrap: splits drawn with replacement from a split's images (Efron & Tibshirani 1993), and percentiles."""

from __future__ import annotations

import math

import numpy as np

from carseg.evaluation.confusion import Floats

RESAMPLES = 1000
SEED = 0


def resamples(count: int) -> list[Floats]:
    """Return how often each of ``count`` images is drawn, float64 (splits, images), in parts of 100 splits.

    Parts let a caller use little memory. The draws are always the same.
    """
    generator = np.random.default_rng(SEED)
    parts = []
    for _ in range(RESAMPLES // 100):
        drawn = generator.integers(count, size=(100, count)) if count else np.zeros((100, 0), np.intp)
        drawn += np.arange(100)[:, None] * count
        parts.append(np.bincount(drawn.ravel(), minlength=100 * count).reshape(100, count).astype(np.float64))
    return parts


def percentiles(values: Floats) -> Floats:
    """Return the ends of the middle 95 % along the first axis, (2, ...); NaN values are ignored, all NaN gives NaN."""
    missing = np.isnan(values).all(0)
    return np.where(missing, math.nan, np.nanpercentile(np.where(missing, 0, values), (2.5, 97.5), axis=0))
