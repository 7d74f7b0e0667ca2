"""Polygons filled as pixels."""

from __future__ import annotations

import numpy as np

from carseg.data.formats._rasterize import fill, paint

from drawn_data import SQUARE


def test_a_polygon_covers_the_pixels_whose_center_is_inside() -> None:
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[0:40, 0:50] + 0.5
    for _ in range(30):
        points = rng.uniform(-10, 55, (rng.integers(3, 8), 2))
        mask = np.zeros((40, 50), np.uint8)
        fill(mask, [tuple(point) for point in points], 1)
        inside = np.zeros(mask.shape, bool)
        for (x0, y0), (x1, y1) in zip(
            points, np.roll(points, -1, axis=0), strict=True
        ):  # a ray to the left, pixel by pixel
            crosses = (y0 > ys) != (y1 > ys)
            inside ^= crosses & (xs > x0 + (ys - y0) * (x1 - x0) / (y1 - y0))
        np.testing.assert_array_equal(mask.astype(bool), inside)


def test_the_smaller_polygon_lies_on_top() -> None:
    big = [(0.0, 0.0), (30.0, 0.0), (30.0, 30.0), (0.0, 30.0)]
    for shapes in ([(1, big), (2, SQUARE)], [(2, SQUARE), (1, big)]):
        mask = paint(shapes, 40, 40)
        assert (mask[8:20, 8:24] == 2).all()
        assert np.count_nonzero(mask == 1) == 900 - 192
