"""Run-length encodings equal those of pycocotools; polygons give the mask they came from back, holes and all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from carseg.errors import DataError
from carseg.masks import polygons, rle

coco = pytest.importorskip("pycocotools.mask")


def random_masks(seed: int, count: int, largest: int):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        height, width = rng.integers(1, largest, 2)
        yield rng.random((height, width)) < rng.choice([0.0, 0.1, 0.4, 0.6, 0.9, 1.0])


def large_masks():
    rows, columns = np.mgrid[:1200, :1600]
    disc = (rows - 600) ** 2 + (columns - 800) ** 2 < 500**2
    yield disc
    yield ~disc
    yield disc & (columns % 97 > 5)


def rasterize(segmentation, size):
    """Return the union of COCO polygons, drawn by pycocotools."""
    if not segmentation:
        return np.zeros(size, bool)
    return rle.decode(coco.merge(coco.frPyObjects([list(map(float, ring)) for ring in segmentation], *size)))


@pytest.mark.parametrize("masks", [random_masks(0, 400, 20), large_masks()], ids=["small", "large"])
def test_the_same_as_pycocotools(masks):
    for mask in masks:
        ours = json.loads(json.dumps(rle.encode(mask)))
        theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert ours == {"size": list(mask.shape), "counts": theirs["counts"].decode()}
        assert np.array_equal(rle.decode(ours), mask)
        assert np.array_equal(rle.decode(theirs), mask)  # bytes, as pycocotools gives them
        assert rle.area(ours) == coco.area(theirs)
        assert rle.bbox(ours) == tuple(coco.toBbox(theirs))


def test_numbers_of_any_length_survive():
    mask = np.zeros((3000, 4000), bool)
    mask[5, 7] = mask[2990:, 3999] = True
    encoding = rle.encode(mask)
    assert encoding["counts"] == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert rle.area(encoding) == 11
    assert rle.bbox(encoding) == (7, 5, 3993, 2995)


def test_uncompressed_counts_are_read():
    encoding = {"size": [3, 2], "counts": [1, 2, 0, 1, 2]}
    assert rle.decode(encoding).astype(int).tolist() == [[0, 1], [1, 0], [1, 0]]


def test_decoding_a_box_only():
    for mask in random_masks(1, 100, 20):
        height, width = mask.shape
        x, y = width // 3, height // 4
        box = (x, y, width - x - width // 5, height - y)
        assert np.array_equal(rle.decode(rle.encode(mask), box), mask[y:, x : x + box[2]])


def test_runs_cover_the_image():
    mask = np.array([[0, 0, 3], [2, 0, 3], [2, 3, 3]], np.uint8)
    starts, ends, labels = rle.label_runs(mask)
    assert labels.tolist() == [0, 2, 0, 3]  # the last run goes on from the foot of a column to the head of the next
    assert starts.tolist() == [0, 1, 3, 5]
    assert ends.tolist() == [1, 3, 5, 9]


@pytest.mark.parametrize(
    "broken",
    [
        {"size": [4, 4], "counts": "0"},
        {"size": [4, 4], "counts": ""},
        {"size": [4, 4], "counts": "P"},  # says that more is to come
        {"size": [4, 4], "counts": "é"},
        {"size": [4, 4], "counts": [20, -4]},
        {"size": [4], "counts": "0"},
        {"size": [4, 4]},
        {"size": [4, 4], "counts": "o" * 40 + "0"},
        None,
    ],
)
def test_broken_encodings_are_refused(broken):
    with pytest.raises(DataError, match="run-length encoding"):
        rle.decode(broken)


def test_rings_cross_every_edge_once():
    """They fill by the even-odd rule, with several pieces and holes."""
    for mask in random_masks(2, 300, 14):
        inside = np.zeros(mask.shape, bool)
        for ring in polygons.rings(mask):
            inside ^= rasterize([np.ravel(ring)], mask.shape)
        assert np.array_equal(inside, mask)


def test_coco_polygons_are_exact_though_readers_unite_them():
    for mask in random_masks(3, 400, 14):
        assert np.array_equal(rasterize(polygons.coco_segmentation(polygons.rings(mask)), mask.shape), mask)


def test_a_ring_within_a_hole_and_pixels_touching_by_a_corner():
    mask = np.zeros((9, 9), bool)
    mask[0:7, 0:7] = True
    mask[1:6, 1:6] = False
    mask[3, 3] = True
    mask[7, 7] = True
    rings = polygons.rings(mask, offset=(10, 20))
    assert rings == [
        [[10, 20], [17, 20], [17, 27], [10, 27]],
        [[11, 21], [11, 26], [16, 26], [16, 21]],
        [[13, 23], [14, 23], [14, 24], [13, 24]],
        [[17, 27], [18, 27], [18, 28], [17, 28]],
    ]
    assert len(polygons.coco_segmentation(rings)) == 3


def test_no_pixels_no_rings():
    assert polygons.rings(np.zeros((4, 5), bool)) == []
    assert polygons.coco_segmentation([]) == []


def test_runs_of_no_length_belong_to_nothing():
    encoding = {"size": [3, 2], "counts": [1, 0, 3, 1, 1, 0]}
    assert (rle.area(encoding), rle.bbox(encoding)) == (1, (1, 1, 1, 1))
