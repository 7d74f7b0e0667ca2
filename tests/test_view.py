"""The view of a car and the sides of its parts, on drawn masks."""

from __future__ import annotations

import numpy as np
import pytest

from carseg.cars import VIEWS, consistent_sides, find_view, sided_pieces
from carseg.labels import CAMVID, CAR5, CARPARTS, CARVANA, LabelSet, label_set

from drawn_car import drawn, logits_of, swapped


@pytest.mark.parametrize("view", VIEWS)
def test_the_view_of_a_car(view: str) -> None:
    found = find_view(drawn(view), CARPARTS)
    assert found is not None
    assert found.name == view
    assert 0.5 < found.confidence <= 1


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_does_not_depend_on_size_or_place(view: str) -> None:
    large = np.pad(drawn(view).repeat(21, 0).repeat(30, 1), ((100, 400), (0, 900)))
    found, small = find_view(large, CARPARTS), find_view(drawn(view), CARPARTS)
    assert found is not None and small is not None
    assert found.name == view
    assert found.confidence == pytest.approx(small.confidence, abs=0.03)


def test_a_mirrored_car_has_the_mirrored_view() -> None:
    left, right = find_view(drawn("rear-left"), CARPARTS), find_view(drawn("rear-right"), CARPARTS)
    assert left is not None and right is not None
    assert left.confidence == pytest.approx(right.confidence)


def test_each_of_two_cars_has_its_own_view() -> None:
    both = np.concatenate([drawn("front-left"), drawn("rear-right")], 1)
    region = np.zeros(both.shape, bool)
    region[:, :64] = True
    views = [find_view(both, CARPARTS, where) for where in (region, ~region)]
    assert [view and view.name for view in views] == ["front-left", "rear-right"]


def test_wrong_sides_do_not_turn_a_car_round() -> None:
    mask = drawn("front-left")
    for part in ("front_left_door", "back_left_door"):
        mask = swapped(mask, part, part.replace("left", "right"))
    found = find_view(mask, CARPARTS)
    assert found is not None and found.name == "front-left"


@pytest.mark.parametrize("labels", [CARVANA, CAR5, CAMVID])
def test_classes_that_do_not_tell_front_from_back_have_no_view(labels: LabelSet) -> None:
    assert find_view(np.ones((8, 8), np.uint8), labels) is None


def test_no_car_has_no_view() -> None:
    assert find_view(np.zeros((8, 8), np.uint8), CARPARTS) is None
    assert find_view(np.full((8, 8), 255, np.uint8), CARPARTS) is None
    assert find_view(np.zeros((0, 0), np.uint8), CARPARTS) is None
    assert find_view(drawn("front"), CARPARTS, np.zeros((64, 64), bool)) is None


def test_classes_of_another_order_and_spelling_have_a_view() -> None:
    names = [name.replace("front_left", "left-front").replace("_", " ").title() for name in CARPARTS.classes]
    order = np.array([0, *range(len(names) - 1, 0, -1)])
    labels = label_set("own", [names[i] for i in order])
    found = find_view(np.argsort(order).astype(np.uint8)[drawn("left")], labels)
    assert found is not None and found.name == "left"


@pytest.mark.parametrize("view", VIEWS)
def test_right_sides_stay(view: str) -> None:
    logits = logits_of(drawn(view))
    assert consistent_sides(logits, CARPARTS) is logits


@pytest.mark.parametrize(
    ("view", "name"),
    [
        ("front-left", "front_left_door"),
        ("rear-left", "back_left_door"),
        ("left", "front_left_door"),
        ("front", "front_left_light"),
        ("front-left", "front_right_light"),
        ("rear", "back_right_light"),
        ("rear-left", "back_right_light"),
        ("left", "back_left_light"),
        ("front", "left_mirror"),
        ("front-left", "left_mirror"),
    ],
)
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_part_of_the_wrong_side_gets_the_right_one(view: str, name: str, mirrored: bool) -> None:
    truth = drawn(view)
    other = CARPARTS.classes[CARPARTS.flipped[CARPARTS.classes.index(name)]]
    seen = swapped(truth, name, other)
    if mirrored:
        truth, seen = (np.array(CARPARTS.flipped, np.uint8)[mask][:, ::-1] for mask in (truth, seen))
    logits = logits_of(seen)
    before = logits.copy()
    consistent = consistent_sides(logits, CARPARTS)
    assert np.array_equal(consistent.argmax(0), truth)
    assert np.array_equal(logits, before)  # the caller's own stay as they are
    assert np.allclose(np.exp(consistent).sum(0), np.exp(before).sum(0))  # no class but the pair is touched


def test_a_patch_of_the_wrong_side_in_a_door_is_mended() -> None:
    truth = drawn("left")
    seen = truth.copy()
    seen[20:26, 24:30] = CARPARTS.classes.index("front_right_door")
    assert np.array_equal(consistent_sides(logits_of(seen), CARPARTS).argmax(0), truth)


def test_a_part_keeps_its_label_where_the_network_insists() -> None:
    open_door = drawn("front-left")
    open_door[16:40, 0:4] = CARPARTS.classes.index("front_right_door")
    logits = logits_of(open_door, sure=20)
    assert consistent_sides(logits, CARPARTS) is logits


def test_only_the_region_is_looked_at() -> None:
    both = np.concatenate([drawn("front-left"), drawn("front-left")], 1)
    region = np.zeros(both.shape, bool)
    region[:, :64] = True
    pieces = list(sided_pieces(logits_of(both), CARPARTS, region))
    assert pieces
    assert not any(piece.placed.cells[:, 64:].any() for piece in pieces)


@pytest.mark.parametrize("side", ["left", "right"])
def test_each_of_two_cars_has_sides_of_its_own(side: str) -> None:
    right = drawn("right")
    wrong = swapped(drawn("left"), "front_left_door", "front_right_door")
    apart = np.zeros((64, 64), np.uint8)
    truth, seen = (np.concatenate([one, apart, right], 1) for one in (drawn("left"), wrong))
    if side == "right":
        truth, seen = (np.array(CARPARTS.flipped, np.uint8)[mask][:, ::-1] for mask in (truth, seen))
    assert np.array_equal(consistent_sides(logits_of(seen), CARPARTS).argmax(0), truth)


def test_classes_without_a_view_keep_their_sides() -> None:
    labels = label_set("mirrors", ["background", "left_mirror", "right_mirror"])
    logits = logits_of(np.ones((8, 8), np.uint8), labels=labels)
    assert consistent_sides(logits, labels) is logits
