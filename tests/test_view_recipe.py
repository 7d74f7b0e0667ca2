"""The recipes behind the numbers of views and sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from carseg.cars import KINDS, SIDED, VIEWS
from recipes import side, view

from drawn_car import drawn


def test_the_turntable_shows_each_view() -> None:
    shown = [view.Shown(np.zeros((1, 1), np.uint8), index) for index in range(1, 17)]
    assert [VIEWS[shown[index - 1].truth] for index in (1, 5, 9, 13)] == ["front", "left", "rear", "right"]
    assert {VIEWS[shown[index - 1].truth] for index in (2, 3, 4)} == {"front-left"}
    assert {VIEWS[name] for name in shown[15].accepted} == {"front", "front-right"}
    assert {VIEWS[name] for name in shown[2].accepted} == {"front-left"}
    assert all(each.truth in each.accepted for each in shown)


def test_a_table_that_is_fitted_and_written_tells_the_views_apart(tmp_path: Path) -> None:
    cases = [view.Shown(drawn(VIEWS[view.TRUTH[index - 1]]), index) for index in range(1, 17)]
    view.write(view.fit([*cases, *view.crops(cases, 2)]), tmp_path / "table.py")
    table: dict[str, dict[str, tuple[float, ...]]] = {}
    exec((tmp_path / "table.py").read_text(), table)
    assert list(table["SHARE"]) == list(table["PLACE"]) == list(KINDS) and list(table["SIDE"]) == list(SIDED)
    assert table["SHARE"]["front_bumper"][0] > 0 > table["SHARE"]["front_bumper"][4]  # front, rear
    assert all(left > 0 for left in table["SIDE"]["front_door"])


def test_geometry_is_fitted_to_labels_and_weighed_against_the_network() -> None:
    seen = [(1.0, 0.2), (0.5, 0.9), (2.0, -0.1), (0.2, 0.4)]
    cases = [
        side.Case("drawn", "mirror", (sign * of_view, sign * place), -sign, sign, *((9, 0) if sign > 0 else (0, 9)))
        for sign in (1, -1)
        for of_view, place in seen
    ]
    weights = side.fit(cases)
    assert side.side_errors(cases, weights, 0) == {"drawn": 0}
    assert side.side_errors(cases, weights, 1000) == {"drawn": 1}
