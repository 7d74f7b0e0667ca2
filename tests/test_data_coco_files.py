"""Which COCO files of a folder are read: several for a split, in folders of splits, and those that would be left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import carseg.data
from carseg.errors import DataError

from drawn_data import save
from written_labels import write_coco


def write(file: Path, *names: str) -> None:
    """Write a file that lists images, with a door in each."""
    write_coco(file, *(f"{name}.png" for name in names))


def draw(file: Path, value: int = 0) -> None:
    save(file, np.full((48, 64, 3), value, np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a data set's folder with the images a, b, c and d, whose brightness tells them apart."""
    for value, name in enumerate("abcd"):
        draw(tmp_path / "set/images" / f"{name}.png", 50 * value)
    return tmp_path / "set"


def names_of(folder: Path) -> dict[str, list[str]]:
    splits = carseg.data.load_splits(folder)
    for dataset in splits.values():
        assert dataset.verified().problems == {}
        assert all(sample.load()[1].sum() == 256 for sample in dataset)
    return {split: [sample.name for sample in dataset] for split, dataset in splits.items()}


@pytest.mark.parametrize("place", ["annotations/train", "annotations/train2017", "Annotations/Training"])
def test_all_files_in_a_folder_of_a_split_are_read(folder: Path, place: str) -> None:
    write(folder / place / "tuesday.json", "c", "a")
    write(folder / place / "monday.json", "b")
    write(folder / place.split("/")[0] / "val" / "instances_default.json", "d")
    assert names_of(folder) == {"train": ["a", "b", "c"], "val": ["d"]}
    assert [sample.name for sample in carseg.data.load(folder / place / "monday.json")] == ["b"]


def test_folders_and_files_of_splits_stand_beside_one_another(folder: Path) -> None:
    write(folder / "annotations/instances_val.json", "d")
    write(folder / "annotations/train/1.json", "a")
    write(folder / "annotations/train/2.json", "b")
    assert names_of(folder) == {"train": ["a", "b"], "val": ["d"]}
    write(folder / "annotations/train.json", "c")
    with pytest.raises(DataError, match=r"several COCO files \(.*train\.json, train.1\.json.*open one of them"):
        carseg.data.load_splits(folder)


def test_each_split_has_its_own_images_of_a_name(folder: Path) -> None:
    for split, value in (("train", 10), ("val", 200)):
        draw(folder / "images" / split / "a.png", value)
        write(folder / "annotations" / split / "part.json", "elsewhere/a")
    assert [carseg.data.load(folder, split=split)[0].load()[0].max() for split in ("train", "val")] == [10, 200]


def test_all_files_beside_the_images_of_a_split_are_read(folder: Path) -> None:
    for split, names in (("train", ("a", "b")), ("val", ("c",))):
        for name in names:
            draw(folder / split / f"{name}.png")
            write(folder / split / f"part_{name}.json", name)
    assert names_of(folder) == {"train": ["a", "b"], "val": ["c"]}


def test_an_image_that_two_files_list_is_a_problem(folder: Path) -> None:
    write(folder / "annotations/train/1.json", "a", "b")
    write(folder / "annotations/train/2.json", "b", "c")
    problems = carseg.data.load(folder).problems
    assert problems.keys() == {"b"}
    assert "lists b.png, and so does 1.json: whose annotations are they?" in problems["b"]


def test_so_is_one_that_a_file_lists_under_two_names(folder: Path) -> None:
    write(folder / "annotations/train/1.json", "a", "images/a", "b")
    dataset = carseg.data.load(folder)
    assert [sample.name for sample in dataset] == ["b"]
    assert all("twice: whose annotations are they?" in reason for reason in dataset.problems.values())
    assert dataset.problems.keys() == {"a", "images/a"}


def test_files_of_other_categories_are_not_read_together(folder: Path) -> None:
    write(folder / "annotations/train/1.json", "a")
    write(file := folder / "annotations/train/2.json", "b")
    file.write_text(file.read_text().replace('"door"', '"wheel"'))
    with pytest.raises(DataError, match=r"1\.json and .*2\.json are read together, and have other categories"):
        carseg.data.load(folder)


def test_a_file_called_as_of_another_split_than_its_folder_is_refused(folder: Path) -> None:
    write(folder / "annotations/train/val.json", "a")
    with pytest.raises(DataError, match=r"val\.json is called as if it were not of train, where it lies"):
        carseg.data.load(folder)


def test_two_folders_of_a_split_are_refused(folder: Path) -> None:
    write(folder / "annotations/train2014/1.json", "a")
    write(folder / "annotations/train2017/1.json", "b")
    with pytest.raises(DataError, match="two folders of one split, train2014 and train2017"):
        carseg.data.load(folder)


@pytest.mark.parametrize("place", ["annotations", "."])
def test_no_images_are_lost_with_a_file_that_is_not_read(folder: Path, place: str) -> None:
    write(folder / place / "instances_train.json", "a", "b")
    write(folder / place / "instances_val.json", "c")
    write(folder / place / "old_train.json", "a")
    write(folder / place / "captions_train.json", "a", "b", "d")
    assert carseg.data.load(folder, split="train").samples[1].name == "b"
    write(folder / place / "old_train.json", "a", "d")
    with pytest.raises(DataError, match=r"would be read, but old_train\.json lists further images, such as d\.png"):
        carseg.data.load_splits(folder)
