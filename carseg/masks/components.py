"""Connected components of all classes of a label mask at once, on run lengths: no array of the mask's size is built.

Two pixels of one class belong together where they touch, by a side or by a corner.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from carseg.masks.rle import Positions


def split_columns(
    starts: Positions, ends: Positions, labels: NDArray[Any], height: int
) -> tuple[Positions, Positions, NDArray[Any]]:
    """Return the runs of ``label_runs``, each within one column of a mask of that height."""
    if not starts.size:
        return starts, ends, labels
    tops = np.arange(height, ends[-1], height)
    wrapping = np.searchsorted(starts, tops, "right") - 1  # the run that each column begins within
    inside = starts[wrapping] < tops
    tops, wrapping = tops[inside], wrapping[inside]
    all_starts = np.concatenate([starts, tops])
    order = np.argsort(all_starts, kind="stable")
    all_starts = all_starts[order]
    all_labels = np.concatenate([labels, labels[wrapping]])[order]
    return all_starts, np.append(all_starts[1:], ends[-1:]), all_labels


def touching(starts: Positions, ends: Positions, height: int) -> tuple[Positions, Positions]:
    """Return the pairs of runs that touch, by a side or by a corner: the number of the former and that of the latter.

    Args:
        starts: where each run begins; the runs cover the whole mask, and none leaves its column.
        ends: where it ends.
        height: that of the mask.
    """
    count = starts.size
    column = starts // height
    # In the next column, the positions beside a run, and one above and one below it.
    low = np.maximum(starts + height - 1, (column + 1) * height)
    high = np.minimum(ends + height + 1, (column + 2) * height)
    first, last = np.searchsorted(ends, low, "right"), np.searchsorted(starts, high, "left")
    beside = np.where(column < column[-1:], last - first, 0)
    left = np.repeat(np.arange(count), beside)
    right = np.arange(left.size) - np.repeat(np.cumsum(beside) - beside, beside) + first[left]
    upper = np.flatnonzero(column[1:] == column[:-1])
    return np.concatenate([left, upper]), np.concatenate([right, upper + 1])


def connect(pairs: tuple[Positions, Positions], labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return the component, 0, 1, ..., of each run, numbered in the order of their first runs.

    Args:
        pairs: the runs that touch, see ``touching``.
        labels: the class of each run.
    """
    left, right = pairs
    same = labels[left] == labels[right]
    return _roots(labels.size, left[same], right[same])


def _roots(count: int, left: Positions, right: Positions) -> NDArray[np.int64]:
    """Return the component of each of ``count`` runs: each takes the least number that pairs of runs lead it to."""
    least = np.arange(count)
    while left.size:
        a, b = least[left], least[right]
        np.minimum.at(least, np.maximum(a, b), np.minimum(a, b))
        while (jumped := least[least]).sum() != least.sum():
            least = jumped
        apart = least[left] != least[right]
        left, right = left[apart], right[apart]
    return np.unique(least, return_inverse=True)[1].astype(np.int64)
