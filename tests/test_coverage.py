"""Outlines of regions that are simplified together: no gap, no overlap, few vertices, and nearly the same pixels."""

from __future__ import annotations

import numpy as np
import pytest

from carseg import MissingExtraError, OptionError
from carseg.data.formats._rasterize import fill
from carseg.masks import coverage, polygons


def slices(height: int = 300, width: int = 420, seed: int = 0) -> np.ndarray:
    """Return a round thing, cut into slices that border on each other, with a hole and a window in one of them."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    seeds = rng.uniform((60, 60), (height - 60, width - 60), (7, 2))
    nearest = np.argmin([(y - b) ** 2 + 1.3 * (x - a) ** 2 for b, a in seeds], axis=0) + 1
    middle = (y - height / 2) ** 2 + (x - width / 2) ** 2
    mask = np.where(middle < (height / 2 - 9) ** 2, nearest, 0)
    top, left = seeds[2].astype(int)
    mask[top - 9 : top + 9, left - 12 : left + 12] = 0
    top, left = seeds[5].astype(int)
    mask[top - 9 : top + 9, left - 12 : left + 12] = 8
    return mask.astype(np.uint8)


def regions_of(mask: np.ndarray) -> list[list[coverage.Ring]]:
    return [polygons.rings(mask == label) for label in np.unique(mask[mask > 0])]


def drawn(simplified: list[list[coverage.Polygon]], mask: np.ndarray) -> np.ndarray:
    """Return the mask that simplified regions give; no two of them may cover one pixel."""
    again = np.zeros_like(mask)
    for label, region in zip(np.unique(mask[mask > 0]), simplified, strict=True):
        for polygon in region:
            inside = np.zeros_like(mask)
            fill(inside, coverage.joined(polygon), 1)
            assert not again[inside == 1].any()
            again[inside == 1] = label
    return again


@pytest.mark.parametrize("seed", range(3))
def test_few_vertices_are_left_and_98_percent_of_each_region(seed: int) -> None:
    mask = slices(seed=seed)
    simplified = coverage.simplify(regions_of(mask))
    again = drawn(simplified, mask)
    for label, region in zip(np.unique(mask[mask > 0]), simplified, strict=True):
        assert sum(len(ring) for polygon in region for ring in polygon) < 40
        assert ((mask == label) & (again == label)).sum() >= 0.98 * ((mask == label) | (again == label)).sum()


@pytest.mark.parametrize("tolerance", [0, 0.5, 1.5, 4, 12, None])
def test_no_gap_opens_between_neighbours(tolerance: float | None) -> None:
    mask = slices()
    again = drawn(coverage.simplify(regions_of(mask), tolerance), mask)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    well_inside = (y - 150) ** 2 + (x - 210) ** 2 < 110**2  # far from where the background begins
    assert not (well_inside & (again == 0) & (mask > 0)).sum() > 40  # the borders of the hole may move
    if tolerance == 0:
        np.testing.assert_array_equal(again, mask)


def test_neighbours_keep_one_border() -> None:
    """The vertices of a border between two regions are the same, so that moving one in a tool leaves no sliver."""
    mask = np.zeros((200, 200), np.uint8)
    y, x = np.mgrid[:200, :200]
    mask[20:180, 20:180] = 1
    mask[(mask > 0) & (x > 100 + 30 * np.sin(y / 25))] = 2
    (left,), (right,) = coverage.simplify(regions_of(mask))
    border = {tuple(point) for point in left[0] if 60 < point[0] < 140 and 20 <= point[1] <= 180}
    assert len(border) > 4
    assert border == {tuple(point) for point in right[0] if 60 < point[0] < 140 and 20 <= point[1] <= 180}


def test_any_mask_gives_a_coverage_without_overlaps() -> None:
    rng = np.random.default_rng(0)
    for size in (3, 6, 12):
        for _ in range(8):
            mask = rng.integers(0, 4, (size, size), dtype=np.uint8)
            if not mask.any():
                continue
            np.testing.assert_array_equal(drawn(coverage.simplify(regions_of(mask), 0), mask), mask)
            drawn(coverage.simplify(regions_of(mask)), mask)


def test_a_square_keeps_its_corners() -> None:
    mask = np.zeros((50, 60), np.uint8)
    mask[10:30, 5:45] = 1
    [[[ring]]] = coverage.simplify(regions_of(mask))
    assert {tuple(point) for point in ring} == {(5, 10), (45, 10), (45, 30), (5, 30)}


def test_holes_are_joined_without_showing() -> None:
    mask = np.zeros((60, 60), np.uint8)
    mask[5:55, 5:55] = 1
    mask[10:20, 10:20] = mask[30:40, 12:44] = 0
    [[polygon]] = coverage.simplify(regions_of(mask), 0)
    assert len(polygon) == 3
    np.testing.assert_array_equal(drawn([[polygon]], mask), mask)


def test_nothing_simplified_is_nothing() -> None:
    assert coverage.simplify([]) == []
    assert coverage.simplify([[]], 2) == [[]]


def test_a_wrong_tolerance_is_refused() -> None:
    with pytest.raises(OptionError, match="tolerance must be 0 or more"):
        coverage.simplify(regions_of(slices()), -1)
    with pytest.raises(OptionError, match="nan"):
        coverage.simplify(regions_of(slices()), float("nan"))


def test_without_shapely_the_pip_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'carseg\[label\]'"):
        coverage.simplify(regions_of(slices()))
    assert coverage.simplify(regions_of(slices()), 0)
