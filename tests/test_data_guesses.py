"""Labels that a wrong guess would spoil: read as what they are, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import carseg.data
from carseg.errors import DataError

from drawn_data import draw_image, draw_mask, index_folder, save
from written_labels import has_the_door, write_coco, write_yolo


def test_one_colour_of_camvids_does_not_make_a_folder_camvid(tmp_path: Path) -> None:
    painted = np.array([(0, 0, 0), (128, 0, 0)], np.uint8)[draw_mask(0, classes=2)]  # VOC's first two colours as well
    save(tmp_path / "images" / "a.png", draw_image(draw_mask(0)))
    save(tmp_path / "masks" / "a.png", painted)
    (tmp_path / "classes.txt").write_text("background\ndoor\n")
    findings = carseg.data.check(tmp_path)
    assert (findings.format, findings.labels.classes) == ("masks", ("background", "door"))
    assert ["class_dict.csv" in problem.text for problem in findings.problems] == [True]
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\nbackground,0,0,0\ndoor,128,0,0\n")
    np.testing.assert_array_equal(carseg.data.load(tmp_path)[0].load()[1], draw_mask(0, classes=2))


def test_soft_edges_are_no_classes(tmp_path: Path) -> None:
    mask = draw_mask(0, classes=2) * 255
    mask[:, 20], mask[:, 40] = 186, 78
    save(tmp_path / "images" / "a.png", draw_image(draw_mask(0)))
    save(tmp_path / "masks" / "a.png", mask)
    with pytest.raises(DataError, match=r"label values up to 186 beside 255, .*: write labels.json"):
        carseg.data.load(tmp_path)
    (tmp_path / "labels.json").write_text('{"0": "background", "255": "car"}')
    findings = carseg.data.check(tmp_path)
    assert findings.labels.classes == ("background", "car")
    assert ["78, 186" in problem.text for problem in findings.problems] == [True]


def test_names_in_data_yaml_count_for_label_images_if_it_speaks_of_them(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a"])
    (tmp_path / "data.yaml").write_text("train: images\nmasks_dir: masks\nnames: {0: background, 1: door, 2: wheel}\n")
    dataset = carseg.data.load(tmp_path)
    assert (dataset.format, dataset.labels.classes) == ("masks", ("background", "door", "wheel"))
    (tmp_path / "data.yaml").write_text("train: images\nnames: [door, wheel]\n")  # about polygons: 0 would be a door
    assert carseg.data.load(tmp_path).labels.classes == ("class_0", "class_1", "class_2")


def test_coco_ids_that_stand_for_two_things(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name, draw_image(draw_mask(0)))
    file = write_coco(tmp_path / "some.json", "a.png", "b.png")
    document = json.loads(file.read_text())
    document["images"][1]["id"] = 1
    document["annotations"].pop()
    file.write_text(json.dumps(document))
    dataset = carseg.data.load(tmp_path)
    assert len(dataset) == 0
    assert {name: "the id 1 to several images" in why for name, why in dataset.problems.items()} == {
        "a": True,
        "b": True,
    }
    document["categories"].append({"id": 1, "name": "mirror"})
    file.write_text(json.dumps(document))
    with pytest.raises(DataError, match="two categories of the id 1, door and mirror"):
        carseg.data.load(tmp_path)


def test_coco_files_of_panoptic_labels_and_without_annotation_ids(tmp_path: Path) -> None:
    save(tmp_path / "a.png", draw_image(draw_mask(0)))
    file = write_coco(tmp_path / "some.json", "a.png")
    document = json.loads(file.read_text())
    del document["annotations"][0]["id"]
    file.write_text(json.dumps(document))
    assert has_the_door(carseg.data.load(tmp_path))
    document["annotations"] = [{"image_id": 1, "file_name": "a.png", "segments_info": []}]
    file.write_text(json.dumps(document))
    with pytest.raises(DataError, match="is a panoptic COCO file"):
        carseg.data.load(tmp_path)


def test_yolo_files_of_keypoints_are_not_read_as_polygons(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", draw_image(draw_mask(0)))
    write_yolo(tmp_path / "labels" / "a.txt")
    (tmp_path / "data.yaml").write_text("train: images\nnames: {'0': door}\n")  # a quoted number is one
    assert has_the_door(carseg.data.load(tmp_path, split="train"))
    label = tmp_path / "labels" / "a.txt"
    label.write_text(label.read_text().replace("0 ", "0.0 ", 1))
    assert has_the_door(carseg.data.load(tmp_path, split="train"))
    (tmp_path / "data.yaml").write_text("train: images\nnames: [door]\nkpt_shape: [2, 2]\n")
    with pytest.raises(DataError, match="keypoints"):
        carseg.data.load(tmp_path)
