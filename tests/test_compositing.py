"""A car on a canvas: soft edges, its own colours, a shadow, glass and framing, on drawn cars of known truth."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from carseg.cars.foreground import foreground_colors
from carseg.cars.framing import Frame, frame_car
from carseg.cars.glass import glass_labels, tint_glass
from carseg.cars.shadow import ground_shadow
from carseg.inference.alpha import log_odds, soft_alpha
from carseg.labels import CAMVID, CAR5, CARPARTS, CARVANA


def side_view(height=300, width=600):
    """Return the opacity of a car from the side, hard: its body 40 pixels over the ground at row 250, on two wheels."""
    y, x = np.mgrid[:height, :width]
    inside = (y >= 100) & (y < 210) & (x >= 50) & (x < 550)
    for middle in (150, 450):
        inside |= np.hypot(x - middle, y - 210) < 40
    return inside


def soft(inside, radius=1.5):
    image = Image.fromarray(inside.astype(np.uint8) * np.uint8(255))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)))


def test_an_outline_between_coarse_cells_is_soft_and_straight():
    """The line x + y / 3 = 40, known on a grid of 8 pixels: each pixel gets the share that lies before it."""
    rows, columns = (np.arange(cells) * 8 + 3.5 for cells in (8, 12))
    odds = (40 - columns - rows[:, None] / 3).astype(np.float32)
    y, x = np.mgrid[:64, :96]
    inside = x + y / 3 < 40
    alpha = soft_alpha(inside, odds.astype(np.float16))
    assert np.array_equal(alpha >= 128, inside)
    distance = (40 - x - y / 3) / np.hypot(1, 1 / 3)
    wanted = (0.5 + distance / 2).clip(0, 1) * 255
    assert np.abs(alpha.astype(float) - wanted)[4:-4].max() < 4
    surer = soft_alpha(inside, (20 * odds).astype(np.float16))
    assert np.abs(alpha.astype(int) - surer).max() <= 4  # how sure the network is does not widen the edge


def test_the_mask_has_the_last_word():
    odds = np.full((4, 4), 3.0, np.float16)
    inside = np.zeros((32, 32), bool)
    inside[8:20, 8:20] = True  # the rest was cleaned away
    alpha = soft_alpha(inside, odds)
    assert np.array_equal(alpha >= 128, inside)
    assert np.unique(alpha).tolist() == [0, 255]  # where the network knows of no outline there is nothing to soften
    assert np.unique(soft_alpha(inside, None)).tolist() == [0, 255]


def test_log_odds_follow_the_mask_s_own_rule():
    probabilities = np.array([0.2, 0.5, 0.3], np.float32)[:, None, None]
    assert log_odds(np.log(probabilities), (1, 2)).item() == pytest.approx(np.log(0.5 / 0.2), rel=1e-3)
    assert log_odds(np.log(probabilities), (0, 2)).item() < 0  # together they would win, and the mask has neither
    assert log_odds(np.log(probabilities), ()) is None
    assert log_odds(np.log(probabilities), (0, 1, 2)) is None


@pytest.mark.parametrize("background", [(20, 200, 40), (250, 250, 250)])
def test_colours_at_the_edge_are_the_car_s_own(background):
    alpha = soft(side_view())
    share = alpha[..., None] / 255
    texture = np.random.default_rng(0).integers(-12, 13, (*alpha.shape, 1))
    car = (np.array([180, 30, 60]) + texture).astype(np.uint8)
    image = np.rint(car * share + np.array(background) * (1 - share)).astype(np.uint8)
    found = foreground_colors(image, alpha)
    edge = (alpha > 25) & (alpha < 255)
    wrong, before = (np.abs(each[edge].astype(int) - car[edge]).mean() for each in (found, image))
    assert wrong < 10 and wrong < before / 4
    assert np.array_equal(found[alpha == 255], image[alpha == 255])
    assert np.array_equal(found[alpha == 0], image[alpha == 0])


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (40, 3), (33, 65)])
def test_colours_of_images_smaller_than_a_square(shape):
    image = np.full((*shape, 3), 77, np.uint8)
    alpha = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    assert np.abs(foreground_colors(image, alpha).astype(int) - 77).max() <= 1


def test_a_shadow_lies_on_the_ground_under_the_car():
    inside = side_view()
    shadow = ground_shadow(inside.astype(np.uint8) * np.uint8(255)).astype(int)
    assert shadow.shape == inside.shape
    tyre, between, beyond = shadow[250, 150], shadow[250, 300], shadow[250, 60]
    assert tyre > between > beyond  # darkest where it touches the ground, and lighter where light gets in
    assert shadow[240, 300] > 60
    assert not shadow[:150].any() and not shadow[285:].any()
    below = shadow[250:, 300]
    assert (np.diff(below) <= 0).all() and np.abs(np.diff(below)).max() < 40  # falls off softly


def test_a_shadow_follows_wheels_that_do_not_stand_on_a_level():
    """Of a car from a corner the far wheel stands higher in the image: so does the ground there."""
    y, x = np.mgrid[:400, :600]
    inside = (y >= 60) & (y < 200) & (x >= 50) & (x < 550)
    for middle, low in ((150, 300), (500, 220)):
        inside |= (abs(x - middle) < 30) & (y < low) & (y > 100)
    shadow = ground_shadow(inside.astype(np.uint8) * np.uint8(255)).astype(int)
    line = 300 - 80 * (300 - 180) / (470 - 180)
    assert shadow[round(line) - 10, 300] > 60 > shadow[round(line) + 15, 300]


@pytest.mark.parametrize("place", [np.s_[:0], np.s_[5:6, 5:6], np.s_[:], np.s_[:, :1], np.s_[-1:]])
def test_a_shadow_of_anything(place):
    alpha = np.zeros((40, 60), np.uint8)
    alpha[place] = 255
    shadow = ground_shadow(alpha)
    assert shadow.shape == alpha.shape and shadow.dtype == np.uint8
    assert shadow.any() == alpha.any()


def test_a_frame_is_the_same_rule_for_every_car():
    size = (1920, 1080)
    for box in ((10, 20, 900, 300), (0, 0, 300, 400), (700, 5, 40, 20)):
        x, y, width, height = frame_car(box, margin=0.08, size=size).locate(box)
        assert y + height == round(1080 * 0.92)  # all stand on one line
        assert abs(x + width / 2 - 960) <= 1
        assert x >= 153 and y >= 86
        assert x in (153, 154) or y in (86, 87)  # as large as the margins allow
        assert width / height == pytest.approx(box[2] / box[3], rel=0.02)


def test_a_frame_without_a_size_keeps_the_car_s_own():
    frame = frame_car((30, 40, 800, 300), margin=0.1)
    assert frame == Frame((1000, 375), 1.0, 70.0, -2.0)
    assert frame.locate((30, 40, 800, 300)) == (100, 38, 800, 300)


def test_tinted_glass_shows_next_to_nothing_of_what_is_behind():
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    glass = np.zeros((60, 60), bool)
    glass[10:50, 10:50] = True
    tinted = tint_glass(image, glass)
    inner = tinted[16:44, 16:44].astype(int)
    assert inner.max() < 128
    assert np.ptp(inner, axis=2).max() <= 12  # no colour is left
    assert inner.std() < image.std() / 3
    assert np.array_equal(tinted[:4], image[:4])


def test_classes_of_windows():
    names = [[labels.classes[label] for label in glass_labels(labels)] for labels in (CAR5, CARPARTS, CARVANA, CAMVID)]
    assert names == [["window"], ["back_glass", "front_glass"], [], []]
