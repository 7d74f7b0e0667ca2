"""How good a segmentation is: one protocol for every figure carseg states. numpy only.

Per picture one confusion matrix at the picture's original size; pixels whose truth is 255 count for nothing, a
predicted 255 ("undecided") counts as wrong. The figures of a split come from the sum of its pictures' matrices, never
from averages over batches, and are the same whatever the order of the pictures. Every figure has a 95 % interval: the
percentiles of the figures of ``RESAMPLES`` splits drawn with replacement from the pictures (Efron & Tibshirani 1993).

Boundary F1 as in Csurka, Larlus, Perronnin: What is a good evaluation measure for semantic segmentation? (BMVC 2013).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from carseg.errors import DataError, OptionError
from carseg.labels import IGNORE, LabelSet, label_set
from carseg.registry import unknown

RESAMPLES = 1000
SEED = 0
TOLERANCE = (75, 10_000)  # of the diagonal, as a fraction of whole numbers: distances are then compared exactly

Mask = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Scores:
    """The figures of a split, all in 0..1; NaN where there is nothing to measure. ``..._ci`` is the 95 % interval.

    Attributes:
        images: number of pictures.
        pixels: number of pixels with a truth.
        miou: mean IoU over the classes present in the truth of the split, background included.
        pixel_acc: share of the pixels with the right class.
        fw_iou: mean IoU weighted by how many pixels of the truth each class has.
        dice: mean Dice over the classes present in the truth, without the background: for ``carvana`` that of the car.
        picture_dice: the same within one picture, then the mean over the pictures.
        boundary_f1: see ``boundary_f1``; the mean over the pictures. NaN unless it was asked for.
        side_error: among pixels whose class has a left/right twin and that were recognised as either twin, the share
            given the wrong side. NaN where no class has a twin.
        per_class: class name to IoU.
        per_class_dice: class name to Dice.
        confusion: int64 (classes, classes + 1) pixels, truth by prediction; the last column is "undecided".
    """

    images: int
    pixels: int
    miou: float
    miou_ci: Interval
    pixel_acc: float
    pixel_acc_ci: Interval
    fw_iou: float
    fw_iou_ci: Interval
    dice: float
    dice_ci: Interval
    picture_dice: float
    picture_dice_ci: Interval
    boundary_f1: float
    boundary_f1_ci: Interval
    side_error: float
    side_error_ci: Interval
    per_class: dict[str, float]
    per_class_ci: dict[str, Interval]
    per_class_dice: dict[str, float]
    per_class_dice_ci: dict[str, Interval]
    confusion: Counts

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON: plain numbers, lists and None for what could not be measured."""
        return {name: _plain(value) for name, value in vars(self).items()}


class Evaluation:
    """Collects pictures one by one; ``scores`` gives the figures of what was collected so far.

    Args:
        labels: the classes of predictions and truths.
        boundary: also measure the boundary F1, which takes several times as long as all the rest.
        merge: class name to new class name; classes of the same new name count as one. ``{"direct_lane": "drivable",
            "alternative_lane": "drivable"}`` gives the two-class figures of a drivable area.

    Attributes:
        labels: the classes after merging.

    Raises:
        UnknownNameError: ``merge`` names a class that is not there.
    """

    def __init__(self, labels: LabelSet, *, boundary: bool = True, merge: Mapping[str, str] | None = None) -> None:
        self.labels, self._table = _merged(labels, merge or {})
        self._boundary = boundary
        self._matrices: list[npt.NDArray[np.int32]] = []
        self._boundary_f1: list[float] = []

    def add(self, prediction: Mask, truth: Mask) -> None:
        """Counts one picture.

        Args:
            prediction: uint8 (H, W) label ids, 255 where undecided.
            truth: uint8 (H, W) label ids, 255 where nothing is known.

        Raises:
            DataError: the shapes differ, they are not uint8, or there are label ids that are no class.
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
        """(pictures, classes, classes + 1) pixels, truth by prediction, in the order they were added."""
        count = len(self.labels)
        return np.stack(self._matrices) if self._matrices else np.zeros((0, count, count + 1), np.int32)

    def picture_mious(self) -> Floats:
        """(pictures,) the mIoU of each alone, in the order they were added; NaN where no pixel has a truth."""
        return class_iou(self.confusions())[1]

    def scores(self) -> Scores:
        """The figures of all pictures added so far."""
        matrices, boundary = self.confusions(), np.array(self._boundary_f1)
        # One order whatever the order of adding: resamples, and sums of floats, depend on it.
        rows = zip(matrices, boundary, strict=True)
        order = [i for _, i in sorted((m.tobytes() + b.tobytes(), i) for i, (m, b) in enumerate(rows))]
        matrices, boundary = matrices[order], boundary[order]
        foreground = np.arange(len(self.labels)) != self.labels.background
        pairs = np.array(self.labels.pairs, np.intp).reshape(-1, 2)
        per_picture = np.stack([class_dice(matrices, foreground)[1], boundary], axis=1)

        def figures(draws: Floats) -> dict[str, Floats]:
            """Of splits in which picture i is ``draws[:, i]`` times."""
            sums = np.tensordot(draws, matrices, 1)
            picture_dice, boundary_f1 = _weighted_mean(draws, per_picture).T
            per_class_dice, dice = class_dice(sums, foreground)
            per_class, miou, fw_iou = class_iou(sums)
            return {
                "miou": miou,
                "pixel_acc": _ratio(np.trace(sums, axis1=-2, axis2=-1), sums.sum((-2, -1))),
                "fw_iou": fw_iou,
                "dice": dice,
                "picture_dice": picture_dice,
                "boundary_f1": boundary_f1,
                "side_error": _side_error(sums, pairs),
                "per_class": per_class,
                "per_class_dice": per_class_dice,
            }

        total = matrices.sum(0, dtype=np.int64)
        point = {name: value[0] for name, value in figures(np.ones((1, len(matrices)))).items()}
        resampled = [figures(draws) for draws in resamples(len(matrices))]
        fields: dict[str, Any] = {}
        for name, value in point.items():
            interval = _percentiles(np.concatenate([part[name] for part in resampled]))
            if value.ndim:
                fields[name] = dict(zip(self.labels.classes, map(float, value), strict=True))
                fields[f"{name}_ci"] = dict(zip(self.labels.classes, map(_interval, interval.T), strict=True))
            else:
                fields[name], fields[f"{name}_ci"] = float(value), _interval(interval)
        return Scores(images=len(matrices), pixels=int(total.sum()), confusion=total, **fields)


def boundary_f1(prediction: Mask, truth: Mask, classes: int) -> float:
    """How well the outlines in one picture agree: the mean F1 of the classes that have an outline in either mask.

    The outline of a class is its pixels with one of the four neighbours of another class; where the truth is unknown
    there is no outline, nor at the picture's edge. Precision is the share of the predicted outline within 0.75 % of
    the diagonal of the true one (Euclidean distance of pixel centres), recall the reverse.

    Args:
        prediction: uint8 (H, W) label ids; ``classes`` or more where undecided.
        truth: uint8 (H, W) label ids; ``classes`` or more where unknown.
        classes: their number.

    Returns:
        0..1, or NaN where neither mask has an outline.
    """
    height, width = truth.shape
    reach = TOLERANCE[0] ** 2 * (height**2 + width**2) // TOLERANCE[1] ** 2  # the largest squared distance allowed
    margin = math.isqrt(reach)
    known = truth < classes
    predicted, true = (_outline(mask, known, classes, margin) for mask in (prediction, truth))
    stride = width + 2 * margin
    right, met = _near(predicted, true, reach, stride), _near(true, predicted, reach, stride)
    block = (height + 2 * margin) * stride
    found, wanted = (np.bincount(points // block, minlength=classes) for points in (predicted, true))
    precision = _ratio(np.bincount(predicted[right] // block, minlength=classes), np.maximum(found, 1))
    recall = _ratio(np.bincount(true[met] // block, minlength=classes), np.maximum(wanted, 1))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    return float(_mean(f1, (found > 0) | (wanted > 0)))


def _outline(mask: Mask, known: npt.NDArray[np.bool_], classes: int, margin: int) -> Counts:
    """The known pixels with a known neighbour of another class, as sorted numbers made of class, row and column.

    A number counts through pictures with an empty margin all round, one such picture a class, so that a walk of up to
    ``margin`` pixels never comes out at another row's or class's pixels.
    """
    height, width = mask.shape
    outline = np.zeros(mask.shape, bool)
    for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        edge = (mask[here] != mask[there]) & known[here] & known[there]
        outline[here] |= edge
        outline[there] |= edge
    outline &= mask < classes
    rows, columns = np.nonzero(outline)
    labels = mask[rows, columns].astype(np.int64)
    return np.sort((labels * (height + 2 * margin) + rows + margin) * (width + 2 * margin) + columns + margin)


def _near(points: Counts, others: Counts, reach: int, stride: int) -> npt.NDArray[np.bool_]:
    """bool (K,): which of the points have one of the others at a squared distance of at most ``reach``.

    Looks along one row of the disc round each point after the other, nearest rows first, for those not yet satisfied.
    """
    others = np.append(others, np.iinfo(np.int64).max)
    near = np.zeros(len(points), bool)
    left = np.arange(len(points))
    radius = math.isqrt(reach)
    for down in sorted(range(-radius, radius + 1), key=abs):
        half = math.isqrt(reach - down**2)
        first = points[left] + (down * stride - half)
        hit = others[np.searchsorted(others, first)] <= first + 2 * half
        near[left[hit]] = True
        left = left[~hit]
    return near


def _merged(labels: LabelSet, merge: Mapping[str, str]) -> tuple[LabelSet, Mask]:
    """The label set after merging, and a table (256,) from old ids to new ones: 255 to their number, others to 254."""
    for name in merge:
        if name not in labels.classes:
            raise unknown("class", name, labels.classes)
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


def _ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Floats:
    """part / whole, NaN where there is no whole."""
    ratio: Floats = np.divide(part, whole, out=np.full(np.shape(whole), math.nan), where=whole > 0)
    return ratio


def _mean(values: Floats, weights: npt.NDArray[Any]) -> Floats:
    """Weighted mean over the last axis; values of weight zero may be NaN."""
    return _ratio((np.where(weights > 0, values, 0) * weights).sum(-1), weights.sum(-1))


def _parts(matrices: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Per class of (..., C, C + 1) matrices: pixels found, pixels of the truth, pixels predicted; each (..., C)."""
    return np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(-1), matrices.sum(-2)[..., :-1]


def class_iou(matrices: npt.NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """IoU per class (..., C), NaN where the truth lacks it; its mean over the classes and over the pixels (...)."""
    hit, true, predicted = _parts(matrices)
    iou = np.where(true > 0, _ratio(hit, true + predicted - hit), math.nan)
    return iou, _mean(iou, true > 0), _mean(iou, true)


def class_dice(matrices: npt.NDArray[Any], foreground: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Dice per class (..., C), NaN where the truth lacks it; its mean over the classes but the background (...)."""
    hit, true, predicted = _parts(matrices)
    dice = np.where(true > 0, _ratio(2 * hit, true + predicted), math.nan)
    return dice, _mean(dice, (true > 0) & foreground)


def _side_error(matrices: npt.NDArray[Any], pairs: npt.NDArray[np.intp]) -> Floats:
    left, right = pairs.T
    wrong = matrices[..., left, right].sum(-1) + matrices[..., right, left].sum(-1)
    return _ratio(wrong, wrong + matrices[..., left, left].sum(-1) + matrices[..., right, right].sum(-1))


def _weighted_mean(draws: Floats, values: Floats) -> Floats:
    """(splits, figures): means of values (pictures, figures), of those that are not NaN."""
    there = ~np.isnan(values)
    return _ratio(draws @ np.where(there, values, 0), draws @ there)


def resamples(count: int) -> list[Floats]:
    """How often each of ``count`` pictures is drawn, (splits, pictures); in parts, so that memory stays small."""
    generator = np.random.default_rng(SEED)
    parts = []
    for _ in range(RESAMPLES // 100):
        drawn = generator.integers(count, size=(100, count)) if count else np.zeros((100, 0), np.intp)
        drawn += np.arange(100)[:, None] * count
        parts.append(np.bincount(drawn.ravel(), minlength=100 * count).reshape(100, count).astype(np.float64))
    return parts


def _percentiles(values: Floats) -> Floats:
    """(2, ...): where the middle 95 % of the first axis begin and end; NaN where no value is there."""
    missing = np.isnan(values).all(0)
    return np.where(missing, math.nan, np.nanpercentile(np.where(missing, 0, values), (2.5, 97.5), axis=0))


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
