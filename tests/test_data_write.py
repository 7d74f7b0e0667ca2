"""Every format that is written is read back: exactly, or as the outlines that were simplified."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import carseg.data
from carseg import OptionError
from carseg.data.formats import WRITERS
from carseg.data.formats._rasterize import fill
from carseg.labels import BDD, IGNORE, LabelSet, label_set
from carseg.masks import coverage, polygons

from drawn_data import draw_image, draw_mask, index_folder, save

PARTS = label_set("parts", ["background", "door", "wheel"])
SCENE = LabelSet("scene", ("sky", "road", "car"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)), None, (2,))
FORMATS = sorted(WRITERS)


def round_mask() -> np.ndarray:
    """Return two halves of a disc with a hole in one of them, and some pixels to ignore, uint8 (90, 121)."""
    y, x = np.mgrid[:90, :121]
    mask = np.where((x - 57) ** 2 + (y - 45) ** 2 < 40**2, 1 + (x + y / 3 > 75), 0)
    mask[(x - 40) ** 2 + (y - 50) ** 2 < 9**2] = 0
    mask[:5, 100:] = IGNORE
    return mask.astype(np.uint8)


def as_simplified(mask: np.ndarray, tolerance: float | None) -> np.ndarray:
    """Return the mask that its simplified outlines cover."""
    regions = [(label, [*p]) for label in (1, 2, IGNORE) for p in coverage.nested(polygons.rings(mask == label))]
    drawn = np.zeros_like(mask)
    for (label, _), shapes in zip(regions, coverage.simplify([r for _, r in regions], tolerance), strict=True):
        for polygon in shapes:
            fill(drawn, coverage.joined(polygon), label)
    return drawn


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("labels", [PARTS, BDD, SCENE], ids=lambda labels: labels.name)
def test_what_is_converted_exactly_is_read_back_exactly(tmp_path: Path, format: str, labels: LabelSet) -> None:
    masks = index_folder(tmp_path / "in" / "train", ["a", "b"]) | index_folder(
        tmp_path / "in" / "val", ["street/c"], 3, 5
    )
    masks["a"][:6] = IGNORE
    save(tmp_path / "in" / "train" / "masks" / "a.png", masks["a"])
    splits = carseg.data.load_splits(tmp_path / "in", labels=labels)
    carseg.data.convert_splits(splits.values(), tmp_path / "out", format)
    read = carseg.data.load_splits(tmp_path / "out", labels=labels)
    assert list(read) == ["train", "val"]
    assert {dataset.format for dataset in read.values()} == {format.replace("-", "_")}
    for dataset in read.values():
        assert dataset.problems == {}
        for sample in dataset:
            rgb, mask = sample.load()
            np.testing.assert_array_equal(mask, masks[sample.name])
            np.testing.assert_array_equal(rgb, draw_image(draw_mask({"a": 0, "b": 1, "street/c": 5}[sample.name])))


@pytest.mark.parametrize("format", FORMATS)
def test_every_field_of_a_label_set_comes_back(tmp_path: Path, format: str) -> None:
    colors = ((0, 0, 0), (200, 60, 30), (40, 180, 60))
    labels = LabelSet("parts", ("background", "door", "wheel"), colors, 0, (2,), min_area=0.25)
    index_folder(tmp_path / "in", ["a"])
    carseg.data.convert(carseg.data.load(tmp_path / "in", labels=labels), tmp_path / "out", format)
    assert carseg.data.load(tmp_path / "out").labels == labels


@pytest.mark.parametrize("format", FORMATS)
def test_the_classes_and_names_of_a_set_without_splits_come_back(tmp_path: Path, format: str) -> None:
    masks = index_folder(tmp_path / "in", ["a", "deep/down/here/b", "deep/c"])
    carseg.data.convert(carseg.data.load(tmp_path / "in", labels=PARTS), tmp_path / "out", format)
    [read] = carseg.data.load_splits(tmp_path / "out").values()
    assert read.labels.classes == PARTS.classes
    assert sorted(sample.name for sample in read) == sorted(masks)
    assert read.problems == {}
    for sample in read:
        np.testing.assert_array_equal(sample.load()[1], masks[sample.name])


@pytest.mark.parametrize("format", ["labelme", "yolo", "cvat", "label-studio"])
@pytest.mark.parametrize("tolerance", [1, 3, None])
def test_simplified_outlines_are_read_back_to_the_pixel(tmp_path: Path, format: str, tolerance: float | None) -> None:
    mask = round_mask()
    save(tmp_path / "in" / "images" / "a.png", np.zeros((*mask.shape, 3), np.uint8))
    save(tmp_path / "in" / "masks" / "a.png", mask)
    carseg.data.convert(carseg.data.load(tmp_path / "in", labels=PARTS), tmp_path / "out", format, tolerance=tolerance)
    [read] = carseg.data.load_splits(tmp_path / "out", labels=PARTS).values()
    again = read[0].load()[1]
    np.testing.assert_array_equal(again, as_simplified(mask, tolerance))
    assert not np.array_equal(again, mask)
    assert again[50, 40] == 0  # the hole
    assert again[2, 110] == IGNORE


def test_coco_has_run_lengths_or_polygons_of_few_vertices(tmp_path: Path) -> None:
    mask = round_mask()
    save(tmp_path / "in" / "images" / "a.png", np.zeros((*mask.shape, 3), np.uint8))
    save(tmp_path / "in" / "masks" / "a.png", mask)
    dataset = carseg.data.load(tmp_path / "in", labels=PARTS)
    carseg.data.convert(dataset, tmp_path / "exact", "coco")
    carseg.data.convert(dataset, tmp_path / "outlines", "coco", tolerance=None)
    exact, outlines = (json.loads((tmp_path / n / "annotations.json").read_text()) for n in ("exact", "outlines"))
    assert {type(note["segmentation"]) for note in exact["annotations"]} == {dict}
    for note in outlines["annotations"]:
        assert sum(map(len, note["segmentation"])) < 80
    assert [image["file_name"] for image in outlines["images"]] == ["a.png"]
    again = carseg.data.load(tmp_path / "outlines", labels=PARTS)[0].load()[1]
    assert (again == mask).mean() > 0.98


@pytest.mark.parametrize("format", ["labelme", "yolo", "cvat", "label-studio", "coco"])
def test_images_without_any_class_are_there_too(tmp_path: Path, format: str) -> None:
    index_folder(tmp_path / "in", ["a"])
    save(tmp_path / "in" / "images" / "b.png", np.zeros((48, 64, 3), np.uint8))
    save(tmp_path / "in" / "masks" / "b.png", np.zeros((48, 64), np.uint8))
    carseg.data.convert(carseg.data.load(tmp_path / "in", labels=PARTS), tmp_path / "out", format)
    [read] = carseg.data.load_splits(tmp_path / "out").values()
    assert [sample.name for sample in read] == ["a", "b"]
    assert not read[1].load()[1].any()


def test_names_with_odd_letters_are_written_and_read(tmp_path: Path) -> None:
    labels = label_set("odd", ["background", "door & <hinge>", 'the "lid"'])
    for name in ("a b", "ä&<1>"):
        save(tmp_path / "in" / "images" / f"{name}.png", draw_image(draw_mask(0)))
        save(tmp_path / "in" / "masks" / f"{name}.png", draw_mask(0))
    for format in FORMATS:
        carseg.data.convert(carseg.data.load(tmp_path / "in", labels=labels), tmp_path / format, format)
        [read] = carseg.data.load_splits(tmp_path / format).values()
        assert read.labels.classes == labels.classes
        for sample in read:
            np.testing.assert_array_equal(sample.load()[1], draw_mask(0))


def test_what_cvat_writes_itself_is_read(tmp_path: Path) -> None:
    """Boxes, masks by run lengths, ellipses, an order of layers and a label per project."""
    save(tmp_path / "images" / "a.png", np.zeros((20, 30, 3), np.uint8))
    shapes = (
        '<box label="door" xtl="2" ytl="3" xbr="12" ybr="13" z_order="0"/>'
        '<mask label="wheel" rle="0, 3, 2, 4" left="4" top="5" width="3" height="3" z_order="1"/>'
        '<polygon label="door" points="20.0,1.0;28.0,1.0;28.0,9.0;20.0,9.0" z_order="2"/>'
        '<ellipse label="wheel" cx="24" cy="5" rx="2" ry="3" z_order="1"/>'
    )
    labels = "".join(f"<label><name>{name}</name></label>" for name in ("wheel", "door"))
    meta = f"<meta><project><labels>{labels}</labels></project></meta>"
    image = f'<image id="0" name="a.png" width="30" height="20">{shapes}</image>'
    (tmp_path / "annotations.xml").write_text(f"<annotations><version>1.1</version>{meta}{image}</annotations>")
    read = carseg.data.load(tmp_path)
    assert read.labels.classes == ("background", "wheel", "door")
    mask = read[0].load()[1]
    expected = np.zeros((20, 30), np.uint8)
    expected[3:13, 2:12] = 2
    expected[5:8, 4:7][[[True, True, True], [False, False, True], [True, True, True]]] = 1
    expected[1:9, 20:28] = 2  # on top of the ellipse
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ('<polygon label="door" points="1,1;5,1"/>', "2 points"),
        ('<polygon label="door" points="1,1;5,x;3,3"/>', r"points\[1\].y of which 'x' is no number"),
        ('<mask label="door" rle="1,2" left="0" top="0" width="3" height="3"/>', "do not fill 3x3"),
        ('<mask label="door" rle="9" left="0" top="0" width="3000" height="3"/>', "3000x3"),
        ('<cuboid label="door"/>', "a cuboid, which covers no area"),
        ('<polyline label="door" points="1,1;5,1"/>', "line_width=10"),
        ('<box label="door" xtl="1e9" ytl="3" xbr="12" ybr="13"/>', "xtl = '1e9', which is no pixel"),
    ],
)
def test_what_is_wrong_with_a_file_of_cvat_is_said(tmp_path: Path, shape: str, reason: str) -> None:
    save(tmp_path / "a.png", np.zeros((20, 30, 3), np.uint8))
    image = f'<image id="0" name="a.png" width="30" height="20">{shape}</image>'
    (tmp_path / "annotations.xml").write_text(f"<annotations>{image}</annotations>")
    with pytest.raises(carseg.DataError, match=reason) as error:
        carseg.data.load(tmp_path)[0].load()
    assert "a.png" in str(error.value) and "annotations.xml" in str(error.value)


def test_what_label_studio_exports_is_read(tmp_path: Path) -> None:
    """An uploaded image has a digest before its name; the annotation counts, not the prediction that it began with."""
    save(tmp_path / "images" / "a.png", np.zeros((20, 40, 3), np.uint8))
    polygon = {
        "type": "polygonlabels",
        "original_width": 40,
        "original_height": 20,
        "value": {"points": [[10, 10], [50, 10], [50, 60], [10, 60]], "polygonlabels": ["door"]},
    }
    box = {
        "type": "rectanglelabels",
        "value": {"x": 50, "y": 50, "width": 25, "height": 50, "rectanglelabels": ["wheel"]},
    }
    task = {
        "data": {"image": "/data/upload/1/0a1b2c3d-a.png"},
        "annotations": [{"result": [], "was_cancelled": True}, {"result": [polygon, box, {"type": "choices"}]}],
        "predictions": [{"result": [{**polygon, "value": {}}]}],
    }
    (tmp_path / "project-1.json").write_text(json.dumps([task]))
    read = carseg.data.load(tmp_path)
    assert (read.format, read.labels.classes) == ("label_studio", ("background", "door", "wheel"))
    expected = np.zeros((20, 40), np.uint8)
    expected[2:12, 4:20] = 1
    expected[10:, 20:30] = 2
    np.testing.assert_array_equal(read[0].load()[1], expected)
    task["annotations"].append({"result": [box]})
    (tmp_path / "project-1.json").write_text(json.dumps([task]))
    assert "2 annotations, of which one counts" in carseg.data.load(tmp_path).problems["task 1"]


def test_yolo_names_both_splits_that_ultralytics_wants(tmp_path: Path) -> None:
    index_folder(tmp_path / "in", ["a"])
    carseg.data.convert(carseg.data.load(tmp_path / "in", labels=PARTS), tmp_path / "out", "yolo")
    text = (tmp_path / "out" / "data.yaml").read_text()
    assert text == 'train: images\nval: images\nnames:\n  0: "door"\n  1: "wheel"\n'
    assert list(carseg.data.load_splits(tmp_path / "out")) == ["train"]


def test_cvat_files_parse_and_have_the_labels_with_their_colors(tmp_path: Path) -> None:
    index_folder(tmp_path / "in", ["a"])
    carseg.data.convert(carseg.data.load(tmp_path / "in", labels=PARTS), tmp_path / "out", "cvat")
    root = ElementTree.parse(tmp_path / "out" / "annotations.xml").getroot()
    assert root.findtext("version") == "1.1"
    assert [label.findtext("name") for label in root.findall("./meta/task/labels/label")] == ["door", "wheel"]
    labels = json.loads((tmp_path / "out" / "cvat_labels.json").read_text())
    assert [label["color"] for label in labels] == [label.findtext("color") for label in root.iter("label")]


def test_formats_that_are_only_read_are_refused(tmp_path: Path) -> None:
    index_folder(tmp_path / "in", ["a"])
    with pytest.raises(OptionError, match=r"can write labelme, yolo, coco.*not 'camvid'"):
        carseg.data.convert(carseg.data.load(tmp_path / "in", labels=PARTS), tmp_path / "out", "camvid")
    assert not (tmp_path / "out").exists()


def test_several_calls_fill_one_folder(tmp_path: Path) -> None:
    for split, names in (("train", ["a"]), ("val", ["b"])):
        index_folder(tmp_path / "in" / split, names)
    for split in ("train", "val"):
        dataset = carseg.data.load(tmp_path / "in", labels=PARTS, split=split)
        carseg.data.convert(dataset, tmp_path / "out", "yolo")
    assert (tmp_path / "out" / "data.yaml").read_text().startswith("train: train/images\nval: val/images\n")
    assert list(carseg.data.load_splits(tmp_path / "out")) == ["train", "val"]
