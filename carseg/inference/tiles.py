"""A large image as overlapping windows, each of which goes through the pipeline like a whole image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from carseg._arrays import Float32Array
from carseg.images import LoadedImage
from carseg.inference.options import RAW, Options
from carseg.inference.pipeline import Pipeline, to_result
from carseg.inference.postprocess import class_scores
from carseg.inference.result import Result
from carseg.masks import grids

_TILE_OVERLAP = 0.25  # share of a tile's side that it has in common with its neighbour
_CELL = 8  # pixels of a side of those cells at which logits of the whole image are kept


@dataclass(frozen=True)
class Tile:
    """A window of an image and the part of it whose labels are kept: (top, left, bottom, right) in image pixels."""

    window: tuple[int, int, int, int]
    keep: tuple[int, int, int, int]


def segment_tiles(pipeline: Pipeline, image: LoadedImage, side: int, options: Options) -> Result:
    """Return the result of an image that is seen window by window, merged from the results of the windows.

    Args:
        pipeline: the network.
        image: the image.
        side: pixels of a window each way.
        options: those of ``predict``.
    """
    size = image.size
    mask = np.empty(size, np.uint8)
    probabilities = np.empty((len(pipeline.labels), *size), np.float16) if options.return_probabilities else None
    total, count = np.zeros((2, len(pipeline.labels)), np.float32)
    merged = np.empty((len(pipeline.labels), *(-(-length // _CELL) for length in size)), np.float32)
    for tile in tiles(size, side):
        top, left, bottom, right = tile.window
        window = pipeline.preprocess(LoadedImage(image.rgb[top:bottom, left:right], image.source))
        [logits] = pipeline.forward(window.x[None])
        result = pipeline.postprocess(
            logits,
            window,
            threshold=options.threshold,
            return_probabilities=options.return_probabilities,
            **RAW,  # a window does not show a whole car, and what is small in it may be a piece of something large
        )
        y0, x0, y1, x1 = tile.keep
        kept = np.s_[..., y0 - top : y1 - top, x0 - left : x1 - left]
        mask[y0:y1, x0:x1] = result.mask[kept]
        if probabilities is not None:
            probabilities[:, y0:y1, x0:x1] = result.probabilities[kept]
        _merge(merged, logits, tile, size)
        sums, pixels = class_scores(logits, threshold=options.threshold)  # a result's means alone cannot be merged
        total, count = total + sums, count + pixels
    return to_result(pipeline, image, mask, merged, options, scores=(total, count), probabilities=probabilities)


def _merge(merged: Float32Array, logits: Float32Array, tile: Tile, size: tuple[int, int]) -> None:
    """Enter a window's logits into those of the whole image, where the window is kept."""
    inside, of_window = [], []
    for axis in (0, 1):
        middles = grids.middles(size[axis], merged.shape[1 + axis])
        start, keep, end = tile.window[axis], tile.keep[axis], tile.keep[axis + 2]
        here = np.flatnonzero((keep <= middles) & (middles < end))
        inside.append(here)
        of_window.append(grids.nearest(middles[here] - start, tile.window[axis + 2] - start, logits.shape[1 + axis]))
    rows, columns = of_window
    merged[:, inside[0][:, None], inside[1]] = logits[:, rows[:, None], columns]


def tiles(size: tuple[int, int], side: int) -> Iterator[Tile]:
    """Yield overlapping square windows over an image of ``size`` (height, width), ``side`` pixels each way.

    A pixel's label is kept from the window whose middle is nearest.
    """
    for top, bottom, keep_top, keep_bottom in _spans(size[0], side):
        for left, right, keep_left, keep_right in _spans(size[1], side):
            yield Tile((top, left, bottom, right), (keep_top, keep_left, keep_bottom, keep_right))


def _spans(length: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    side = min(side, length)
    step = max(round(side * (1 - _TILE_OVERLAP)), 1)
    count = -(-(length - side) // step) + 1
    starts = [round(i * (length - side) / max(count - 1, 1)) for i in range(count)]
    cuts = [0, *((a + side + b) // 2 for a, b in pairwise(starts)), length]
    for i, start in enumerate(starts):
        yield start, start + side, cuts[i], cuts[i + 1]
