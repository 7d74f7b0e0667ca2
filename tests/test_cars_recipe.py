"""The recipes behind the cars that touch: scenes whose masks are known, and the numbers that are fitted to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carseg.cars import KINDS, OUTLINES, THROUGH
from recipes import cars, scenes

from drawn_car import DRAWN, drawn


def cutout(view: str, color: tuple[int, int, int]) -> scenes.Cutout:
    mask = drawn(view).repeat(4, 0).repeat(4, 1) > 0
    mask[60:180, 12:246] = True
    return scenes.cut(np.broadcast_to(np.array(color, np.uint8), (*mask.shape, 3)), mask)


@pytest.mark.parametrize("seed", range(8))
def test_the_cars_of_a_scene_are_what_was_put_there(seed: int) -> None:
    colors = ((250, 0, 0), (0, 250, 0))
    cutouts = [cutout(view, color) for view, color in zip(("left", "front"), colors, strict=True)]
    scene = scenes._scene(cutouts, Image.new("RGB", (960, 640)), np.random.default_rng(seed))
    if scene is None:
        return
    assert len(scene.cars) == 2 and not (scene.cars[0] & scene.cars[1]).any()
    for car in scene.cars:
        colored = [(np.abs(scene.rgb[car].astype(int) - color).max(1) < 130).mean() for color in colors]
        assert max(colored) > 0.98
    first, second = ({*map(tuple, np.argwhere(car))} for car in scene.cars)
    beside = any((y + i, x + j) in second for y, x in first for i in (-2, 0, 2) for j in (-2, 0, 2))
    assert beside == scene.together


def test_the_largest_piece_of_a_mask() -> None:
    mask = np.zeros((20, 30), bool)
    mask[2:6, 2:6] = mask[8:18, 10:28] = True
    assert np.array_equal(scenes.largest(mask), mask & (np.arange(20) >= 8)[:, None])


def test_a_table_that_is_fitted_and_written_tells_two_cars_from_one(tmp_path: Path) -> None:
    given: list[cars.Case] = []
    for views in (*((view,) for view in DRAWN), *((one, other) for one in DRAWN for other in ("front", "left"))):
        mask = np.hstack([drawn(view) for view in views])
        whole = np.zeros(mask.shape, bool)
        whole[12:50] = True
        owner = np.repeat(np.arange(len(views)), 64)
        its = [(whole | (mask > 0)) & (owner == number) for number in range(len(views))]
        given += cars.cases(its, whole | (mask > 0), mask, "both")
    assert {case.cars for case in given} == {1, 2}
    table = cars.fit(given)
    best = {count: [(case.features @ table[1:]).max() for case in given if case.cars == count] for count in (1, 2)}
    assert np.median(best[2]) > max(best[1])
    tables = {"both": table, "parts": table, "outline": table[: 1 + len(OUTLINES)]}
    cars.write(tables, tmp_path / "table.py")
    read: dict[str, dict[str, tuple]] = {}
    exec((tmp_path / "table.py").read_text(), read)
    assert {*read["CONSTANT"]} == {*tables}
    assert len(read["OUTLINE"]["both"]) == len(OUTLINES) + len(THROUGH) and "outline" not in read["PAIRS"]
    assert [len(row) for row in read["PAIRS"]["parts"]] == list(range(len(KINDS), 0, -1))
    assert np.allclose(np.concatenate(read["PAIRS"]["both"]), table[1 + len(OUTLINES) + len(THROUGH) :], atol=0.005)
