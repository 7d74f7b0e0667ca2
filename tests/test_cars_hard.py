"""Images that are not of one car in full: a sensible number of cars, or none, and never a crash."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

import carseg
from carseg.hub.manifest import ROOT

from documents import with_weights
from schemas import validate

pytestmark = with_weights
HOW = {"device": "cpu", "runtime": "torch", "precision": "float32"}


@pytest.fixture(scope="module")
def models():
    """Return every way to tell cars: parts with whole cars, parts alone, whole cars alone, a street scene."""
    return [carseg.load("parts", cars="car", **HOW), *(carseg.load(name, **HOW) for name in ("parts", "car", "road"))]


@pytest.fixture(scope="module")
def car():
    return Image.open(ROOT / "examples" / "car.jpg").convert("RGB")


def no_car(car):
    """A wall above a floor, with noise."""
    rows = np.linspace(90, 200, 300)[:, None, None] + np.where(np.arange(300) > 160, -60, 0)[:, None, None]
    noise = np.random.default_rng(0).normal(0, 8, (300, 400, 3))
    return Image.fromarray((rows + noise).clip(0, 255).astype(np.uint8))


def half(car):
    return car.crop((0, 0, car.width // 2, car.height))


def panel(car):
    """A door, from so near that nothing else is seen."""
    x, y = car.width * 6 // 10, car.height * 55 // 100
    return car.crop((x, y, x + 80, y + 60)).resize((640, 480))


def lot(car):
    """Thirty cars in rows."""
    image, small = Image.new("RGB", (960, 720), (110, 110, 112)), car.resize((160, 144))
    for number in range(30):
        image.paste(small, (number % 6 * 160, number // 6 * 144))
    return image


def mirror(car):
    """A car before a mirror that shows it once more."""
    image = Image.new("RGB", (car.width * 2, car.height))
    image.paste(car)
    image.paste(ImageOps.mirror(car).point(lambda value: value * 0.7), (car.width, 0))
    return image


def night(car):
    return car.point(lambda value: value * 0.03)


def toy(car):
    """A car of a few blocks on a carpet."""
    image = Image.new("RGB", (400, 300), (150, 60, 60))
    draw = ImageDraw.Draw(image)
    draw.rectangle((120, 150, 280, 190), (30, 80, 200))
    draw.rectangle((160, 120, 240, 150), (30, 80, 200))
    for x in (145, 235):
        draw.ellipse((x, 175, x + 30, 205), (20, 20, 20))
    return image


def drawing(car):
    """The outlines of a car, black on white."""
    return ImageOps.invert(car.convert("L").filter(ImageFilter.FIND_EDGES)).convert("RGB")


def one_pixel(car):
    return Image.new("RGB", (1, 1), (200, 30, 30))


def strip(car):
    return car.resize((1200, 8))


# The most cars that each may be said to show, by parts and whole cars together.
SHOWN = {
    no_car: 0,
    half: 1,
    panel: 1,
    lot: 30,
    mirror: 2,
    night: 1,
    toy: 2,  # its wheels, which look like those of two cars that are hidden
    drawing: 1,
    ImageOps.flip: 2,  # its front and its rear, upside down
    one_pixel: 1,
    strip: 1,
}


@pytest.mark.parametrize("made", SHOWN, ids=lambda made: made.__name__)
def test_a_sensible_number_of_cars(models, car, made):
    image = made(car)
    for number, model in enumerate(models if made in (no_car, lot, strip) else models[:1]):
        result = model.predict(image)
        cars = result.cars
        validate("result", json.loads(result.to_json(polygons=True)))
        assert [each.number for each in cars] == list(range(1, len(cars) + 1))
        assert [each.area_px for each in cars] == sorted((each.area_px for each in cars), reverse=True)
        masks = np.array([each.mask for each in cars], bool).reshape(-1, *result.mask.shape)
        assert masks.sum(0).max(initial=0) <= 1 and masks.any((1, 2)).all()
        for each, mask in zip(cars, masks, strict=True):
            assert each.area_px == np.count_nonzero(mask)
            assert sum(part.area_px for part in each.parts) + (each.body.area_px if each.body else 0) == each.area_px
        if number == 0:
            assert len(cars) <= SHOWN[made]


def test_the_car_itself_and_what_stands_apart(models, car):
    [one] = models[0].predict(car).cars
    assert "right" in one.view.name and not one.uncertain and one.body.area_px > 0
    wide = Image.new("RGB", (car.width * 2 + 200, car.height), (120, 120, 120))
    for left in (0, car.width + 200):
        wide.paste(car, (left, 0))
    assert len(models[0].predict(wide).cars) == 2
