"""Cleaning of masks: what becomes of crumbs and holes, against a slow way, and from ``predict`` down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import carseg
from carseg.cars import clean
from carseg.errors import OptionError
from carseg.evaluation import evaluate
from carseg.inference import Segmenter
from carseg.labels import BDD, CAMVID, CAR5, CARPARTS, CARVANA, IGNORE, label_set

from color_hub import COLORS, LABELS, SIDE
from drawn_data import save
from predicting import predict, read

LEFT, RIGHT, WHEEL = 1, 2, 3


def chances(mask: np.ndarray, classes: int = 4, sure: float = 0.9) -> np.ndarray:
    """Return log-probabilities of which a mask is the argmax."""
    probability = np.full((classes, *mask.shape), (1 - sure) / (classes - 1), np.float32)
    np.put_along_axis(probability, np.minimum(mask, classes - 1)[None].astype(int), sure, 0)
    return np.log(probability)


def prefer(log_probabilities: np.ndarray, where: tuple[slice, slice], label: int) -> None:
    log_probabilities[(label, *where)] = np.log(0.5)


def cleaned(mask: np.ndarray, log_probabilities: np.ndarray, min_area: float = 0.1, **options: object) -> np.ndarray:
    return clean(mask, log_probabilities, **{"background": 0, "min_area": min_area, **options})


@pytest.fixture
def mask() -> np.ndarray:
    """Return a left door beside a right door."""
    mask = np.zeros((40, 60), np.uint8)
    mask[5:35, 5:30] = LEFT
    mask[5:35, 30:55] = RIGHT
    return mask


def test_a_crumb_becomes_what_is_most_probable_around_it(mask: np.ndarray) -> None:
    raw = mask.copy()
    crumb = np.s_[15:20, 25:30]  # at the border of the two doors
    raw[crumb] = WHEEL
    raw[35:40, 0:30] = WHEEL  # the wheel that stays
    for label in (LEFT, RIGHT):
        log_probabilities = chances(raw)
        prefer(log_probabilities, crumb, label)
        wanted = raw.copy()
        wanted[crumb] = label
        assert np.array_equal(cleaned(raw, log_probabilities, 0.2), wanted)


def test_a_crumb_at_the_background_goes_there_if_that_is_more_probable(mask: np.ndarray) -> None:
    raw = mask.copy()
    crumb = np.s_[2:5, 10:15]
    raw[crumb] = RIGHT
    for label in (0, LEFT):
        log_probabilities = chances(raw)
        prefer(log_probabilities, crumb, label)
        assert set(cleaned(raw, log_probabilities)[crumb].ravel()) == {label}
    alone = mask.copy()
    alone[0:2, 57:60] = LEFT  # touches nothing else, whatever is more probable
    log_probabilities = chances(alone)
    prefer(log_probabilities, np.s_[0:2, 57:60], RIGHT)
    assert np.array_equal(cleaned(alone, log_probabilities), mask)


def test_small_holes_are_closed_and_large_ones_and_bays_stay(mask: np.ndarray) -> None:
    raw = mask.copy()
    small, large, bay = np.s_[10:13, 10:13], np.s_[20:32, 8:20], np.s_[5:9, 40:44]
    for place in (small, large, bay):
        raw[place] = 0
    found = cleaned(raw, chances(raw))
    assert (found[small] == LEFT).all()
    assert (found[large] == 0).all() and (found[bay] == 0).all()
    at_edge = np.full((20, 20), LEFT, np.uint8)
    at_edge[0:2, 5:8] = 0
    assert np.array_equal(cleaned(at_edge, chances(at_edge)), at_edge)


def test_second_wheels_stay(mask: np.ndarray) -> None:
    raw = mask.copy()
    raw[30:38, 8:18] = WHEEL
    raw[34:38, 40:44] = WHEEL  # a fifth of the other
    assert np.array_equal(cleaned(raw, chances(raw), 0.2), raw)
    assert not (cleaned(raw, chances(raw), 0.21)[34:38, 40:44] == WHEEL).any()


def test_crumbs_among_crumbs_go_too(mask: np.ndarray) -> None:
    raw = mask.copy()
    raw[0:4, 0:30] = WHEEL
    raw[15:22, 12:19] = WHEEL
    raw[16:21, 13:18] = RIGHT
    raw[17:20, 14:17] = WHEEL
    raw[18, 15] = 0
    wanted = mask.copy()
    wanted[0:4, 0:30] = WHEEL
    assert np.array_equal(cleaned(raw, chances(raw), 0.5), wanted)


def test_unsure_pixels_are_given_to_no_class(mask: np.ndarray) -> None:
    raw = mask.copy()
    hole, crumb = np.s_[10:13, 10:13], np.s_[10:13, 40:43]
    raw[hole], raw[crumb] = 0, LEFT
    for background, nothing in ((0, 0), (None, IGNORE)):
        given = np.where(raw == 0, nothing, raw).astype(np.uint8)
        log_probabilities = chances(given)
        log_probabilities[(LEFT, *hole)] = np.log(0.4)
        prefer(log_probabilities, crumb, RIGHT)
        found = cleaned(given, log_probabilities, background=background, threshold=0.45)
        assert (found[hole] == nothing).all() and (found[crumb] == RIGHT).all()
        found = cleaned(given, log_probabilities, background=background, threshold=0.6)
        assert (found[hole] == nothing).all() and (found[crumb] == nothing).all()


@pytest.mark.parametrize("background", [0, None, 2])
@pytest.mark.parametrize("seed", range(12))
def test_what_is_left_is_no_crumb_and_the_rest_is_untouched(seed: int, background: int | None) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(20, 60, 2)
    coarse = rng.normal(size=(4, 9, 7)).astype(np.float32)
    noise = ndimage.gaussian_filter(rng.normal(size=(4, height, width)), (0, 2, 2)) * 6
    raw = noise.argmax(0).astype(np.uint8)
    min_area = float(rng.uniform(0.05, 0.6))
    found = cleaned(raw, coarse - np.log(np.exp(coarse).sum(0)), min_area, background=background)

    def pieces(mask: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
        numbers, _ = ndimage.label(mask == label, np.ones((3, 3)))
        return numbers, np.bincount(numbers.ravel())[1:]

    for label in range(4):
        numbers, areas = pieces(found, label)
        if label == background:
            border = np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]])
            for hole in set(range(1, len(areas) + 1)) - set(border.tolist()):
                around = found[ndimage.binary_dilation(numbers == hole, np.ones((3, 3))) & (numbers != hole)]
                assert areas[hole - 1] >= min_area * min(
                    pieces(found, other)[1].max() for other in set(around.tolist())
                )
            continue
        assert (areas / areas.max(initial=1) >= min_area).all()
        numbers, areas = pieces(raw, label)
        assert (found[np.isin(numbers, np.flatnonzero(areas == areas.max(initial=0)) + 1)] == label).all()
    assert np.array_equal(cleaned(raw, coarse, 0, background=background), raw)


@pytest.fixture
def model(blocks_hub: Path) -> Segmenter:
    """Return a network that sees colours, whose label set asks for cleaning."""
    model = carseg.load("blocks", device="cpu", runtime="torch", precision="float32")
    return Segmenter(replace(model.info, labels=replace(LABELS, min_area=0.1)), model.runtime)


@pytest.fixture
def speckled() -> np.ndarray:
    """Return an image of a left door with a wheel's crumb and a hole in it, and a wheel."""
    rgb = np.zeros((4 * SIDE, 4 * SIDE, 3), np.uint8)
    rgb[8:96, 8:72], rgb[80:120, 80:120] = COLORS[LEFT], COLORS[WHEEL]
    rgb[24:32, 24:32], rgb[56:64, 40:48] = COLORS[WHEEL], 0
    return rgb


@pytest.mark.parametrize("tile", [None, 64])
def test_predict_and_stream_clean_as_the_label_set_says(
    model: Segmenter, speckled: np.ndarray, tile: int | None
) -> None:
    raw = model.predict(speckled, tile=tile, min_area=0).mask
    assert raw[28, 28] == WHEEL and raw[60, 44] == 0
    found = model.predict(speckled, tile=tile)
    assert found.mask[28, 28] == found.mask[60, 44] == LEFT
    assert (found.mask == LEFT).sum() > (raw == LEFT).sum() and np.array_equal(found.mask[80:], raw[80:])
    assert found.parts["wheel"].bbox[:2] > (70, 70)
    for min_area, wanted in ((None, found.mask), (0.1, found.mask), (0, raw)):
        [streamed] = model.stream([speckled], tile=tile, min_area=min_area)
        assert np.array_equal(streamed.mask, wanted)
    plain = Segmenter(replace(model.info, labels=LABELS), model.runtime)  # classes of one's own
    assert np.array_equal(plain.predict(speckled, tile=tile).mask, raw)


def test_figures_are_those_of_the_raw_mask(model: Segmenter, speckled: np.ndarray, tmp_path: Path) -> None:
    save(tmp_path / "data" / "images" / "a.png", speckled)
    save(tmp_path / "data" / "masks" / "a.png", model.predict(speckled, min_area=0).mask)
    assert evaluate(model, carseg.data.load(tmp_path / "data", labels=model.labels), boundary=False).miou == 1


@pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan")])
def test_a_share_is_no_number_of_pixels(model: Segmenter, speckled: np.ndarray, wrong: float) -> None:
    for call in (model.predict, lambda image, **options: list(model.stream([image], **options))):
        with pytest.raises(OptionError, match=r"min_area must lie in 0\.\.1"):
            call(speckled, min_area=wrong)
    with pytest.raises(OptionError, match=r"min_area outside 0\.\.1"):
        label_set("mine", ("scratch",), background=None, min_area=wrong)


def test_only_sets_whose_small_pieces_are_crumbs_have_a_default() -> None:
    assert [labels.min_area for labels in (CARPARTS, CARVANA, CAR5, CAMVID, BDD)] == [0.05, 0.01, 0.02, 0, 0]
    assert label_set("mine", ("background", "scratch")).min_area == 0


@pytest.mark.usefixtures("blocks_hub")
def test_min_area_on_the_command_line(speckled: np.ndarray) -> None:
    Image.fromarray(speckled).save("img.png")
    for arguments, wanted in (([], WHEEL), (["--min-area", "0.1"], LEFT), (["--min-area", "0"], WHEEL)):
        assert predict("img.png", *arguments) == 0
        assert read("carseg-out/img.mask.png")[28, 28] == wanted
    assert predict("img.png", "--min-area", "5") == 2
