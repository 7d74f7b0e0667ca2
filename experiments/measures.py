"""The figures of a network, in the ways that experiments measure: quality, the car found, side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from carseg.benchmarking import benchmark, environment
from carseg.errors import OptionError, TrainingError
from carseg.evaluation import Evaluation, Scores, add_predictions
from carseg.figures import Estimate
from carseg.hub import Metric, load_manifest
from carseg.inference import Segmenter, load
from carseg.runtimes import pick_device
from experiments.experiment import Experiment, Images
from recipes import car_found

Figure = tuple[float, ...]  # (value,) or (value, low, high)
TIMED = 0.3  # share of a model's minutes that its milliseconds take; the search for the best batch takes the rest


@dataclass(frozen=True)
class Measured:
    """The figures of one network.

    Attributes:
        figures: by name.
        images: number of images, None where none were needed.
        confusions: int32 (images, classes, classes + 1), where networks can be compared image by image.
        background: label id of the background in ``confusions``.
    """

    figures: dict[str, Figure]
    images: int | None = None
    confusions: npt.NDArray[np.int32] | None = None
    background: int | None = None


def measure(experiment: Experiment, model: str | Path, device: str) -> Measured:
    """Return the experiment's figures of a model, or of the folder of a trained network.

    Raises:
        OptionError: the experiment has no images to measure on.
    """
    if experiment.measure == "side-by-side":
        return side_by_side(str(model), experiment.minutes, device)
    if experiment.images is None:
        raise OptionError(f"experiment {experiment.name!r} says not on which images it measures")
    segmenter = load(model, device=device, runtime="torch", precision="float32")
    ways = {"quality": quality, "outside-studio": outside, "in-studio": inside}
    return ways[experiment.measure](segmenter, experiment.images)


def quality(segmenter: Segmenter, images: Images) -> Measured:
    """Return mIoU, pixel accuracy and Dice by the protocol of ``carseg.evaluation``."""
    data = images.open(images.split)
    evaluation = Evaluation(segmenter.labels, boundary=False, merge=images.merge)
    add_predictions([evaluation], segmenter, data)
    figures = _figures(evaluation.scores())
    return Measured(figures, len(data), evaluation.confusions(), evaluation.labels.background)


def outside(segmenter: Segmenter, images: Images) -> Measured:
    """Return the share of parts that the predicted car covers, and of predicted car outside the box of the parts."""
    return _car_found(segmenter, images, ("covered", "spilled"), boxed=True)


def inside(segmenter: Segmenter, images: Images) -> Measured:
    """Return the share of the car that the predicted parts cover, and of predicted parts outside the car."""
    return _car_found(segmenter, images, ("named", "beyond"), boxed=False)


def _car_found(segmenter: Segmenter, images: Images, names: tuple[str, str], *, boxed: bool) -> Measured:
    found = car_found.measure(segmenter, images.open(images.split), boxed=boxed)
    figures: dict[str, Figure] = {names[0]: _figure(found.covered)}
    if found.spilled is not None:
        figures[names[1]] = _figure(found.spilled)
    return Measured(figures, found.images)


def side_by_side(model: str, minutes: float, device: str) -> Measured:
    """Return a model's figures in the manifest, and its milliseconds per image here and now.

    Raises:
        TrainingError: its time could not be measured.
    """
    info = load_manifest().models[model]
    metric = info.metric
    figures = _figures(metric) if metric else {}
    merged = [m for m in info.metrics if m.merged]
    if merged:
        figures["merged_miou"] = _figures(merged[0])["miou"]
    [row] = benchmark(model, device=device, seconds=60 * minutes * TIMED)
    if row["error"]:
        raise TrainingError(row["error"])
    figures |= {"megabytes": (info.bytes / 1e6,), "ms": (row["ms_p50"],), "ms_p95": (row["ms_p95"],)}
    return Measured(figures, metric.images if metric else None)


def _figures(scores: Scores | Metric) -> dict[str, Figure]:
    """Return mIoU, pixel accuracy and Dice with their intervals, those that could be measured."""
    estimates = {name: scores.figures[name] for name in ("miou", "pixel_acc", "dice") if name in scores.figures}
    return {name: _figure(estimate) for name, estimate in estimates.items() if not math.isnan(estimate.value)}


def _figure(estimate: Estimate) -> Figure:
    return estimate.value, *(estimate.interval or ())


def machine(device: str) -> str:
    """Return what a figure of time depends on: the graphics card, or the processor and torch's threads."""
    chosen = pick_device(device)
    if chosen.type == "cuda":
        return torch.cuda.get_device_name(chosen)
    return f"{environment()['processor']} (threads: {torch.get_num_threads()})"
