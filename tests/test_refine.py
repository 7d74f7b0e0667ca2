"""Edges that are redrawn at the image's own size: along the outline and nowhere else, and alike however asked for."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from carseg.errors import OptionError
from carseg.hub import ModelInfo
from carseg.hub.model_info import InputSpec
from carseg.inference.refine import refine_outline, windows
from carseg.inference.refiner import Refiner
from carseg.inference.segmenter import Segmenter
from carseg.labels import CAMVID, CAR5, CARPARTS, CARVANA, LabelSet

from entries import example

SIDE = 64  # of windows
MARGIN = 16  # of a window's pixels that others look at too
COARSE = (24, 32)
INFO = ModelInfo.from_dict("cars", example())


class Red:
    """A network that refines: what is red is car, whatever was said of it before. It counts what it is given."""

    name, precision, device, batch_size = "red", "float32", "cpu", 1

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        assert batch.dtype == np.float32 and batch.shape[1:] == (4, SIDE, SIDE)
        assert batch.min() >= -1 and batch.max() <= 1
        self.batches.append(len(batch))
        car = 20 * batch[:, 0]
        return np.stack([-car, car], 1)


class Blurred:
    """A whole-car network whose classes, told by colour, it gives on a grid of 24 x 32."""

    name, precision, device, batch_size = "blurred", "float32", "cpu", 1

    def __init__(self, colors: tuple[tuple[int, int, int], ...]) -> None:
        self.colors = np.array(colors, np.float32)

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        color = batch.transpose(0, 2, 3, 1)[..., None, :] * 255
        return (-((color - self.colors) ** 2).sum(-1) / 2000).transpose(0, 3, 1, 2).astype(np.float32)


def segmenter(labels: LabelSet = CARVANA, colors: tuple[Any, ...] = ((0, 0, 0), (255, 0, 0))) -> Segmenter:
    spec = InputSpec(size=COARSE, mean=(0, 0, 0), std=(1, 1, 1))
    made = Segmenter(replace(INFO, labels=labels, input=spec, metrics=()), Blurred(colors))
    made.refiner = Refiner(replace(INFO, input=InputSpec((SIDE, SIDE), (0.5,) * 4, (0.5,) * 4)), Red())
    return made


def blob(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a mask, bool (H, W), of an ellipse with waves on its edge."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    y, x = (2 * y + 1) / height - 1 + random.uniform(-0.2, 0.2), (2 * x + 1) / width - 1 + random.uniform(-0.2, 0.2)
    angle = np.arctan2(y, x)
    return np.hypot(y, x) < 0.6 + 0.1 * np.sin(5 * angle) + 0.03 * np.sin(29 * angle)


def painted(car: np.ndarray) -> np.ndarray:
    rgb = np.zeros((*car.shape, 3), np.uint8)
    rgb[car, 0] = 255
    return rgb


def refined(rgb: np.ndarray, car: np.ndarray, forward: Any = None, coarse: np.ndarray | None = None) -> np.ndarray:
    seen = car.astype(np.float32) if coarse is None else coarse
    return refine_outline(rgb, car, seen, SIDE, forward or Red())


@pytest.mark.parametrize("size", [(300, 400), (64, 64), (130, 700), (65, 3000)])
def test_the_middles_of_windows_cover_the_outline(size: tuple[int, int]) -> None:
    for car in (blob(*size), np.indices(size).sum(0) % 97 < 3, np.arange(size[1]) > np.full(size, 0)):
        places = windows(car, SIDE)
        covered = np.zeros(size, bool)
        for top, left in places:
            assert 0 <= top <= size[0] - SIDE and 0 <= left <= size[1] - SIDE
            y, x = (
                slice(at and at + MARGIN, at + SIDE - MARGIN * (at + SIDE < length))
                for at, length in zip((top, left), size, strict=True)
            )
            covered[y, x] = True
        changes = np.zeros(size, bool)
        changes[1:] |= car[1:] != car[:-1]
        changes[:, 1:] |= car[:, 1:] != car[:, :-1]
        assert covered[changes].all()


def test_windows_are_few() -> None:
    car = blob(1280, 1918)
    outline = np.count_nonzero(car[1:] != car[:-1]) + np.count_nonzero(car[:, 1:] != car[:, :-1])
    assert len(windows(car, 96)) < 2 * outline / (96 - 2 * MARGIN)


@pytest.mark.parametrize("size", [(240, 320), (1280, 1918), (301, 3001)])
def test_an_outline_that_is_off_is_drawn_where_the_image_has_it(size: tuple[int, int]) -> None:
    truth = blob(*size)
    off = np.roll(truth, (5, -4), (0, 1))
    assert np.count_nonzero(off != truth) > 500
    found = refined(painted(truth), off)
    assert found.dtype == np.uint8 and found.shape == size
    assert np.count_nonzero((found > 127) != truth) < 0.02 * np.count_nonzero(off != truth)


def test_far_from_the_outline_nothing_changes() -> None:
    car = blob(400, 600)
    found = refined(painted(~car), car)  # the network contradicts everything that it is asked
    near = np.zeros(car.shape, bool)
    for top, left in windows(car, SIDE):
        near[top : top + SIDE, left : left + SIDE] = True
    assert not near.all()
    assert np.array_equal(found[~near], car[~near] * np.uint8(255))
    assert np.count_nonzero((found > 127) != car) > 1000


def test_windows_fade_into_one_another_and_into_the_rest() -> None:
    car = blob(400, 600)
    found = refined(painted(car), car, lambda batch: np.zeros((len(batch), 2, SIDE, SIDE), np.float32)).astype(int)
    on_outline = (car[1:] != car[:-1]).nonzero()
    assert (found[1:][on_outline] == 128).all()  # nothing of what was there before is left
    assert max(np.abs(np.diff(found, axis=axis)).max() for axis in (0, 1)) <= 4 * 128 / MARGIN  # a seam has 128


def test_a_car_that_reaches_the_image_s_edge_is_refined_up_to_it() -> None:
    truth = np.zeros((200, 300), bool)
    truth[60:] = True
    found = refined(painted(truth), np.roll(truth, 7, 0))
    assert np.array_equal(found > 127, truth)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (63, 64), (20, 30)])
def test_images_smaller_than_a_window(size: tuple[int, int]) -> None:
    truth = blob(*size)
    assert np.array_equal(refined(painted(truth), np.roll(truth, 1, 1)) > 127, truth) or truth.all() or not truth.any()


@pytest.mark.parametrize("there", [True, False])
def test_without_an_outline_the_network_is_not_asked(there: bool) -> None:
    network = Red()
    found = refined(np.zeros((300, 400, 3), np.uint8), np.full((300, 400), there), network)
    assert (found == 255 * there).all() and network.batches == []


def test_what_cleaning_took_away_stays_away() -> None:
    truth = blob(300, 400)
    crumb = truth.copy()
    crumb[5:15, 5:15] = True  # the network saw a car there, far from the rest
    found = refined(painted(truth), truth, coarse=crumb.astype(np.float32))
    assert not found[:40, :40].any()


def test_a_huge_image_takes_memory_by_windows() -> None:
    car = blob(4000, 6000)
    rgb, network = painted(car), Red()
    tracemalloc.start()
    refined(rgb, car, network, coarse=np.zeros((100, 150), np.float32) + blob(100, 150))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(network.batches) <= 16 < sum(network.batches)
    assert peak < 8 * car.size


def test_predictions_streams_and_tiles_are_refined_alike() -> None:
    model, images = segmenter(), [painted(blob(300, 400, seed)) for seed in range(3)]
    results = [model.predict(image, edges="refined") for image in images]
    for image, result in zip(images, results, strict=True):
        truth, plain = image[..., 0] > 0, model.predict(image)
        assert np.count_nonzero(plain.mask != truth) > 20 * np.count_nonzero(result.mask != truth)
        assert np.array_equal(result.alpha > 127, result.mask == 1)
        again = model.predict(image, edges="refined")
        assert np.array_equal(again.mask, result.mask) and np.array_equal(again.alpha, result.alpha)
        tiled = model.predict(image, edges="refined", tile=200)
        assert np.array_equal(tiled.mask, truth)
    for streamed, result in zip(model.stream(images, edges="refined", batch_size=2), results, strict=True):
        assert np.array_equal(streamed.mask, result.mask) and np.array_equal(streamed.alpha, result.alpha)


def test_the_opacity_is_that_of_the_mask_where_nothing_is_refined() -> None:
    result = segmenter().predict(painted(blob(300, 400)))
    assert result.alpha.dtype == np.uint8 and np.array_equal(result.alpha > 127, result.mask == 1)


def test_crumbs_beside_the_outline_are_cleaned_away() -> None:
    rgb = painted(blob(300, 400))
    y, x = np.argwhere(rgb[..., 0])[0]
    rgb[y - 12 : y - 9, x : x + 3, 0] = 255
    result = segmenter().predict(rgb, edges="refined")
    assert len(result.cars) == 1 and not result.alpha[: y - 6].any()
    assert segmenter().predict(rgb, edges="refined", min_area=0).alpha[: y - 6].any()


def test_a_cutout_is_as_opaque_as_the_refined_edge() -> None:
    result = segmenter().predict(painted(blob(300, 400)), edges="refined")
    assert np.array_equal(np.asarray(result.cutout())[..., 3], result.alpha)


def test_parts_that_make_up_a_car_get_what_its_outline_gains() -> None:
    body, wheel = ((255, 0, 0), (180, 0, 181))  # as bright, so that a darker cell is as near to its own colour
    model = segmenter(CAR5, ((0, 0, 0), body, wheel, (255, 255, 0), (255, 255, 255)))
    truth = blob(300, 400)
    rgb = painted(truth)
    rgb[150:][truth[150:]] = wheel
    result = model.predict(rgb, edges="refined", min_area=0)
    assert np.count_nonzero((result.mask > 0) != truth) < 10
    gained = (model.predict(rgb, min_area=0).mask == 0) & truth
    assert np.count_nonzero(gained) > 100
    for part, rows in ((1, slice(130)), (2, slice(170, 300))):
        assert (result.mask[rows][gained[rows]] == part).mean() > 0.9


@pytest.mark.parametrize(("labels", "reason"), [(CARPARTS, "no class for the rest"), (CAMVID, "no background")])
def test_classes_without_a_whole_car_are_refused(labels: LabelSet, reason: str) -> None:
    model = segmenter(labels)
    for ask in (model.predict, model.stream):
        with pytest.raises(OptionError, match=f"and {labels.name} has {reason}.*edges='network'"):
            ask(np.zeros((8, 8, 3), np.uint8), edges="refined")


def test_another_word_is_refused() -> None:
    with pytest.raises(OptionError, match="edges must be 'network' or 'refined', got 'sharp'"):
        segmenter().predict(np.zeros((8, 8, 3), np.uint8), edges="sharp")


def test_a_closed_network_keeps_no_other() -> None:
    model = segmenter()
    model.close()
    assert "refiner" not in vars(model)
