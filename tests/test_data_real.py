"""The real data sets that the figures are measured on: counts, classes, and the car parts painted in another way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import carseg.data
from carseg.labels import BDD, CAMVID, CARPARTS, CARVANA

DATA = Path(os.environ.get("CARSEG_DATA", ""))
pytestmark = pytest.mark.skipif("CARSEG_DATA" not in os.environ, reason="needs the folder of real data, CARSEG_DATA")


@pytest.mark.parametrize(
    ("name", "split", "count", "labels"),
    [
        ("carparts", "train", 400, CARPARTS),
        ("carparts", "test", 100, CARPARTS),
        ("carvana", "val", 128, CARVANA),
        ("camvid", "test", 233, CAMVID),
        ("bdd", "train", 322, BDD),
    ],
)
def test_the_data_sets_open_by_split_and_by_folder(name: str, split: str, count: int, labels: object) -> None:
    wanted = None if name == "carparts" else name
    by_split = carseg.data.load(DATA / name, split=split, labels=wanted)
    by_folder = carseg.data.load(DATA / name / split, labels=wanted)
    for dataset in (by_split, by_folder):
        assert (len(dataset), dataset.name, dataset.split, dataset.problems) == (count, name, split, {})
        assert dataset.labels is labels
    rgb, mask = by_split[count // 2].load()
    assert rgb.shape[:2] == mask.shape
    assert set(np.unique(mask)) <= {*range(len(by_split.labels)), 255}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pycocotools' own decoder with numpy 2
def test_car_parts_painted_from_the_top_down_are_the_same() -> None:
    pycocotools = pytest.importorskip("pycocotools.mask")
    document = json.loads((DATA / "carparts" / "test" / "annotations.json").read_text())
    dataset = {sample.name: sample for sample in carseg.data.load(DATA / "carparts" / "test")}
    for image in document["images"][::4]:
        height, width = image["height"], image["width"]
        notes = [note for note in document["annotations"] if note["image_id"] == image["id"]]
        expected = np.zeros((height, width), np.uint8)
        free = np.ones((height, width), bool)
        for note in sorted(
            notes, key=lambda note: (note["area"], -note["id"])
        ):  # the smallest first, the latest of a tie
            rings = pycocotools.decode(pycocotools.frPyObjects(note["segmentation"], height, width)).any(axis=2)
            expected[rings & free] = note["category_id"] - 1
            free &= ~rings
        np.testing.assert_array_equal(dataset[Path(image["file_name"]).stem].load()[1], expected)


def test_the_six_near_duplicates_among_the_car_parts_stay_together() -> None:
    train, val = carseg.data.split_train_val(carseg.data.load(DATA / "carparts", split="train"), 0.15, seed=0)
    sides = {sample.name: side for side, part in enumerate((train, val)) for sample in part}
    assert len(val) == 60
    for one, other in (("train11", "train109"), ("train33", "train67"), ("train162", "train201")):
        assert sides[one] == sides[other]
