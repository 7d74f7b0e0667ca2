"""Images that show nearly the same: fingerprints of coarse brightness edges, and the images that share one.

A fingerprint holds, for each cell of a 24 x 24 grid, whether it is clearly darker or brighter than its neighbours to
the right and below. The distance of two is the share of such edges that they do not have in common: 0 for a copy, at
most about 0.1 for one that was scaled and compressed anew, above 0.19 for different cars in the same studio and pose.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

_GRID = 24
_STEP = 4  # grey levels that make an edge; less is noise
_SAME = 0.14
_ROWS = 512  # rows of the distance matrix that are computed at a time


def fingerprint(rgb: np.ndarray) -> np.ndarray:
    """Return the fingerprint, bool (2304,), of an image, RGB uint8 (H, W, 3)."""
    side = _GRID + 1
    grey = np.asarray(Image.fromarray(rgb).convert("L").resize((side, side), Image.Resampling.BOX), dtype=np.int16)
    across, down = grey[:-1, 1:] - grey[:-1, :-1], grey[1:, :-1] - grey[:-1, :-1]
    return np.stack([across > _STEP, across < -_STEP, down > _STEP, down < -_STEP]).ravel()


def near_duplicate_pairs(fingerprints: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the pairs i < j, in order, of rows of bool (N, 2304) that are of near-duplicates."""
    edges = fingerprints.astype(np.float32)
    counts = edges.sum(axis=1)
    for start in range(0, len(edges), _ROWS):
        common = edges[start : start + _ROWS] @ edges.T
        union = counts[start : start + _ROWS, None] + counts - common
        near = (union - common) <= _SAME * union  # two empty images are the same
        yield from ((start + int(i), int(j)) for i, j in np.argwhere(near) if start + i < j)


def near_duplicate_groups(fingerprints: np.ndarray) -> list[list[int]]:
    """Return the rows of bool (N, 2304) in groups of near-duplicates, directly or through others."""
    group = list(range(len(fingerprints)))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    for i, j in near_duplicate_pairs(fingerprints):
        group[max(root(i), root(j))] = min(root(i), root(j))
    members: dict[int, list[int]] = {}
    for i in range(len(group)):
        members.setdefault(root(i), []).append(i)
    return list(members.values())
