"""Evaluation of segmentations: one protocol for every figure carseg states. numpy only.

Per image one confusion matrix at the image's original size; pixels whose truth is 255 are ignored, a predicted 255
("undecided") counts as wrong. The figures of a split come from the sum of its images' matrices, never
from averages over batches, and are the same whatever the order of the images. Every figure has a 95 % interval: the
percentiles of the figures of ``RESAMPLES`` splits drawn with replacement from the images (Efron & Tibshirani 1993).

Boundary F1 as in Csurka, Larlus, Perronnin: What is a good evaluation measure for semantic segmentation? (BMVC 2013).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from carseg._arrays import Uint8Array
from carseg.errors import DataError, OptionError, unknown_name
from carseg.evaluation.bootstrap import percentiles, resamples
from carseg.evaluation.boundary import boundary_f1
from carseg.evaluation.confusion import (
    Counts,
    Floats,
    class_dice,
    class_iou,
    most_confused,
    ratio,
    side_error,
    weighted_mean,
)
from carseg.figures import QUALITY, Estimate, Figures, flat
from carseg.hub import Confusion, Metric
from carseg.labels import IGNORE, LabelSet, label_set

Interval = tuple[float, float]
PROTOCOL = "original size, one confusion matrix, 255 ignored, 95 % bootstrap over images"


def to_metric(scores: Scores, dataset: str, split: str) -> Metric:
    """Return measured scores as the manifest states them, without figures that could not be measured."""
    stated = {f.key: scores.figures[f.key] for f in QUALITY if f.in_manifest}
    return Metric(
        dataset=dataset,
        split=split,
        images=scores.images,
        protocol=PROTOCOL,
        figures={key: estimate for key, estimate in stated.items() if not math.isnan(estimate.value)},
        per_class=_plain(scores.per_class),
        per_class_dice=_plain(scores.per_class_dice),
        confused_most=_confused_most(scores),
    )


def _confused_most(scores: Scores) -> Confusion | None:
    found = most_confused(scores.confusion)
    if found is None:
        return None
    truth, taken_for, share = found
    names = list(scores.per_class)
    return Confusion(names[truth], names[taken_for], share)


@dataclass(frozen=True)
class Scores(Figures):
    """Figures of a split, all in 0..1; NaN if there is nothing to measure.

    ``scores.miou`` is a value, and ``scores.miou_ci`` its 95 % interval (low, high):

        miou          mean IoU over the classes present in the truth of the split, background included
        pixel_acc     share of the pixels with the right class
        fw_iou        mean IoU, weighted by the number of pixels of each class in the truth
        dice          mean Dice over the classes present in the truth, without the background; for ``carvana`` the car's
        picture_dice  the same per image, averaged over the images
        boundary_f1   see ``carseg.evaluation.boundary_f1``; averaged over the images; NaN unless requested
        side_error    among pixels of a paired part that were recognized as either twin, the share given the wrong side;
                      NaN if there are none

    Attributes:
        images: number of images.
        pixels: number of pixels with a known truth.
        figures: the figures above, with their intervals.
        per_class: class name to IoU.
        per_class_ci: class name to the 95 % interval of its IoU.
        per_class_dice: class name to Dice.
        per_class_dice_ci: class name to the 95 % interval of its Dice.
        confusion: int64 (classes, classes + 1) pixels, truth by prediction; the last column is "undecided".
    """

    missing = math.nan

    images: int
    pixels: int
    figures: dict[str, Estimate]
    per_class: dict[str, float]
    per_class_ci: dict[str, Interval]
    per_class_dice: dict[str, float]
    per_class_dice_ci: dict[str, Interval]
    confusion: Counts

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as a dict for JSON; figures that could not be measured are None."""
        plain = {name: _plain(value) for name, value in vars(self).items() if name != "figures"}
        return {"images": plain.pop("images"), "pixels": plain.pop("pixels")} | flat(self.figures) | plain


class Evaluation:
    """Evaluation of predictions, added one image at a time; ``scores`` returns the figures of those added so far.

    Args:
        labels: the classes of predictions and truths.
        boundary: also measure the boundary F1, which takes several times as long as all other figures.
        merge: class name to new class name; classes of the same new name count as one. ``{"direct_lane": "drivable",
            "alternative_lane": "drivable"}`` gives the two-class figures of a drivable area.

    Attributes:
        labels: the classes after merging.

    Raises:
        UnknownNameError: ``merge`` names a class that ``labels`` lacks.
        OptionError: more than 253 classes.
    """

    def __init__(self, labels: LabelSet, *, boundary: bool = True, merge: Mapping[str, str] | None = None) -> None:
        self.labels, self._table = _merged(labels, merge or {})
        self._boundary = boundary
        self._matrices: list[npt.NDArray[np.int32]] = []
        self._boundary_f1: list[float] = []

    def add(self, prediction: Uint8Array, truth: Uint8Array) -> None:
        """Add one image.

        Args:
            prediction: uint8 (H, W) label ids, 255 where undecided.
            truth: uint8 (H, W) label ids, 255 where it is unknown.

        Raises:
            DataError: the shapes differ, the types are not uint8, or a label id is no class.
        """
        if prediction.shape != truth.shape or truth.ndim != 2:
            raise DataError(f"prediction and truth must both be (H, W), got {prediction.shape} and {truth.shape}")
        if prediction.dtype != np.uint8 or truth.dtype != np.uint8:
            raise DataError(f"prediction and truth must both be uint8, got {prediction.dtype} and {truth.dtype}")
        count = len(self.labels)
        prediction, truth = self._table[prediction], self._table[truth]
        for name, mask in (("prediction", prediction), ("truth", truth)):
            if mask.max(initial=0) > count:
                raise DataError(f"the {name} has label ids outside the {count} classes of {self.labels.name!r}")
        pairs = truth.astype(np.intp) * (count + 1) + prediction
        matrix = np.bincount(pairs.ravel(), minlength=(count + 1) ** 2).reshape(count + 1, count + 1)[:count]
        self._matrices.append(matrix.astype(np.int32))
        self._boundary_f1.append(boundary_f1(prediction, truth, count) if self._boundary else math.nan)

    def confusions(self) -> npt.NDArray[np.int32]:
        """Return the confusion matrices, int32 (images, classes, classes + 1) pixels, in the order they were added."""
        count = len(self.labels)
        return np.stack(self._matrices) if self._matrices else np.zeros((0, count, count + 1), np.int32)

    def image_mious(self) -> Floats:
        """Return the mIoU of each image, (images,), in the order they were added; NaN where no truth is known."""
        return class_iou(self.confusions())[1]

    def scores(self) -> Scores:
        """Return the figures of all images added so far."""
        matrices, boundary = self.confusions(), np.array(self._boundary_f1)
        # Sorted, because resamples and sums of floats depend on the order, and figures must not.
        rows = zip(matrices, boundary, strict=True)
        order = [i for _, i in sorted((m.tobytes() + b.tobytes(), i) for i, (m, b) in enumerate(rows))]
        matrices, boundary = matrices[order], boundary[order]
        foreground = np.arange(len(self.labels)) != self.labels.background
        pairs = np.array(self.labels.pairs, np.intp).reshape(-1, 2)
        per_image = np.stack([class_dice(matrices, foreground)[1], boundary], axis=1)

        def figures(draws: Floats) -> dict[str, Floats]:
            """Return the figures of splits that contain image i ``draws[:, i]`` times."""
            sums = np.tensordot(draws, matrices, 1)
            image_dice, boundary_f1 = weighted_mean(draws, per_image).T
            per_class_dice, dice = class_dice(sums, foreground)
            per_class, miou, fw_iou = class_iou(sums)
            return {
                "miou": miou,
                "pixel_acc": ratio(np.trace(sums, axis1=-2, axis2=-1), sums.sum((-2, -1))),
                "fw_iou": fw_iou,
                "dice": dice,
                "picture_dice": image_dice,
                "boundary_f1": boundary_f1,
                "side_error": side_error(sums, pairs),
                "per_class": per_class,
                "per_class_dice": per_class_dice,
            }

        total = matrices.sum(0, dtype=np.int64)
        point = {name: value[0] for name, value in figures(np.ones((1, len(matrices)))).items()}
        resampled = [figures(draws) for draws in resamples(len(matrices))]
        whole: dict[str, Estimate] = {}
        by_class: dict[str, Any] = {}
        for name, value in point.items():
            interval = percentiles(np.concatenate([part[name] for part in resampled]))
            if value.ndim:
                by_class[name] = dict(zip(self.labels.classes, map(float, value), strict=True))
                by_class[f"{name}_ci"] = dict(zip(self.labels.classes, map(_interval, interval.T), strict=True))
            else:
                known = not np.isnan(interval).any()
                whole[name] = Estimate(float(value), *(_interval(interval) if known else (None, None)))
        return Scores(len(matrices), int(total.sum()), whole, confusion=total, **by_class)


def _merged(labels: LabelSet, merge: Mapping[str, str]) -> tuple[LabelSet, Uint8Array]:
    """Return the label set after merging and a table, uint8 (256,), from old ids to new ones.

    255 becomes the number of classes, ids of no class become 254.
    """
    for name in merge:
        if name not in labels.classes:
            raise unknown_name("class", name, labels.classes)
    renamed = [merge.get(name, name) for name in labels.classes]
    names = list(dict.fromkeys(renamed))
    if len(names) > IGNORE - 2:
        raise OptionError(f"at most {IGNORE - 2} classes can be evaluated, {labels.name!r} has {len(names)}")
    table = np.full(256, IGNORE - 1, np.uint8)
    table[: len(labels)] = [names.index(name) for name in renamed]
    table[IGNORE] = len(names)
    if not merge:
        return labels, table
    background = None if labels.background is None else int(table[labels.background])
    return label_set(labels.name, names, background=background), table


def _interval(pair: Floats) -> Interval:
    return float(pair[0]), float(pair[1])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
