"""A second network that tells whole cars: it runs when the cars are asked for, and lives and ends with the first."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

import carseg
from carseg import ClosedError, OptionError, Segmenter
from carseg.hub import RECOMMENDED
from carseg.labels import CARPARTS, CARVANA
from carseg.masks import rle

from documents import with_weights
from drawn_car import drawn
from entries import info_of

pytestmark = with_weights
HOW = {"device": "cpu", "runtime": "torch", "precision": "float32"}


@pytest.fixture(scope="module")
def model():
    return carseg.load("parts", cars="car", **HOW)


class Network:
    """A runtime that finds in an image, whatever it shows, a mask that is given; it counts its calls."""

    name, precision, device, batch_size = "fixed", "float32", "cpu", 2

    def __init__(self, mask, classes):
        self.logits = np.float32(20 * (np.arange(classes)[:, None, None] == mask))
        self.calls = 0

    def __call__(self, batch):
        self.calls += 1
        return np.stack([self.logits] * len(batch))


@pytest.fixture
def pair():
    """Return a network of parts, which finds a drawn car, with one of whole cars, which finds the box around it."""
    mask = drawn("front-left")
    whole = np.zeros_like(mask)
    whole[12:52, 2:58] = 1
    known = replace(info_of(), input=replace(info_of().input, size=mask.shape), metrics=())
    parts, cars = replace(known, labels=CARPARTS), replace(known, labels=CARVANA, name="whole")
    return Segmenter(parts, Network(mask, 19), Segmenter(cars, Network(whole, 2)))


IMAGE = np.zeros((64, 64, 3), np.uint8)


def calls(model):
    return model.cars.runtime.calls


def test_it_runs_once_and_only_when_cars_are_asked_for(pair):
    results = [pair.predict(IMAGE, min_area=0), *pair.stream([IMAGE, IMAGE], min_area=0)]
    assert results[0].parts and results[0].view and calls(pair) == 0
    for number, result in enumerate(results, 1):
        assert result.cars[0] is result.cars[0] and result.to_dict()["cars"]
        assert calls(pair) == number


def test_the_body_is_what_is_car_and_has_no_name(pair):
    result = pair.predict(IMAGE, min_area=0)
    [car] = result.cars
    mask, named = np.zeros((64, 64), bool), result.mask > 0
    mask[12:52, 2:58] = True
    assert np.array_equal(car.mask, mask | named)
    assert car.body.area_px + sum(part.area_px for part in car.parts) == car.area_px
    assert car.body.area_fraction == car.body.area_px / 64**2
    assert np.array_equal(rle.decode(car.body.rle), mask & ~named)


def test_copies_and_pickles_of_a_result_keep_what_it_sees(pair):
    result = pair.predict(IMAGE)
    others = [pickle.loads(pickle.dumps(result)), copy.deepcopy(result), copy.copy(result)]
    pair.close()
    for other in others:
        assert [car.body for car in other.cars] == [car.body for car in result.cars]


def test_a_network_that_was_closed_before_it_was_asked(pair):
    asked, result = pair.predict(IMAGE), pair.predict(IMAGE)
    assert asked.cars
    with pair:
        pass
    assert asked.cars and result.parts
    for other in (result, pickle.loads(pickle.dumps(result))):
        with pytest.raises(ClosedError, match="whole was closed"):
            _ = other.cars


def test_a_subclass_has_it_where_it_is_given(pair):
    class Own(Segmenter):
        pass

    assert Own(pair.info, pair.runtime, pair.cars).predict(IMAGE).cars[0].body
    assert Own(pair.info, pair.runtime).predict(IMAGE).cars[0].body is None


def test_published_networks(model):
    assert (model.name, model.cars.name) == (RECOMMENDED["parts"].model, RECOMMENDED["car"].model)
    assert "cars by 'fpn-efficientnet-lite1-carvana'" in repr(model)
    assert [model.cars.runtime.name, model.cars.runtime.precision] == ["torch", "float32"]
    other = pickle.loads(pickle.dumps(model))
    assert repr(other) == repr(model) == repr(copy.deepcopy(model))
    image = np.full((90, 120, 3), 127, np.uint8)
    assert [len(each.predict(image).cars) for each in (model, other)] == [0, 0]
    assert carseg.load("parts", **HOW).cars is None


def test_both_licences_are_shown(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path))
    carseg.load("parts", cars="car", **HOW)
    said = [record.getMessage() for record in caplog.records]
    assert [any(RECOMMENDED[name].model in message for message in said) for name in ("parts", "car")] == [True, True]


@pytest.mark.parametrize("name", ["parts", "drivable"])
def test_a_network_that_tells_no_whole_cars_is_refused(name):
    with pytest.raises(OptionError, match=f"'{name}' does not find whole cars, which cars= needs: use 'car'"):
        carseg.load("parts", cars=name, **HOW)
    with pytest.raises(carseg.UnknownNameError):
        carseg.load("parts", cars="carr", **HOW)


def test_lanes_and_cars():
    result = carseg.load("drivable", cars="car", **HOW).predict(np.full((90, 120, 3), 127, np.uint8))
    assert result.cars == () and result.to_dict()["cars"] == []
