"""A large image as overlapping windows, each of which goes through the pipeline like a whole image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from carseg.images import LoadedImage
from carseg.inference.options import Options
from carseg.inference.pipeline import Pipeline
from carseg.inference.postprocess import class_scores
from carseg.inference.result import Result

_TILE_OVERLAP = 0.25  # share of a tile's side that it has in common with its neighbour


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
    size = image.rgb.shape[:2]
    mask = np.empty(size, np.uint8)
    probabilities = np.empty((len(pipeline.labels), *size), np.float16) if options.return_probabilities else None
    total, count = np.zeros((2, len(pipeline.labels)), np.float32)
    for tile in tiles(size, side):
        top, left, bottom, right = tile.window
        window = pipeline.preprocess(LoadedImage(image.rgb[top:bottom, left:right], image.source))
        [logits] = pipeline.forward(window.x[None])
        result = pipeline.postprocess(
            logits,
            window,
            sides="raw",  # a window does not show a whole car
            threshold=options.threshold,
            return_probabilities=options.return_probabilities,
        )
        y0, x0, y1, x1 = tile.keep
        kept = np.s_[..., y0 - top : y1 - top, x0 - left : x1 - left]
        mask[y0:y1, x0:x1] = result.mask[kept]
        if probabilities is not None:
            probabilities[:, y0:y1, x0:x1] = result.probabilities[kept]
        sums, pixels = class_scores(logits, threshold=options.threshold)  # a result's means alone cannot be merged
        total, count = total + sums, count + pixels
    return Result(
        mask,
        pipeline.labels,
        image.rgb,
        source=image.source,
        root=image.root,
        model=pipeline.name,
        scores=dict(enumerate((total / count).tolist())),
        probabilities=probabilities,
    )


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
