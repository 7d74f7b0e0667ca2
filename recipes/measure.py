"""Figures of a stored weight: on a whole split, on its first images, and logits for one made-up image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from carseg.data import Dataset
from carseg.evaluation import evaluate, to_metric
from carseg.hub import Metric
from carseg.inference import Segmenter

FEW = 20  # images of the quick check
GOLDEN = "golden.json"


def measure(
    segmenter: Segmenter, data: Dataset, dataset: str, *, few: bool = False, merge: Mapping[str, str] | None = None
) -> Metric:
    """Return the figures of what ``predict`` gives on a split, or on its first ``FEW`` images.

    Args:
        segmenter: the weight.
        data: the split.
        dataset: name of the data set in the figures.
        few: take only the first images.
        merge: class to new name; classes of one new name count as one.
    """
    measured = replace(data, samples=data.samples[:FEW]) if few else data
    metric = to_metric(evaluate(segmenter, measured, merge=merge), dataset, data.split)
    if merge:
        merged = ", ".join(f"{old} as {new}" for old, new in merge.items())
        metric = replace(metric, protocol=f"{merged}; {metric.protocol}", merged=dict(merge))
    return replace(metric, protocol=f"the first {FEW} images by name; {metric.protocol}") if few else metric


def golden_logits(segmenter: Segmenter) -> list[list[float]]:
    """Return logits (classes, 9) on a 3x3 grid over an image of smooth colours, for a test that needs no data."""
    y, x = np.mgrid[0:96, 0:128]
    rgb = np.stack([2 * x, 255 - 2 * y, (x + y) % 256], -1).astype(np.uint8)
    [logits] = segmenter.forward(segmenter.preprocess(rgb).x[None])
    rows, columns = (np.linspace(0, side - 1, 3).round().astype(int) for side in logits.shape[1:])
    return [[round(float(value), 4) for value in plane.ravel()] for plane in logits[:, rows][:, :, columns]]


def write_golden(folder: Path, segmenter: Segmenter) -> None:
    """Write ``golden_logits`` beside the weights."""
    (folder / GOLDEN).write_text(json.dumps(golden_logits(segmenter)) + "\n", "utf-8")
