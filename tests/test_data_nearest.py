"""Folders that no format knows quite as they are: read all the same, or refused with the way to the nearest one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import carseg.data
from carseg.errors import DataError

from drawn_data import draw_image, draw_mask, index_folder, save
from written_labels import write_yolo


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/image_0.png", "masks/mask_0.png"),
        ("images/train/img12.png", "masks/train/mask12.png"),
        ("images/0.png", "masks/mask-0.png"),
        ("images/Image 0.png", "masks/label 0.png"),
        ("images/a.jpg", "masks/a.jpg.png"),
        ("images/a.JPG", "labels/a.JPG.png"),
        ("image_0.jpg", "mask_0.png"),
    ],
)
def test_labels_that_are_called_a_little_differently(tmp_path: Path, image: str, label: str) -> None:
    mask = draw_mask(0)
    save(tmp_path / image, draw_image(mask))
    save(tmp_path / label, mask)
    findings = carseg.data.check(tmp_path)
    assert (findings.format, findings.problems) == ("masks", ())
    [dataset] = carseg.data.load_splits(tmp_path).values()
    np.testing.assert_array_equal(dataset[0].load()[1], mask)


def test_labels_that_may_belong_to_several_images_belong_to_none(tmp_path: Path) -> None:
    for name in ("image_0", "img_0"):
        save(tmp_path / "images" / f"{name}.png", draw_image(draw_mask(0)))
    save(tmp_path / "masks" / "mask_0.png", draw_mask(0))
    dataset = carseg.data.load(tmp_path)
    assert (len(dataset), set(dataset.problems)) == (0, {"image_0", "img_0", "mask_0"})


def test_cvats_label_images_with_the_images_in_another_folder(tmp_path: Path) -> None:
    save(tmp_path / "SegmentationClass" / "a.png", draw_mask(0))
    with pytest.raises(DataError, match=r"nearest to voc.*JPEGImages/.*images="):
        carseg.data.load(tmp_path)
    save(tmp_path / "images" / "a.png", draw_image(draw_mask(0)))
    dataset = carseg.data.load(tmp_path)
    assert dataset.format == "voc"
    np.testing.assert_array_equal(dataset[0].load()[1], draw_mask(0))


def test_label_studios_brush_masks_are_named(tmp_path: Path) -> None:
    save(tmp_path / "task-1-annotation-2-by-1-tag-Door-0.png", draw_mask(0))
    with pytest.raises(DataError, match=r"brush masks of Label Studio.*nearest to masks"):
        carseg.data.load(tmp_path)


def test_texts_beside_the_images_are_nearest_to_yolo(tmp_path: Path) -> None:
    save(tmp_path / "a.png", draw_image(draw_mask(0)))
    write_yolo(tmp_path / "a.txt")
    with pytest.raises(DataError, match=r"nearest to yolo.*format='yolo', images='\.', annotations='\.'"):
        carseg.data.load(tmp_path)
    assert len(carseg.data.load(tmp_path, format="yolo", images=".", annotations=".")) == 1


def test_a_folder_too_high_or_too_low_is_named(tmp_path: Path) -> None:
    index_folder(tmp_path / "some" / "parts", ["a"])
    with pytest.raises(DataError, match=r"too high, open what lies in it: .*/some/parts \(masks\)"):
        carseg.data.load(tmp_path)
    with pytest.raises(DataError, match=r"too high, open what lies in it: .*/some/parts \(masks\)"):
        carseg.data.load(tmp_path, format="coco")
    with pytest.raises(DataError, match=r"too low, open the one above it \(masks\): .*/some/parts"):
        carseg.data.load(tmp_path / "some" / "parts" / "images")


def test_files_of_other_tools_are_named(tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text("<annotations><version>1.1</version></annotations>")
    with pytest.raises(DataError, match=r"annotations\.xml is a file of CVAT: export as COCO"):
        carseg.data.load(tmp_path)
