"""Cleaning of a mask: crumbs of a class and holes in the parts become what lies around them. Arrays in, arrays out.

All is done on run lengths; crumbs alone are ever looked at pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from carseg._arrays import Float32Array, Uint8Array
from carseg.labels import IGNORE
from carseg.masks import components, grids, rle


def clean(
    mask: Uint8Array,
    log_probabilities: Float32Array,
    *,
    background: int | None,
    min_area: float,
    threshold: float | None = None,
) -> Uint8Array:
    """Return a mask without crumbs and small holes, uint8 (H, W).

    A crumb is a piece (pixels of one class that touch by a side or by a corner) smaller than ``min_area`` times the
    largest piece of its class. A hole is a piece of the background that does not reach the edge of the image and is
    smaller than that share of the largest piece of each class around it. Both become what touches them, a class or the
    background, and is the most probable there: by the mean of the log-probabilities over their pixels. A crumb among
    nothing but crumbs waits until they have become something.

    Args:
        mask: uint8 (H, W), label ids; 255 is the background of classes that have none.
        log_probabilities: float32 (C, h, w), on a grid that is stretched over the image.
        background: label id of the background, None where the classes have none.
        min_area: 0..1; 0 gives the mask as it is.
        threshold: nothing becomes a class that is less probable there: such a crumb becomes background, such a hole
            stays.
    """
    if not (min_area and mask.size):
        return mask
    (height, width), grid = mask.shape, log_probabilities.shape[1:]
    nothing = IGNORE if background is None else background
    starts, ends, labels = components.split_columns(*rle.label_runs(mask), height)
    lengths = ends - starts
    at_edge = (starts < height) | (starts >= mask.size - height) | (starts % height == 0) | (ends % height == 0)
    which, pieces = _Patches(labels, lengths, at_edge, components.touching(starts, ends, height)).joined()
    while True:
        crumbs, candidates = pieces.around(pieces.small(min_area, nothing))
        here = np.flatnonzero(np.isin(which, crumbs))
        run, y, x = _pixels(starts[here], lengths[here], height)
        cells = grids.nearest(y, height, grid[0]) * grid[1] + grids.nearest(x, width, grid[1])
        scores = _scores(log_probabilities, cells, which[here][run], crumbs, candidates)
        became = _most_probable(pieces.labels, crumbs, candidates, scores, nothing, threshold)
        if np.array_equal(became, pieces.labels):
            break
        joined, pieces = replace(pieces, labels=became).joined()
        which = joined[which]
    became = pieces.labels[which]
    changed = np.flatnonzero(became != labels)
    run, y, x = _pixels(starts[changed], lengths[changed], height)
    cleaned = mask.copy()
    cleaned[y, x] = became[changed][run]
    return cleaned


@dataclass(frozen=True)
class _Patches:
    """Runs, or the pieces that they form.

    Attributes:
        labels: the class of each.
        areas: its pixels.
        at_edge: whether it reaches the edge of the image.
        pairs: those that touch.
    """

    labels: Uint8Array
    areas: rle.Positions
    at_edge: NDArray[np.bool_]
    pairs: tuple[rle.Positions, rle.Positions]

    def joined(self) -> tuple[rle.Positions, _Patches]:
        """Return the piece that each belongs to, and the pieces: what touches and is of one class is joined."""
        piece = components.connect(self.pairs, self.labels)
        labels = np.zeros(piece.max() + 1, np.uint8)
        labels[piece] = self.labels
        left, right = (piece[side] for side in self.pairs)
        apart = left != right
        areas = np.bincount(piece, self.areas).astype(np.int64)
        return piece, _Patches(labels, areas, np.bincount(piece, self.at_edge) > 0, (left[apart], right[apart]))

    @cached_property
    def neighbours(self) -> tuple[rle.Positions, rle.Positions]:
        """The pairs, each both ways."""
        left, right = self.pairs
        return np.concatenate([left, right]), np.concatenate([right, left])

    def small(self, min_area: float, nothing: int) -> NDArray[np.bool_]:
        """Return which pieces are crumbs or small holes."""
        largest = np.zeros(IGNORE + 1)
        np.maximum.at(largest, self.labels, self.areas)
        of_class = largest[self.labels]
        hole = (self.labels == nothing) & ~self.at_edge
        compared = np.where(self.labels != nothing, of_class, np.where(hole, np.inf, self.areas))
        piece, other = self.neighbours
        of_holes = hole[piece]
        np.minimum.at(compared, piece[of_holes], of_class[other[of_holes]])
        return self.areas / compared < min_area

    def around(self, small: NDArray[np.bool_]) -> tuple[rle.Positions, rle.Positions]:
        """Return the small pieces, and beside each the classes of larger ones that touch it, each once."""
        piece, other = self.neighbours
        outwards = small[piece] & ~small[other]
        keys = np.unique(piece[outwards] * (IGNORE + 1) + self.labels[other[outwards]])
        return keys // (IGNORE + 1), keys % (IGNORE + 1)


def _pixels(
    starts: rle.Positions, lengths: rle.Positions, height: int
) -> tuple[rle.Positions, rle.Positions, rle.Positions]:
    """Return the pixels of runs: the number of the run, y and x."""
    run = np.repeat(np.arange(starts.size), lengths)
    position = np.arange(run.size) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    return run, position % height, position // height


def _scores(
    log_probabilities: Float32Array,
    cells: rle.Positions,
    piece: rle.Positions,
    crumbs: rle.Positions,
    candidates: rle.Positions,
) -> NDArray[np.float64]:
    """Return the mean log-probability of each candidate over its crumb.

    Args:
        log_probabilities: float32 (C, h, w).
        cells: the position on the grid of each pixel of the crumbs.
        piece: the crumb that the pixel belongs to.
        crumbs: the crumbs, in order, each as often as it has candidates.
        candidates: the class to be.
    """
    numbers, which = np.unique(crumbs, return_inverse=True)
    piece = np.searchsorted(numbers, piece)
    counts = np.bincount(piece, minlength=numbers.size)
    scores = np.full(candidates.size, -np.inf)  # of 255, which no network knows
    for label in np.unique(candidates[candidates < len(log_probabilities)]):
        here = candidates == label
        sums = np.bincount(piece, log_probabilities[label].ravel()[cells], numbers.size)
        scores[here] = (sums / counts)[which[here]]
    return scores


def _most_probable(
    labels: Uint8Array,
    crumbs: rle.Positions,
    candidates: rle.Positions,
    scores: NDArray[np.float64],
    nothing: int,
    threshold: float | None,
) -> Uint8Array:
    """Return the classes of the pieces once each crumb has become the most probable of its candidates."""
    became = labels.copy()
    if threshold is not None:
        became[crumbs] = nothing
        sure = (np.exp(scores) >= threshold) | (candidates == nothing)
        crumbs, candidates, scores = crumbs[sure], candidates[sure], scores[sure]
    order = np.lexsort((scores, crumbs))  # of each crumb the best comes last, and stays
    became[crumbs[order]] = candidates[order]
    return became
