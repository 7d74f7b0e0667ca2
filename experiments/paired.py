"""The difference of a figure between two networks on the same images, with its 95 % interval.

Images differ more than networks do. Two intervals of their own therefore overlap although one network is better on
nearly every image; the interval of the difference, over resamples of the images that are the same for both, tells
which is better (the paired bootstrap: Efron and Tibshirani 1993).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from carseg.errors import OptionError
from carseg.evaluation import Floats, class_dice, class_iou, resamples

Confusions = npt.NDArray[Any]  # (images, classes, classes + 1) pixels, truth by prediction, as Evaluation has them


def difference(
    one: Confusions, other: Confusions, figure: str, *, background: int | None
) -> tuple[float, float, float]:
    """Return the figure of ``one`` minus that of ``other``, and the ends of its 95 % interval.

    Args:
        one: confusion matrices of one network.
        other: those of the other on the same images, in the same order.
        figure: "miou" or "dice", as ``carseg.evaluation.Scores`` has them.
        background: label id that Dice leaves out.

    Raises:
        OptionError: they are not of the same images, or there is no such figure.
    """
    if figure not in ("miou", "dice"):
        raise OptionError(f"networks are compared by miou or dice, not by {figure!r}")
    if not np.array_equal(one.sum(2), other.sum(2)):  # pixels of every class in the truth
        raise OptionError("the two were not measured on the same images")
    draws = [np.ones((1, len(one))), *resamples(len(one))]
    apart = np.concatenate([_figure(d, one, figure, background) - _figure(d, other, figure, background) for d in draws])
    low, high = np.percentile(apart[1:], (2.5, 97.5))
    return float(apart[0]), float(low), float(high)


def _figure(draws: Floats, confusions: Confusions, figure: str, background: int | None) -> Floats:
    """Return a figure (splits,) of splits in which image i is ``draws[:, i]`` times."""
    sums = np.tensordot(draws, confusions, 1)
    if figure == "miou":
        return class_iou(sums)[1]
    return class_dice(sums, np.arange(len(sums[0])) != background)[1]
