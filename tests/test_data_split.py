"""Validation images held out of a set that has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg.data
from carseg.data.near_duplicates import fingerprint, near_duplicate_groups
from carseg.errors import DataError, OptionError

from drawn_data import draw_image, index_folder, save


def names(dataset: carseg.data.Dataset) -> list[str]:
    return [sample.name for sample in dataset]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    masks = index_folder(tmp_path, [f"{i:02}" for i in range(20)])
    for name, quality in (("00_again", 60), ("00_once_more", 80)):
        save(tmp_path / "images" / f"{name}.jpg", draw_image(masks["00"]).repeat(4, 0).repeat(4, 1), quality=quality)
        save(tmp_path / "masks" / f"{name}.png", masks["00"].repeat(4, 0).repeat(4, 1))
    return tmp_path


def test_the_two_sides_are_complete_disjoint_and_the_same_for_the_same_seed(folder: Path) -> None:
    dataset = carseg.data.load(folder)
    train, val = carseg.data.split_train_val(dataset, 0.25, seed=3)
    assert sorted(names(train) + names(val)) == names(dataset)
    assert len(val) == round(0.25 * 22)
    assert (train.split, val.split, val.labels) == ("train", "val", dataset.labels)
    again = carseg.data.split_train_val(dataset.subset(reversed(names(dataset)), ""), 0.25, seed=3)
    assert (names(again[0]), names(again[1])) == (names(train), names(val))
    assert len({tuple(names(carseg.data.split_train_val(dataset, 0.25, seed)[1])) for seed in range(4)}) > 1


def test_near_duplicates_stay_together(folder: Path) -> None:
    dataset = carseg.data.load(folder)
    near_duplicates = {"00", "00_again", "00_once_more"}
    sides = set()
    for seed in range(12):
        val = set(names(carseg.data.split_train_val(dataset, 0.3, seed)[1]))
        assert near_duplicates <= val or not near_duplicates & val
        sides.add(near_duplicates <= val)
    assert sides == {True, False}


def test_something_is_left_to_learn_from(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a", "b", "c"])
    assert [len(part) for part in carseg.data.split_train_val(carseg.data.load(tmp_path), 0.95)] == [1, 2]


def test_too_few_images_and_senseless_shares_are_refused(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a"])
    dataset = carseg.data.load(tmp_path)
    with pytest.raises(DataError, match="too few"):
        carseg.data.split_train_val(dataset)
    with pytest.raises(OptionError, match="between 0 and 1"):
        carseg.data.split_train_val(dataset, 1.5)


def test_fingerprints_survive_scaling_and_compression_but_not_another_image() -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (3, 9, 12, 3), dtype=np.uint8)
    images = [np.asarray(Image.fromarray(c).resize((320, 240), Image.Resampling.BICUBIC)) for c in coarse]
    copy = np.asarray(Image.fromarray(images[1]).resize((200, 150), Image.Resampling.BILINEAR))
    noisy = np.clip(images[2] + rng.normal(0, 8, images[2].shape), 0, 255).astype(np.uint8)
    groups = near_duplicate_groups(np.array([fingerprint(image) for image in (*images, copy, noisy)]))
    assert groups == [[0], [1, 3], [2, 4]]
