"""Labels that a wrong guess would spoil: read as what they are, or refused."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

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


# Colours of CamVid's that Pascal VOC's palette has too; BDD100K's, of which only the road's is CamVid's; CamVid's.
VOC = [(0, 0, 0), (128, 0, 0), (128, 128, 0), (128, 128, 128), (64, 0, 128), (192, 0, 128), (192, 128, 128)]
BDD_LIKE = [(0, 0, 0), (128, 64, 128), (244, 35, 232), (70, 70, 70), (0, 0, 142), (220, 20, 60)]
CAMVID = [(0, 0, 0), (128, 64, 128), (128, 128, 128), (64, 0, 128), (0, 0, 192), (192, 192, 128)]


@pytest.mark.parametrize("palette", [VOC, BDD_LIKE, CAMVID[:4], CAMVID[1:3]], ids=["voc", "bdd", "three", "two"])
def test_other_palettes_with_colours_of_camvids_are_not_camvid(tmp_path: Path, palette: list[tuple[int, ...]]) -> None:
    paint(tmp_path, palette)
    findings = carseg.data.check(tmp_path)
    assert findings.format == "masks"
    assert "class_dict.csv" in findings.problems[0].text
    assert not any(map(sum, (figures.class_pixels for figures in findings.splits.values())))


def test_camvids_palette_is_recognised_and_the_reason_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paint(tmp_path, CAMVID)
    findings = carseg.data.check(tmp_path)
    assert (findings.format, findings.labels.name) == ("camvid", "camvid")
    assert "6 colours" in findings.to_dict()["evidence"]
    assert "is read as camvid (all 6 colours of its labels are CamVid's), but could be masks" in caplog.text
    (tmp_path / "classes.txt").write_text("background\ndoor\nwheel\nlamp\nroof\nhood\n")  # overrules the colours
    assert carseg.data.load(tmp_path).labels.classes == ("background", "door", "wheel", "lamp", "roof", "hood")


def paint(folder: Path, palette: list[tuple[int, ...]]) -> None:
    """Write two images, and labels in these colours."""
    for i in range(2):
        mask = draw_mask(i, classes=len(palette))
        save(folder / "images" / f"{i}.png", np.repeat(mask[..., None] * 20, 3, axis=2))
        save(folder / "masks" / f"{i}.png", np.array(palette, np.uint8)[mask])


def soften(mask: np.ndarray, how: str) -> np.ndarray:
    image = Image.fromarray(mask)
    if how == "jpeg":
        file = BytesIO()
        image.save(file, "JPEG", quality=80)
        return np.asarray(Image.open(file))
    if how == "blur":
        return np.asarray(image.filter(ImageFilter.GaussianBlur(1)))
    larger = image.resize((160, 120), Image.Resampling.BILINEAR)
    return np.asarray(larger if how == "larger" else larger.resize((64, 48), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("how", ["jpeg", "blur", "larger", "there and back"])
@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ((0, 255), ""),
        ((0, 100), ""),
        ((20, 220), ""),
        ((0, 60, 120), ""),
        ((0, 127, 255), ""),
        ((0, 255), "background\ncar\n"),
        ((0, 127, 255), "background\ncar\nwheel\n"),
    ],
)
def test_soft_edges_are_no_classes(tmp_path: Path, how: str, values: tuple[int, ...], classes: str) -> None:
    for i in range(3):
        mask = soften(np.array(values, np.uint8)[draw_mask(i, classes=len(values))], how)
        save(tmp_path / "images" / f"{i}.png", np.repeat(mask[..., None], 3, axis=2))
        save(tmp_path / "masks" / f"{i}.png", mask)
    if classes:
        (tmp_path / "classes.txt").write_text(classes)
    with pytest.raises(DataError, match=r"soft edges.*threshold.*labels\.json") as error:
        carseg.data.load(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_thin_classes_are_no_soft_edges(tmp_path: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[10:40, 10:50] = 1
    mask[10, 10:50] = mask[39, 10:50] = 2  # an outline
    mask[44:46] = 3
    mask[:, 60] = 7
    save(tmp_path / "images" / "a.png", draw_image(draw_mask(0)))
    save(tmp_path / "masks" / "a.png", mask)
    assert carseg.data.load(tmp_path).labels.classes == ("class_0", "class_1", "class_2", "class_3", "class_7")


def test_named_values_are_classes_and_others_beside_them_are_named(tmp_path: Path) -> None:
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
