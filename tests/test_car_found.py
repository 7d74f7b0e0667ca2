"""Cars in images with other labels: the two figures, counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carseg.data.load import load as open_data
from carseg.errors import DataError
from carseg.inference.segmenter import load
from recipes.car_found import box, count, measure, summarize

from color_hub import blocks, write_model
from drawn_data import save


def masks(car: Any, parts: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a predicted car, parts, and the box of the parts in an image of 10x10."""
    found = np.zeros((2, 10, 10), bool)
    found[0][car] = found[1][parts] = True
    return found[0], found[1], box(found[1])


def test_part_pixels_inside_the_car_and_car_outside_the_box_are_counted() -> None:
    parts = np.zeros((10, 10), bool)
    parts[2, 2] = parts[7, 5] = True  # the box spans rows 2..7, columns 2..5
    car = np.zeros((10, 10), bool)
    car[0:5, 2:4] = True  # 10 pixels, the upper four outside the box
    assert count(car, parts, box(parts)) == (2, 1, 10, 4)
    assert count(car, parts, parts) == (2, 1, 10, 9)


def test_the_figures_are_sums_over_all_images() -> None:
    perfect = count(*masks(np.s_[:5], np.s_[:5]))
    missed = count(*masks(np.s_[8:], np.s_[:5]))
    figures = summarize([perfect, missed])
    assert (figures.images, figures.covered.value, figures.spilled.value) == (2, 0.5, 20 / 70)
    assert figures.covered.interval == figures.spilled.interval == (0, 1)


def test_calling_everything_car_covers_all_and_spills() -> None:
    figures = summarize([count(*masks(np.s_[:], np.s_[:5]))] * 3)
    assert figures.covered.value == 1 and figures.spilled.value == 0.5
    assert "100.0 % (100.0 to 100.0)" in str(figures) and "50.0 %" in str(figures)


def test_no_predicted_car_has_no_second_figure() -> None:
    figures = summarize([count(*masks(np.s_[:0], np.s_[:5]))])
    assert figures.covered.value == 0 and figures.spilled is None and "no car was found" in str(figures)


def test_images_without_parts_count_for_nothing() -> None:
    empty = count(*masks(np.s_[:], np.s_[:0]))
    assert summarize([empty, count(*masks(np.s_[:5], np.s_[:5]))]).images == 1
    with pytest.raises(DataError, match="labelled pixel"):
        summarize([empty])


def test_a_network_is_measured_on_labeled_images(tmp_path: Path) -> None:
    write_model(tmp_path / "hub")
    truth = np.zeros((64, 96), np.uint8)  # the network sees a car in the left and the right third
    truth[:, :48] = 1
    truth[:, 40:48] = 255
    truth[32:, 8:48] = 0  # in the box of what is labelled
    save(tmp_path / "data" / "images" / "a.png", np.asarray(blocks()))
    save(tmp_path / "data" / "masks" / "a.png", truth)
    images, network = open_data(tmp_path / "data", labels="carvana"), load(tmp_path / "hub" / "blocks", device="cpu")
    figures = [measure(network, images, boxed=boxed) for boxed in (True, False)]
    assert [each.covered.value for each in figures] == pytest.approx([40 / 48] * 2, abs=0.03)
    assert [each.spilled.value for each in figures] == pytest.approx([64 / 128, 88 / 128], abs=0.03)
