"""The shape of the car in the example image, which draw_car.py renders.

A signed distance function: side silhouettes bent along the plan and cut by a front profile, wheels and mirrors added,
arches taken away. Units are metres: x forward, y to the car's left (|y| in most places: both sides are alike), z up.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]  # of points, or a number for each

AXLES, TYRE, TRACK = (1.37, -1.36), 0.335, 0.79


def path(text: str) -> Array:
    """Corners "u v, u v, ..." as an array."""
    return np.array(text.replace(",", " ").split(), float).reshape(-1, 2)


# Silhouettes and doors as x, z; the face as y, z; what goes round the front corner as angle / 80 degrees, z.
BODY = path("""2.08 .19, 2.20 .23, 2.25 .33, 2.27 .47, 2.245 .60, 2.18 .69, 2.05 .755, 1.75 .835, 1.35 .90, .98 .945,
    .4 .945, -.4 .955, -1.2 .985, -1.7 1.015, -2.08 1.02, -2.2 .97, -2.24 .8, -2.27 .55, -2.22 .34,
    -2.05 .22, -1 .19, 1 .19""")
CABIN = path("""1.18 .86, 1.06 .94, .70 1.17, .36 1.36, .08 1.44, -.32 1.475, -.78 1.455, -1.16 1.38, -1.54 1.21,
    -1.9 1.02, -1.95 .87, 0 .80""")
DOORS = (
    path("""-.245 .30, -.25 .6, -.245 1, -.25 .6, -.245 .30, .74 .30, .80 .36, .86 .7, .84 1"""),
    path("""-.245 .30, -.82 .30, -.87 .42, -.96 .60, -1.13 .76, -1.27 .88, -1.34 1"""),
)
GRILLE, FRAME = path("0 .645, .40 .635, .455 .58, .40 .49, 0 .48"), path("0 .65, .40 .64, .46 .58, .40 .485, 0 .475")
INTAKE = path("0 .33, .55 .33, .64 .285, .58 .235, 0 .235")
LAMP = path(".30 .60, .36 .68, .56 .74, .85 .81, .87 .775, .78 .70, .62 .64, .44 .59")
STRIP, BUMPER = path(".33 .614, .44 .604, .62 .654, .78 .714, .85 .78"), path(".85 .775, .99 .60")


def to_line(p: Array, corners: Array) -> Array:
    """Distance of points (..., 2) to a line through corners."""
    nearest = np.full(p.shape[:-1], 9.0)
    for a, b in pairwise(corners):
        t = np.clip(((p - a) @ (b - a)) / ((b - a) @ (b - a)), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(p - a - t[..., None] * (b - a), axis=-1))
    return nearest


def within(p: Array, corners: Array) -> Array:
    result = np.zeros(p.shape[:-1], bool)
    for a, b in zip(corners, np.roll(corners, -1, 0), strict=True):
        crosses = (a[1] > p[..., 1]) != (b[1] > p[..., 1])
        result ^= crosses & (p[..., 0] < a[0] + (p[..., 1] - a[1]) * (b[0] - a[0]) / (b[1] - a[1] + 1e-12))
    return result


def smooth(low: float, high: float, x: Array) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def soft_max(a: Array, b: Array, k: float) -> Array:
    return np.maximum(a, b) + np.maximum(k - np.abs(a - b), 0) ** 2 / (4 * k)


class Silhouette:
    """Distance to a closed smooth curve through corners, negative inside, looked up in a table."""

    def __init__(self, corners: Array) -> None:
        before, after, beyond = (np.roll(corners, shift, 0) for shift in (1, -1, -2))
        t = np.linspace(0, 1, 7)[:-1, None, None]
        square, cube = 2 * before - 5 * corners + 4 * after - beyond, 3 * (corners - after) - before + beyond
        curve = (corners + ((after - before) * t + square * t**2 + cube * t**3) / 2).transpose(1, 0, 2).reshape(-1, 2)
        grid = np.stack(np.meshgrid(np.arange(440) / 80 - 2.7, np.arange(160) / 80 - 0.2, indexing="ij"), -1)
        distance = to_line(grid, np.concatenate([curve, curve[:1]]))
        table = np.where(within(grid, curve), -distance, distance)
        for axis in (0, 1) * 8:  # rounds the corners
            table = (np.roll(table, 1, axis) + 2 * table + np.roll(table, -1, axis)) / 4
        self.table = table.astype(np.float32).ravel()

    def __call__(self, x: Array, z: Array) -> Array:
        u, v = np.clip((x + 2.7) * 80, 0, 437.9), np.clip((z + 0.2) * 80, 0, 157.9)
        i, j = u.astype(np.int32), v.astype(np.int32)
        u, v, k, t = u - i, v - j, i * 160 + j, self.table
        return (t[k] * (1 - v) + t[k + 1] * v) * (1 - u) + (t[k + 160] * (1 - v) + t[k + 161] * v) * u


BODY_SIDE, CABIN_SIDE = Silhouette(BODY), Silhouette(CABIN)


def straightened(x: Array, y: Array) -> Array:
    """Where along the car a point would be if nose and tail were not round in plan."""
    return x + np.sign(x) * 0.34 * (np.abs(y) / 0.9) ** 2.8 * smooth(0.9, 2.0, np.abs(x))


def cabin_side(x: Array, y: Array, z: Array) -> Array:
    bow = np.sign(x + 0.3) * 0.17 * (y / 0.75) ** 2 * smooth(0.1, 0.8, np.abs(x + 0.3))
    return CABIN_SIDE(x + bow, z + 0.05 * (y / 0.6) ** 2)


def to_axle(x: Array, z: Array) -> Array:
    return np.minimum(*(np.hypot(x - axle, z - TYRE) for axle in AXLES))


def distance(p: Array, each: bool = False) -> Array:
    """Distance to the car, or to each of body, cabin, wheels and mirrors."""
    x, y, z = p[..., 0], np.abs(p[..., 1]), p[..., 2]
    heights = [0.15, 0.27, 0.36, 0.39, 0.55, 0.70, 0.745, 0.85, 0.96, 1.05]
    width = np.interp(z, heights, [0.80, 0.862, 0.886, 0.876, 0.892, 0.908, 0.890, 0.872, 0.835, 0.76])
    width += np.interp(np.abs(x), [0, 0.8, 1.36, 1.8, 2.3], [-0.01, -0.008, 0.012, -0.01, -0.06])
    crown = 0.075 * (y / 0.85) ** 2 * smooth(0.6, 0.9, z)
    crown -= 0.014 * np.exp(-(((y - 0.5) / 0.06) ** 2)) * smooth(1.0, 1.3, x)  # ridges on the bonnet
    body = soft_max(BODY_SIDE(straightened(x, y), z + crown), y - width, 0.09)
    radius = to_axle(x, z)
    body = np.maximum(body, np.minimum(0.395 - radius, y - 0.5))
    handle = np.minimum(*(np.maximum(np.abs(x - at) - 0.07, 0) for at in (-0.12, -1.05)))
    body = np.minimum(body, np.sqrt(handle**2 + (y - 0.885) ** 2 + (z - 0.868) ** 2) - 0.014)
    width = np.interp(z, [0.86, 0.96, 1.12, 1.28, 1.41, 1.5], [0.825, 0.805, 0.765, 0.71, 0.655, 0.60])
    cabin = soft_max(cabin_side(x, y, z), y - width, 0.07)
    wheel = soft_max(radius - TYRE, np.abs(y - TRACK) - 0.105, 0.05)
    wheel = np.maximum(wheel, np.minimum(0.225 - radius, y - TRACK - 0.1 + 0.02 * smooth(0, 0.2, radius)))  # dished rim
    u, v, w = (x - 0.69 + 0.25 * (y - 0.97)) / 0.085, (y - 0.965) / 0.14, (z - 1.05 - 0.1 * (y - 0.97)) / 0.09
    shell = ((np.abs(u) ** 2.6 + np.abs(v) ** 3 + np.abs(w) ** 3) ** (1 / 2.8) - 1) * 0.08
    mirror = np.minimum(shell, np.maximum(np.hypot(x - 0.71, z - 0.99) - 0.03, np.abs(y - 0.83) - 0.05))
    return (
        np.stack([body, cabin, wheel, mirror])
        if each
        else np.minimum(np.minimum(body, cabin), np.minimum(wheel, mirror))
    )
