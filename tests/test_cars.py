"""The cars of an image: what is told apart, and what each record says."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest

from carseg.errors import OptionError
from carseg.inference import Result
from carseg.inference.cars import find_cars
from carseg.labels import BDD, CAMVID, CAR5, CARPARTS, CARVANA, label_set
from carseg.masks import rle

from drawn_car import drawn
from schemas import validate


def made(mask, labels=CARPARTS, **given):
    mask = np.asarray(mask, np.uint8)
    return Result(mask, labels, np.zeros((*mask.shape, 3), np.uint8), **given)


class Seen:
    """What a second network calls car."""

    def __init__(self, whole):
        self.rle = rle.encode(whole)


def large(view, times=4):
    return drawn(view).repeat(times, 0).repeat(times, 1)


def apart(*views, gap=300):
    """Return a mask of cars that stand far from one another."""
    blank = np.zeros((256, gap), np.uint8)
    return np.hstack([each for view in views for each in (large(view), blank)])


@pytest.mark.parametrize("view", ["front", "front-left", "left", "rear-left", "rear", "right"])
def test_the_parts_of_one_car_are_one_car(view):
    result = made(large(view))
    [car] = result.cars
    assert (car.number, car.parts, car.view, car.body, car.uncertain) == (1, result.parts, result.view, None, False)
    assert np.array_equal(car.mask, result.mask > 0)
    assert car.area_px == np.count_nonzero(result.mask)
    assert car.area_fraction == pytest.approx(car.area_px / result.mask.size)
    assert car.bbox == rle.bbox(rle.encode(result.mask > 0))


def test_cars_that_stand_apart_have_their_own_parts_and_views():
    small, big = large("rear-left", 3), large("front-left", 6)
    mask = np.zeros((400, 1200), np.uint8)
    mask[:384, :384], mask[200:392, 1000:1192] = big, small
    first, second = made(mask).cars
    assert (first.number, first.view.name, second.number, second.view.name) == (1, "front-left", 2, "rear-left")
    assert first.area_px > second.area_px
    assert np.array_equal(first.mask | second.mask, mask > 0) and not (first.mask & second.mask).any()
    assert "hood" in first.parts and "hood" not in second.parts
    for car, its in ((first, big), (second, small)):
        wheel = car.parts["wheel"]
        assert wheel.area_px == np.count_nonzero(its == CARPARTS.classes.index("wheel"))
        assert len(wheel.pieces) == 2


def test_a_part_that_two_cars_have_has_the_score_of_its_pieces():
    mask = apart("left", "left")
    certainty = np.stack([np.full(mask.shape, 0.5, np.float16), np.zeros(mask.shape, np.float16)])
    certainty[0, :, : mask.shape[1] // 2] = 0.75
    result = made(mask, scores={CARPARTS.classes.index("wheel"): 0.6}, certainty=certainty)
    assert sorted(car.parts["wheel"].score for car in result.cars) == [0.5, 0.75]


@pytest.mark.parametrize("labels", [CARVANA, CAMVID, CAR5, label_set("own", ["background", "Car", "person"])])
def test_classes_of_whole_cars(labels):
    label = next(i for i, name in enumerate(labels.classes) if name.lower() in ("car", "body"))
    mask = np.full((60, 90), labels.background or 0, np.uint8)
    mask[10:40, 5:45] = mask[30:50, 60:85] = label
    first, second = made(mask, labels).cars
    assert (first.bbox, second.bbox) == ((5, 10, 40, 30), (60, 30, 25, 20))
    assert [part.area_px for part in second.parts] == [500]
    assert first.view is None and first.body is None
    assert sum(car.area_px for car in (first, second)) == 1700


def test_people_beside_a_car_are_no_cars():
    mask = np.zeros((60, 90), np.uint8)
    mask[10:40, 5:45], mask[10:40, 60:70] = 1, 2
    assert len(made(mask, label_set("own", ["background", "car", "person"])).cars) == 1


def test_no_car_and_classes_that_tell_none():
    assert made(np.zeros((9, 9))).cars == ()
    assert made(np.full((9, 9), 255)).cars == ()
    lanes = made([[0, 1, 2]], BDD)
    with pytest.raises(OptionError, match="the classes of bdd do not show cars: use"):
        _ = lanes.cars
    assert lanes.to_dict()["cars"] is None


def test_documents_say_the_cars():
    result = made(apart("front", "rear-left"), source="some/car.jpg", model="m")
    document = json.loads(result.to_json(polygons=True))
    validate("result", document)
    validate("result", json.loads(made([[0, 1, 2]], BDD).to_json()))
    assert document["view"] == vars(result.view)
    for car, its in zip(result.cars, document["cars"], strict=True):
        assert its["rle"] == car.rle and its["bbox"] == list(car.bbox) and its["polygons"] == car.polygons
        assert [part["name"] for part in its["parts"]] == [part.name for part in car.parts]
        assert its["view"] == vars(car.view)
    assert "polygons" not in result.to_dict()["cars"][0]


def test_cars_are_copied_and_pickled():
    result = made(large("left"))
    assert result.cars[0].mask.any()
    for other in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert other.cars == result.cars


def touching(*views):
    """Return the mask of parts of cars side by side, and what is car: of each a body as wide as it is, and a cabin."""
    mask = np.hstack([large(view) for view in views])
    whole = np.zeros(mask.shape, bool)
    whole[110:190] = True
    for number in range(len(views)):
        whole[50:110, 256 * number + 60 : 256 * number + 196] = True
    return mask, whole | (mask > 0)


@pytest.mark.parametrize("views", [("front", "front-left"), ("left", "left"), ("rear-left", "front-right")])
def test_cars_that_touch_are_told_apart_by_their_parts(views):
    mask, whole = touching(*views)
    cars = find_cars(mask, CARPARTS, made(mask).parts, whole=Seen(whole))
    assert len(cars) == 2
    for view, car in zip(views, sorted(cars, key=lambda car: car.bbox[0]), strict=True):
        its = {name for name in CARPARTS.classes[1:] if (large(view) == CARPARTS.classes.index(name)).any()}
        assert {part.name for part in car.parts} == its
    assert np.array_equal(cars[0].mask | cars[1].mask, whole) and not (cars[0].mask & cars[1].mask).any()


@pytest.mark.parametrize("view", ["front", "front-left", "left", "rear-left", "rear", "right"])
def test_one_car_is_not_cut(view):
    mask, whole = touching(view)
    [car] = find_cars(mask, CARPARTS, made(mask).parts, whole=Seen(whole))
    assert car.parts == made(mask).parts and np.array_equal(car.mask, whole)


def test_what_has_no_parts_is_never_cut():
    """Two oblongs that touch at a narrow place."""
    mask = np.zeros((120, 400), np.uint8)
    mask[20:100, 20:190] = mask[20:100, 210:380] = mask[80:95, 190:210] = 1
    [car] = made(mask, CARVANA).cars
    assert car.uncertain and car.area_px == np.count_nonzero(mask)
    [car] = find_cars(np.zeros_like(mask), CARPARTS, made(mask * 0).parts, whole=Seen(mask > 0))
    assert car.uncertain and car.parts == ()


def test_what_is_seen_of_a_car_behind_a_pole_is_that_car():
    mask = large("left")
    mask[:, 228:232] = 0
    whole = np.zeros(mask.shape, bool)
    whole[48:200, 10:228] = whole[48:200, 232:246] = True
    assert len(find_cars(mask, CARPARTS, made(mask).parts, whole=Seen(whole | (mask > 0)))) == 1


def test_parts_where_the_second_network_sees_no_car_belong_to_none():
    mask = apart("front", "left")
    whole = np.zeros(mask.shape, bool)
    whole[:, :256] = True
    result = made(mask)
    [car] = find_cars(mask, CARPARTS, result.parts, whole=Seen(whole))
    assert "front_left_door" in result.parts and "front_left_door" not in car.parts


def test_specks_and_slight_pieces_are_no_cars():
    mask = apart("front", "left")
    mask[5:9, 500:504] = CARPARTS.classes.index("wheel")
    assert len(made(mask).cars) == 2
    plain = np.zeros((300, 300), np.uint8)
    plain[100:200, 50:250] = plain[5:8, 5:8] = 1
    assert len(made(plain, CARVANA).cars) == 1
