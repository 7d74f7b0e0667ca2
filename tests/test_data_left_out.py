"""No labelled image is passed over in silence: what a reader would leave out is refused, or said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import carseg.data
from carseg.errors import DataError

from drawn_data import draw_image, draw_mask, save
from written_labels import write_labelme, write_yolo

Write = Callable[[Path, str], None]  # (folder of the data set or of a split, image's name)


def masks(folder: Path, name: str) -> None:
    save(folder / "images" / f"{name}.png", draw_image(draw_mask(0)))
    save(folder / "masks" / f"{name}.png", draw_mask(0))


def gifs(folder: Path, name: str) -> None:
    save(folder / "images" / f"{name}.jpg", draw_image(draw_mask(0)))
    save(folder / "masks" / f"{name}_mask.gif", draw_mask(0, classes=2))


def yolo(folder: Path, name: str) -> None:
    save(folder / "images" / f"{name}.png", draw_image(draw_mask(0)))
    write_yolo(folder / "labels" / f"{name}.txt")


def labelme(folder: Path, name: str) -> None:
    save(folder / f"{name}.png", draw_image(draw_mask(0)))
    write_labelme(folder / f"{name}.json", Path(f"{name}.png").name)


@pytest.mark.parametrize("loose", ["c", "more/c"])
@pytest.mark.parametrize("write", [masks, gifs, yolo])
def test_labels_beside_the_folders_of_splits(tmp_path: Path, write: Write, loose: str) -> None:
    for name in ("train/a", "val/b"):
        write(tmp_path, name)
    save(tmp_path / "images" / "plan.png", draw_image(draw_mask(1)))  # no label: it is not called a lost one
    assert carseg.data.load_splits(tmp_path).keys() == {"train", "val"}
    write(tmp_path, loose)
    with pytest.raises(DataError, match=rf"images.{loose}\.\w+ has a label and would not be read.* train or val: move"):
        carseg.data.load_splits(tmp_path)


def test_label_folders_beside_those_of_splits(tmp_path: Path) -> None:
    for split in ("train", "val", "more"):
        save(tmp_path / split / "a.jpg", draw_image(draw_mask(0)))
        save(tmp_path / f"{split}_masks" / "a.png", draw_mask(0))
    with pytest.raises(DataError, match=r"more.a\.jpg has a label and would not be read"):
        carseg.data.load_splits(tmp_path)


@pytest.mark.parametrize("write", [masks, yolo, labelme])
def test_a_split_below_labelled_images(tmp_path: Path, write: Write) -> None:
    write(tmp_path, "a")
    save(tmp_path / "test" / "c.png", draw_image(draw_mask(1)))  # without labels
    assert [sample.name for sample in carseg.data.load(tmp_path)] == ["a"]
    write(tmp_path / "val", "b")
    with pytest.raises(DataError, match=r"holds labelled images .* its folder val .*, which would not be read: open"):
        carseg.data.load(tmp_path)


@pytest.mark.parametrize("write", [masks, yolo, labelme])
def test_labelled_folders_beside_those_of_splits_are_named(
    tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    for place in ("train", "val", "original"):
        write(tmp_path / place, "a")
    save(tmp_path / "photos" / "a.png", draw_image(draw_mask(1)))
    assert carseg.data.load_splits(tmp_path).keys() == {"train", "val"}
    assert "; original, which holds labelled images too, is not: open it by itself" in caplog.text
    assert "photos" not in caplog.text


def test_labelme_files_at_different_depths(tmp_path: Path) -> None:
    for name in ("car1/front", "car2/monday/front", "car2/monday/inside/seat"):
        labelme(tmp_path, name)
    dataset = carseg.data.load(tmp_path)
    assert [sample.name for sample in dataset] == ["car1/front", "car2/monday/front", "car2/monday/inside/seat"]
    labelme(tmp_path, "a")
    with pytest.raises(DataError, match=r"labelme files lie in .* and below it, such as .*front\.json"):
        carseg.data.load(tmp_path)


def test_one_of_several_descriptions_of_yolo(tmp_path: Path) -> None:
    for name in ("a", "b"):
        yolo(tmp_path / name, name)
        (tmp_path / f"{name}.yaml").write_text(f"train: {name}/images\nnames: [door]\n")
    (tmp_path / "other.yaml").write_text("names: [of something else]\n")
    with pytest.raises(DataError, match=r"is described by a\.yaml and b\.yaml: open one of them"):
        carseg.data.load(tmp_path)
    assert [sample.name for sample in carseg.data.load(tmp_path / "b.yaml")] == ["b"]
    (tmp_path / "a.yaml").rename(tmp_path / "data.yaml")
    assert [sample.name for sample in carseg.data.load(tmp_path)] == ["a"]
