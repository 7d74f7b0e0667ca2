"""Sides and views of a prediction, with a network whose answer is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import carseg
from carseg.cars import View
from carseg.errors import OptionError
from carseg.inference import Result, Segmenter
from carseg.labels import CARPARTS, CARVANA

from drawn_car import drawn, logits_of, swapped
from drawn_data import save

TRUTH = drawn("front-left")
SEEN = swapped(TRUTH, "front_left_door", "front_right_door")
IMAGE = np.zeros((100, 140, 3), np.uint8)


class Drawn(Segmenter):
    """The default model, but it takes a left door for a right one whatever it is shown."""

    def forward(self, batch: np.ndarray) -> np.ndarray:
        return np.stack([logits_of(SEEN)] * len(batch))


@pytest.fixture(scope="module")
def model() -> Segmenter:
    default = carseg.load("parts", device="cpu", runtime="torch", precision="float32")
    return Drawn(default.info, default.runtime)


def found(result: Result) -> set[str]:
    return {part.name for part in result.parts if "door" in part.name}


def test_sides_are_consistent_with_the_view(model: Segmenter) -> None:
    assert found(model.predict(IMAGE)) == {"front_left_door", "back_left_door"}
    [streamed] = model.stream([IMAGE])
    assert found(streamed) == {"front_left_door", "back_left_door"}


def test_raw_sides_are_those_of_the_network(model: Segmenter) -> None:
    assert found(model.predict(IMAGE, sides="raw")) == {"front_right_door", "back_left_door"}
    [streamed] = model.stream([IMAGE], sides="raw")
    assert found(streamed) == {"front_right_door", "back_left_door"}
    prepared = model.preprocess(IMAGE)
    by_hand = model.postprocess(logits_of(SEEN), prepared, sides="raw")
    assert found(by_hand) == {"front_right_door", "back_left_door"}


def test_only_the_names_of_sides_change(model: Segmenter) -> None:
    raw, consistent = (model.predict(IMAGE, sides=sides).mask for sides in ("raw", "consistent"))
    assert np.array_equal(swapped(raw, "front_right_door", "front_left_door"), consistent)


def test_probabilities_and_scores_agree_with_the_mask(model: Segmenter) -> None:
    result = model.predict(IMAGE, return_probabilities=True)
    assert np.array_equal(result.probabilities.argmax(0), result.mask)
    raw = model.predict(IMAGE, sides="raw")
    score, of_raw = result.parts["front_left_door"].score, raw.parts["front_right_door"].score
    assert score == pytest.approx(of_raw)


def test_tiles_keep_the_sides_of_the_network(model: Segmenter) -> None:
    assert found(model.predict(IMAGE, tile=200)) == {"front_right_door", "back_left_door"}


def test_figures_are_those_of_raw_sides(model: Segmenter, tmp_path: Path) -> None:
    save(tmp_path / "images" / "car.png", IMAGE)
    save(tmp_path / "masks" / "car.png", model.predict(IMAGE, sides="consistent").mask)
    labeled = carseg.data.load(tmp_path, labels="carparts")
    assert carseg.evaluate(model, labeled, boundary=False).side_error > 0.2


def test_unknown_sides_are_refused(model: Segmenter) -> None:
    for refused in (
        lambda: model.predict(IMAGE, sides="left"),
        lambda: next(model.stream([IMAGE], sides="left")),
        lambda: model.postprocess(logits_of(SEEN), model.preprocess(IMAGE), sides="left"),
    ):
        with pytest.raises(OptionError, match="sides must be 'consistent' or 'raw', got 'left'"):
            refused()


def test_a_result_knows_the_view(model: Segmenter) -> None:
    view = model.predict(IMAGE).view
    assert isinstance(view, View)
    assert view.name == "front-left" and view.confidence > 0.5


def test_a_result_without_a_car_or_its_parts_has_no_view() -> None:
    rgb = np.zeros((8, 8, 3), np.uint8)
    assert Result(np.zeros((8, 8), np.uint8), CARPARTS, rgb).view is None
    assert Result(np.ones((8, 8), np.uint8), CARVANA, rgb).view is None
