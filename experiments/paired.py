"""Which of two networks is better on the same pictures: the difference of a figure, with its 95 % interval.

Pictures differ more than networks do. Two intervals of their own therefore overlap although one network is better on
nearly every picture; the interval of the difference, over resamples of the pictures that are the same for both, is what
tells (the paired bootstrap: Efron and Tibshirani 1993).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from carseg.errors import OptionError
from carseg.metrics import RESAMPLES, SEED

Floats = npt.NDArray[np.float64]
Confusions = npt.NDArray[Any]  # (pictures, classes, classes + 1) pixels, truth by prediction, as Evaluation has them


def difference(
    one: Confusions, other: Confusions, figure: str, *, background: int | None
) -> tuple[float, float, float]:
    """The figure of ``one`` minus that of ``other``, and the ends of its 95 % interval.

    Args:
        one: of the same pictures in the same order as ``other``.
        figure: "miou" or "dice", as ``carseg.metrics.Scores`` has them.
        background: label id that Dice leaves out.

    Raises:
        OptionError: they are not of the same pictures, or there is no such figure.
    """
    if figure not in ("miou", "dice"):
        raise OptionError(f"networks are compared by miou or dice, not by {figure!r}")
    if not np.array_equal(one.sum(2), other.sum(2)):  # pixels of every class in the truth
        raise OptionError("the two were not measured on the same pictures")
    count = len(one)
    draws = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    draws = np.concatenate([np.ones((1, count), np.int64), draws])
    apart = _figure(draws, one, figure, background) - _figure(draws, other, figure, background)
    low, high = np.percentile(apart[1:], (2.5, 97.5))
    return float(apart[0]), float(low), float(high)


def _figure(draws: npt.NDArray[np.int64], confusions: Confusions, figure: str, background: int | None) -> Floats:
    """(splits,) of splits in which picture i is ``draws[:, i]`` times."""
    sums = np.tensordot(draws.astype(np.float64), confusions, 1)
    hit, true, predicted = np.diagonal(sums, axis1=1, axis2=2), sums.sum(2), sums.sum(1)[:, :-1]
    ratio = (
        2 * hit / np.maximum(true + predicted, 1) if figure == "dice" else hit / np.maximum(true + predicted - hit, 1)
    )
    counted = true > 0
    if figure == "dice" and background is not None:
        counted[:, background] = False
    mean: Floats = (ratio * counted).sum(1) / np.maximum(counted.sum(1), 1)
    return mean
