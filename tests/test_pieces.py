"""The connected pieces of parts: figures, masks and scores of each."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from scipy import ndimage

import carseg
from carseg import Result
from carseg.labels import CARPARTS
from carseg.masks import polygons, rle

from color_hub import COLORS, SIDE

HOOD, WHEEL = CARPARTS.classes.index("hood"), CARPARTS.classes.index("wheel")


def make(mask: np.ndarray) -> Result:
    return Result(mask, CARPARTS, np.zeros((*mask.shape, 3), np.uint8))


def wheels() -> np.ndarray:
    """Return a mask of two wheels below a hood, the left one behind a corner of the right one."""
    mask = np.zeros((40, 60), np.uint8)
    mask[5:20, 10:40] = HOOD
    mask[30:34, 2:10], mask[25:38, 45:59], mask[31:33, 5:7] = WHEEL, WHEEL, 0
    return mask


def test_wheels_come_as_two() -> None:
    mask = wheels()
    part = make(mask).parts["wheel"]
    assert [piece.bbox for piece in part.pieces] == [(45, 25, 14, 13), (2, 30, 8, 4)]
    assert [piece.area_px for piece in part.pieces] == [13 * 14, 4 * 8 - 4]
    assert part.pieces[0].area_fraction == 13 * 14 / mask.size
    assert part.pieces[1].polygons == polygons.rings(np.where(np.arange(60) < 20, mask == WHEEL, False))
    assert {piece.score for piece in part.pieces} == {None}  # no network made this mask
    [only] = make(mask).parts["hood"].pieces
    assert only.rle == make(mask).parts["hood"].rle


@pytest.mark.parametrize("seed", range(10))
def test_pieces_are_those_of_a_slow_way(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(4, *rng.integers(1, 70, 2)))
    mask = ndimage.gaussian_filter(noise, (0, seed % 3, seed % 3)).argmax(0).astype(np.uint8)
    if seed % 2:
        mask[:, -1] = mask[-1] = 3  # runs that go on from the bottom of a column to the top of the next
        mask[:, 0] = 3
    for part in make(mask).parts:
        numbers, count = ndimage.label(mask == part.label, np.ones((3, 3)))
        wanted = sorted(rle.encode(numbers == number)["counts"] for number in range(1, count + 1))
        assert sorted(piece.rle["counts"] for piece in part.pieces) == wanted
        areas = [piece.area_px for piece in part.pieces]
        assert areas == sorted(areas, reverse=True) and sum(areas) == part.area_px
        for piece in part.pieces:
            assert (piece.area_px, piece.bbox) == (rle.area(piece.rle), rle.bbox(piece.rle))


def test_pieces_are_in_documents_and_survive_copies() -> None:
    result = make(wheels())
    [_, wheel] = json.loads(result.to_json(polygons=True))["parts"]
    assert [piece["polygons"] for piece in wheel["pieces"]] == [
        piece.polygons for piece in result.parts["wheel"].pieces
    ]
    assert "polygons" not in result.to_dict()["parts"][1]["pieces"][0]
    for other in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert other.parts["wheel"].pieces == result.parts["wheel"].pieces


@pytest.mark.usefixtures("blocks_hub")
@pytest.mark.parametrize("tile", [None, 80])
def test_each_piece_has_its_own_score(tile: int | None) -> None:
    rgb = np.zeros((4 * SIDE, 4 * SIDE, 3), np.uint8)
    rgb[8:48, 8:48] = COLORS[3]
    rgb[72:120, 64:120] = np.array(COLORS[3]) * 0.53  # a wheel that is hard to see
    model = carseg.load("blocks", device="cpu", runtime="torch", precision="float32")
    result = model.predict(rgb, tile=tile, return_probabilities=True)
    faint, clear = result.parts["wheel"].pieces
    assert faint.bbox[0] > 60 > clear.bbox[0] and faint.score < clear.score - 0.05
    for piece in (faint, clear):
        wanted = result.probabilities[3][rle.decode(piece.rle)].mean(dtype=float)
        assert piece.score == pytest.approx(wanted, abs=0.05)  # interpolated at its rim
    [streamed] = model.stream([rgb], tile=tile)
    assert [piece.score for piece in streamed.parts["wheel"].pieces] == [faint.score, clear.score]


@pytest.mark.usefixtures("blocks_hub")
def test_pieces_smaller_than_a_pixel_of_the_network_have_a_score() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8).repeat(5, 0).repeat(5, 1)
    model = carseg.load("blocks", device="cpu", runtime="torch", precision="float32")
    pieces = [piece for part in model.predict(rgb).parts for piece in part.pieces]
    assert min(piece.area_px for piece in pieces) < 12
    assert all(0 < piece.score <= 1 for piece in pieces)


def test_outlines_are_a_list_and_simplified_when_called() -> None:
    y, x = np.mgrid[:200, :200]
    mask = np.where((y - 100) ** 2 + (x - 90) ** 2 < 80**2, WHEEL, 0).astype(np.uint8)
    part = Result(mask, CARPARTS, np.zeros((200, 200, 3), np.uint8)).parts["wheel"]
    assert part.polygons(tolerance=0) == part.polygons
    for region in (part, part.pieces[0]):
        [[*ring]] = region.polygons(tolerance=3)
        assert 8 < len(ring) < 40 < len(region.polygons[0])
    assert isinstance(json.loads(json.dumps(part.polygons)), list)
