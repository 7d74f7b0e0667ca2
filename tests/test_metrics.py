"""The figures agree with scikit-learn and with slow, plain definitions; nothing about them depends on order."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from carseg.errors import DataError, OptionError, UnknownNameError
from carseg.evaluation.boundary import boundary_f1
from carseg.evaluation.metrics import Evaluation, to_metric
from carseg.hub import Confusion
from carseg.labels import BDD, CARPARTS, CARVANA, label_set

sklearn = pytest.importorskip("sklearn.metrics")

FIVE = label_set("five", ("background", "left_door", "right_door", "wheel", "hood"))


def images(seed: int, count: int, classes: int = 5, wrong: float = 0.3):
    """Return pairs of prediction and truth of varied sizes; some truth is ignored, some predictions are undecided."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        truth = np.kron(rng.integers(0, classes, rng.integers(2, 5, 2)), np.ones((6, 7), int)).astype(np.uint8)
        noise = rng.integers(0, classes, truth.shape)
        prediction = np.where(rng.random(truth.shape) < wrong, noise, truth).astype(np.uint8)
        prediction[rng.random(truth.shape) < 0.02] = 255
        truth[rng.random(truth.shape) < 0.1] = 255
        yield prediction, truth


def scored(pairs, labels=FIVE, **options):
    evaluation = Evaluation(labels, **options)
    for prediction, truth in pairs:
        evaluation.add(prediction, truth)
    return evaluation.scores()


def flat(pairs):
    predictions, truths = (np.concatenate([mask.ravel() for mask in masks]) for masks in zip(*pairs, strict=True))
    known = truths != 255
    return truths[known], predictions[known]


def one(truth, prediction, labels=FIVE, **options):
    return scored([(np.array(prediction, np.uint8), np.array(truth, np.uint8))], labels, **options)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_as_scikit_learn(seed):
    pairs = list(images(seed, 6))
    scores = scored(pairs)
    truth, prediction = flat(pairs)
    present = sorted(set(truth))
    iou = sklearn.jaccard_score(truth, prediction, labels=present, average=None, zero_division=0)
    dice = sklearn.f1_score(truth, prediction, labels=present, average=None, zero_division=0)
    weights = [np.mean(truth == c) for c in present]
    assert scores.images == 6
    assert scores.pixels == len(truth)
    assert scores.miou == pytest.approx(np.mean(iou), abs=1e-12)
    assert scores.fw_iou == pytest.approx(np.dot(iou, weights), abs=1e-12)
    assert scores.pixel_acc == pytest.approx(sklearn.accuracy_score(truth, prediction), abs=1e-12)
    assert scores.dice == pytest.approx(np.mean(dice[np.array(present) != 0]), abs=1e-12)
    for c, expected_iou, expected_dice in zip(present, iou, dice, strict=True):
        assert scores.per_class[FIVE.classes[c]] == pytest.approx(expected_iou, abs=1e-12)
        assert scores.per_class_dice[FIVE.classes[c]] == pytest.approx(expected_dice, abs=1e-12)
    assert (
        scores.confusion[:, :5].tolist()
        == sklearn.confusion_matrix(truth[prediction != 255], prediction[prediction != 255], labels=range(5)).tolist()
    )


def test_picture_dice_is_the_mean_of_the_images_own():
    pairs = list(images(7, 5))
    expected = []
    for prediction, truth in ((p[t != 255], t[t != 255]) for p, t in pairs):
        present = sorted(set(truth) - {0})
        expected.append(sklearn.f1_score(truth, prediction, labels=present, average="macro", zero_division=0))
    assert scored(pairs).picture_dice == pytest.approx(np.mean(expected), abs=1e-12)


def test_each_image_alone():
    pairs = list(images(8, 4))
    evaluation = Evaluation(FIVE)
    for prediction, truth in pairs:
        evaluation.add(prediction, truth)
    assert evaluation.image_mious() == pytest.approx([scored([pair]).miou for pair in pairs])


def test_two_classes_dice_is_that_of_the_car():
    scores = one([[1, 1, 0, 0]], [[1, 0, 0, 1]], CARVANA)
    assert scores.dice == scores.per_class_dice["car"] == pytest.approx(0.5)


def test_a_class_the_truth_lacks_takes_no_part_in_the_mean():
    scores = one([[0, 0, 3, 3]], [[0, 0, 3, 4]])
    assert scores.miou == pytest.approx((1 + 1 / 2) / 2)
    assert math.isnan(scores.per_class["hood"])
    assert scores.to_dict()["per_class"]["hood"] is None


def test_a_class_that_was_never_found_counts_as_zero():
    scores = one([[0, 0, 3, 3]], [[0, 0, 0, 0]])
    assert scores.per_class["wheel"] == 0.0
    assert scores.miou == pytest.approx(0.25)
    assert scores.dice == 0.0


def test_the_two_classes_that_are_confused_most():
    metric = to_metric(one([[1, 1, 1, 1, 3, 3]], [[1, 3, 3, 0, 3, 3]]), "data", "test")
    assert metric.confused_most == Confusion("left_door", "wheel", 0.5)
    assert to_metric(one([[2]], [[2]]), "data", "test").confused_most is None


def test_undecided_is_wrong_and_unknown_counts_for_nothing():
    scores = one([[1, 1, 255, 255]], [[1, 255, 3, 255]])
    assert (scores.pixels, scores.pixel_acc, scores.per_class["left_door"]) == (2, 0.5, 0.5)
    assert math.isnan(scores.per_class["wheel"])
    assert scores.confusion[1].tolist() == [0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    "pairs", [[], [(np.zeros((3, 4), np.uint8), np.full((3, 4), 255, np.uint8))]], ids=["empty", "ignored"]
)
def test_nothing_to_measure_is_no_number(pairs):
    scores = scored(pairs)
    assert scores.pixels == 0
    assert math.isnan(scores.miou)
    plain = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert plain["miou"] is None
    assert plain["miou_ci"] == [None, None]
    assert set(plain["per_class"].values()) == {None}


def test_one_pixel():
    right, wrong = one([[2]], [[2]]), one([[2]], [[0]])
    assert (right.miou, right.miou_ci, right.pixel_acc, right.dice) == (1.0, (1.0, 1.0), 1.0, 1.0)
    assert (wrong.miou, wrong.pixel_acc, wrong.dice) == (0.0, 0.0, 0.0)
    assert math.isnan(right.boundary_f1)


def test_the_order_changes_nothing():
    pairs = list(images(3, 9))
    reference = scored(pairs).to_dict()
    for order in itertools.islice(itertools.permutations(range(9)), 1, 40000, 9001):
        assert scored([pairs[i] for i in order]).to_dict() == reference


def test_intervals_hold_the_figure_and_narrow_with_more_images():
    few, many = (scored(images(1, count), boundary=False) for count in (8, 200))
    for scores in (few, many):
        assert scores.miou_ci[0] < scores.miou < scores.miou_ci[1]
        for name, (low, high) in scores.per_class_ci.items():
            assert low <= scores.per_class[name] <= high
    assert np.subtract(*many.miou_ci) / np.subtract(*few.miou_ci) == pytest.approx(math.sqrt(8 / 200), rel=0.5)


def test_intervals_are_those_of_a_plain_bootstrap():
    pairs = [(p, t) for p, t in images(2, 30, classes=2) if p.size]
    accuracy = np.array([[np.sum((p == t) & (t != 255)), np.sum(t != 255)] for p, t in pairs])
    rng = np.random.default_rng(5)
    drawn = accuracy[rng.integers(30, size=(20000, 30))].sum(1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], (2.5, 97.5))
    assert scored(pairs, boundary=False).pixel_acc_ci == pytest.approx((low, high), abs=0.003)


def test_side_error_counts_only_what_was_recognized_as_either_side():
    scores = one([[1, 1, 1, 2, 2, 3, 255]], [[1, 2, 0, 2, 255, 1, 2]])
    assert scores.side_error == pytest.approx(1 / 3)
    assert math.isnan(one([[1, 0]], [[0, 1]], CARVANA).side_error)
    doors = [CARPARTS.classes.index(f"front_{side}_door") for side in ("left", "right")]
    assert one([doors], [doors[::-1]], CARPARTS).side_error == 1.0


def test_merged_classes_count_as_one():
    merge = {"direct_lane": "drivable", "alternative_lane": "drivable"}
    pairs = list(images(4, 5, classes=3))
    scores = scored(pairs, BDD, merge=merge)
    truth, prediction = flat(pairs)
    truth, prediction = (np.select([values < 2, values == 2], [0, 1], 255) for values in (truth, prediction))
    iou = sklearn.jaccard_score(truth, prediction, labels=[0, 1], average=None)
    assert scores.per_class == pytest.approx({"drivable": iou[0], "background": iou[1]}, abs=1e-12)
    assert scores.dice == scores.per_class_dice["drivable"]
    with pytest.raises(UnknownNameError, match="direct_lane"):
        Evaluation(BDD, merge={"direct_lan": "drivable"})


@pytest.mark.parametrize(
    ("prediction", "truth", "message"),
    [
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), r"\(2, 3\) and \(3, 2\)"),
        (np.full((2, 3), 5, np.uint8), np.zeros((2, 3), np.uint8), "the prediction has label ids"),
        (np.zeros((2, 3), np.uint8), np.full((2, 3), 254, np.uint8), "the truth has label ids"),
    ],
)
def test_what_cannot_be_compared_is_refused(prediction, truth, message):
    with pytest.raises(DataError, match=message):
        Evaluation(FIVE).add(prediction, truth)


def slow_boundary_f1(prediction, truth, classes):
    """Return the figure by its definition, pixel by pixel and pair by pair."""
    height, width = truth.shape
    tolerance = 0.0075 * math.hypot(height, width)

    def outline(mask, label):
        for y, x in np.argwhere((mask == label) & (truth < classes)):
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= v < height and 0 <= u < width
                if inside and truth[v, u] < classes and mask[v, u] != label:
                    yield y, x
                    break

    def share(points, others):
        near = [any(math.hypot(y - v, x - u) <= tolerance for v, u in others) for y, x in points]
        return np.mean(near) if near else 0.0

    scores = []
    for label in range(classes):
        a, b = list(outline(prediction, label)), list(outline(truth, label))
        if a or b:
            precision, recall = share(a, b), share(b, a)
            scores.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return np.mean(scores) if scores else math.nan


@pytest.mark.parametrize("size", [(140, 200), (60, 300), (5, 6), (1, 1), (1, 400)])
def test_boundary_f1_is_its_definition(size):
    rng = np.random.default_rng(sum(size))
    y, x = np.mgrid[: size[0], : size[1]]
    truth = ((x * 3 // size[1] + y * 2 // size[0]) % 4).astype(np.uint8)
    prediction = np.roll(truth, (1, 2), (0, 1))
    prediction[rng.random(size) < 0.001] = 1
    prediction[: size[0] // 3, : size[1] // 4] = 255
    truth[size[0] // 2 :, : size[1] // 5] = 255
    expected = slow_boundary_f1(np.minimum(prediction, 4), np.minimum(truth, 4), 4)
    measured = boundary_f1(prediction, truth, 4)
    assert measured == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_boundary_f1_forgives_a_small_shift_only():
    y, x = np.mgrid[:600, :800]
    disc = lambda dx: ((y - 300) ** 2 + (x - 400 - dx) ** 2 < 200**2).astype(np.uint8)  # noqa: E731
    assert boundary_f1(disc(0), disc(0), 2) == 1.0
    assert boundary_f1(disc(7), disc(0), 2) == 1.0  # the tolerance is 7.5 pixels
    assert boundary_f1(disc(40), disc(0), 2) < 0.4
    assert boundary_f1(np.zeros_like(disc(0)), disc(0), 2) == 0.0
    assert math.isnan(boundary_f1(np.zeros_like(disc(0)), np.zeros_like(disc(0)), 2))


def test_intervals_are_of_95_percent():
    pairs = list(images(2, 200, classes=2))
    evaluation = Evaluation(FIVE, boundary=False)
    for prediction, truth in pairs:
        evaluation.add(prediction, truth)
    hits = np.array([[np.sum((p == t) & (t != 255)), np.sum(t != 255)] for p, t in pairs])
    drawn = hits[np.random.default_rng(5).integers(200, size=(20000, 200))].sum(1)
    accuracies = drawn[:, 0] / drawn[:, 1]
    low, high = evaluation.scores().pixel_acc_ci
    assert 0.93 < np.mean((low <= accuracies) & (accuracies <= high)) < 0.97


@pytest.mark.parametrize("labels", [CARPARTS, BDD])
def test_large_images_and_high_ids_are_counted_right(labels):
    last = len(labels) - 1
    truth = np.full((300, 400), last, np.uint8)  # more pixels than 16 bits can count
    truth[:10] = 0
    scores = one(truth, np.full_like(truth, last), labels, boundary=False)
    assert scores.confusion.sum() == scores.pixels == truth.size
    assert scores.confusion[last, last] == 290 * 400
    assert scores.confusion[0, last] == 10 * 400


def test_an_image_without_foreground_takes_no_part_in_the_mean_of_the_images():
    car, road = np.ones((2, 2), np.uint8), np.zeros((2, 2), np.uint8)
    scores = scored([(car, car), (road, road)], CARVANA)
    assert scores.picture_dice == 1.0


def test_more_classes_than_can_be_counted_are_refused():
    with pytest.raises(OptionError, match="at most 253 classes"):
        Evaluation(label_set("many", [f"c{i}" for i in range(254)], background=None))
    Evaluation(label_set("many", [f"c{i}" for i in range(253)], background=None))


def test_the_tolerance_is_three_quarters_of_a_percent_of_the_diagonal():
    step = lambda dx: np.repeat(np.arange(800)[None] >= 400 + dx, 600, 0).astype(np.uint8)  # noqa: E731
    assert boundary_f1(step(7), step(0), 2) == 1.0  # 7.5 pixels
    assert boundary_f1(step(8), step(0), 2) == 0.0
