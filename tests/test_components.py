"""Connected components on run lengths, against a flood fill."""

from __future__ import annotations

import numpy as np
import pytest

from carseg.masks import components, rle


def flood(mask: np.ndarray) -> np.ndarray:
    """Return a component number for each pixel, found by walking."""
    found = np.full(mask.shape, -1)
    number = 0
    for x in range(mask.shape[1]):
        for y in range(mask.shape[0]):
            if found[y, x] >= 0:
                continue
            found[y, x], waiting = number, [(y, x)]
            while waiting:
                cy, cx = waiting.pop()
                for ny in range(max(cy - 1, 0), min(cy + 2, mask.shape[0])):
                    for nx in range(max(cx - 1, 0), min(cx + 2, mask.shape[1])):
                        if found[ny, nx] < 0 and mask[ny, nx] == mask[cy, cx]:
                            found[ny, nx] = number
                            waiting.append((ny, nx))
            number += 1
    return found


def by_runs(mask: np.ndarray) -> np.ndarray:
    starts, ends, labels = components.split_columns(*rle.label_runs(mask), len(mask))
    numbers = components.connect(components.touching(starts, ends, len(mask)), labels)
    return np.repeat(numbers, ends - starts).reshape(mask.shape[::-1]).T


@pytest.mark.parametrize("seed", range(30))
def test_components_are_those_of_a_flood_fill(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 24, 2)
    mask = rng.integers(0, rng.integers(2, 5), (height, width)).astype(np.uint8)
    if seed % 2:  # larger pieces
        mask = mask.repeat(3, axis=0).repeat(2, axis=1)
    assert np.array_equal(by_runs(mask), flood(mask))


def test_a_spiral_is_one_piece() -> None:
    mask = np.zeros((41, 41), np.uint8)
    for ring in range(0, 20, 2):
        mask[ring, ring : 41 - ring] = mask[ring : 41 - ring, 40 - ring] = 1
        mask[40 - ring, ring : 41 - ring] = mask[ring + 2 : 41 - ring, ring] = 1
        mask[ring + 2, ring : ring + 3] = 1
    assert np.array_equal(by_runs(mask), flood(mask))


def test_nothing_has_no_components() -> None:
    assert by_runs(np.zeros((0, 0), np.uint8)).size == 0
