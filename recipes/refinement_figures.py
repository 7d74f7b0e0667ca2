"""Figures of the network that refines edges: those of a whole-car network's masks with it and without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from carseg.data import load as open_data
from carseg.evaluation import Evaluation, boundary_f1, to_metric
from carseg.hub import Metric, ResolvedWeights
from carseg.images import Uint8Array
from carseg.inference import RAW, Refiner, Segmenter, load
from carseg.labels import CARVANA
from carseg.runtimes import start_runtime
from recipes.recipe import data_root

TESTS = (("carvana", "carvana"), ("intelec", "car5"))  # folder and label set, of which all but the background is car
NEAR = 2  # pixels


def refined_by(segmenter: Segmenter, rgb: Uint8Array, coarse: Segmenter) -> Uint8Array:
    """Return the mask of a whole-car network whose edges are refined by another one."""
    coarse.refiner = Refiner(segmenter.info, segmenter.runtime)
    return coarse.predict(rgb, edges="refined", **RAW).mask


def measure_refined(resolved: ResolvedWeights, coarse: str) -> tuple[tuple[Metric, ...], str]:
    """Return the figures of refined masks on the test splits, and a table in Markdown of those without it beside.

    Args:
        resolved: the weights that refine.
        coarse: name of the weights whose masks are refined.
    """
    segmenter = load(coarse, device="cpu", runtime="torch", precision="float32")
    segmenter.refiner = Refiner(resolved.info, start_runtime(resolved, "torch", "cpu", "float32", None))
    metrics, rows = [], []
    for folder, labels in TESTS:
        evaluations = {edges: Evaluation(CARVANA, boundary=False) for edges in ("network", "refined")}
        near: dict[str, list[float]] = {edges: [] for edges in evaluations}
        for rgb, truth in _labelled(folder, labels):
            prepared = segmenter.preprocess(rgb)
            [logits] = segmenter.forward(prepared.x[None])
            for edges, evaluation in evaluations.items():
                mask = segmenter.postprocess(logits, prepared, edges=edges, **RAW).mask
                evaluation.add(mask, truth)
                near[edges].append(boundary_f1(mask, truth, len(CARVANA), tolerance=NEAR))
        for edges, evaluation in evaluations.items():
            scores = evaluation.scores()
            figures = scores.per_class_dice["car"], scores.per_class["car"], float(np.mean(near[edges]))
            cells = " | ".join(f"{figure:.4f}" for figure in figures)
            rows.append(f"| {folder} test, {scores.images} images | {edges} | {cells} |\n")
        metric = to_metric(evaluations["refined"].scores(), folder, "test")
        metrics.append(replace(metric, protocol=f"masks of {coarse} with edges refined; {metric.protocol}"))
    head = f"| masks of `{coarse}` | edges | Dice of the car | IoU of the car | boundary F1 at {NEAR} pixels |\n"
    return tuple(metrics), head + "|---|---|---|---|---|\n" + "".join(rows)


def _labelled(folder: str, labels: str) -> Iterator[tuple[Uint8Array, Uint8Array]]:
    """Yield the images of a test split and what is car in them, uint8 (H, W, 3) and (H, W)."""
    for sample in open_data(data_root() / folder, split="test", labels=labels):
        rgb, truth = sample.load()
        yield rgb, (truth > 0).astype(np.uint8)
