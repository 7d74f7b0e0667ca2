"""Every format but COCO, drawn as its tools write it."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg.data
from carseg.data.formats._rasterize import fill, paint
from carseg.data.load import load_splits
from carseg.errors import DataError
from carseg.labels import BDD, CAMVID, CAMVID32, CARVANA, IGNORE, label_set

from drawn_data import draw_image, draw_mask, save

SQUARE = [(8.0, 8.0), (24.0, 8.0), (24.0, 20.0), (8.0, 20.0)]
SQUARE_MASK = np.zeros((48, 64), np.uint8)
SQUARE_MASK[8:20, 8:24] = 1


def save_palette(path: Path, mask: np.ndarray, colors: list[int]) -> None:
    image = Image.fromarray(mask)
    image.putpalette(colors)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


# Carvana


@pytest.mark.parametrize("top", [1, 255])
@pytest.mark.parametrize(("images", "labels"), [(".", "."), ("train", "train_masks"), ("imgs", "masks")])
def test_carvana(tmp_path: Path, top: int, images: str, labels: str) -> None:
    masks = {f"0cdf_{i:02}": draw_mask(i, classes=2) for i in range(3)}
    for name, mask in masks.items():
        save(tmp_path / images / f"{name}.jpg", draw_image(mask))
        save(tmp_path / labels / f"{name}_mask.gif", mask * top)
    dataset = carseg.data.load(tmp_path)
    assert (dataset.format, dataset.labels) == ("carvana", CARVANA)
    assert {sample.name for sample in dataset} == set(masks)
    assert not dataset.problems
    for sample in dataset:
        np.testing.assert_array_equal(sample.load()[1], masks[sample.name])


# Palette and colour-coded label images


def test_palette_pngs_count_by_index_not_by_color(tmp_path: Path) -> None:
    mask = draw_mask(1)
    save(tmp_path / "images" / "a.jpg", draw_image(mask))
    save_palette(tmp_path / "masks" / "a.png", mask, [9, 9, 9, 9, 9, 9, 255, 0, 0])
    np.testing.assert_array_equal(carseg.data.load(tmp_path)[0].load()[1], mask)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("class_dict.csv", "\ufeffrest,20,30,40\ndoor,200,60,30\nwheel,40,180,60\n"),
        ("class_dict.csv", "name,r,g,b\nrest,20,30,40\ndoor,200,60,30\nwheel,40,180,60\n"),
        ("label_colors.txt", "20 30 40 rest\n200 60 30 door\n40 180 60 wheel\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nrest:20,30,40::\ndoor:200,60,30::\nwheel:40,180,60::\n"),
    ],
)
def test_color_tables_name_colors(tmp_path: Path, file: str, text: str) -> None:
    mask = draw_mask(2)
    save(tmp_path / "images" / "a.jpg", draw_image(mask))
    save(tmp_path / "masks" / "a.png", draw_image(mask))
    (tmp_path / file).write_text(text, "utf-8")
    dataset = carseg.data.load(tmp_path)
    assert dataset.labels.classes == ("rest", "door", "wheel")
    assert dataset.labels.colors == ((20, 30, 40), (200, 60, 30), (40, 180, 60))
    np.testing.assert_array_equal(dataset[0].load()[1], mask)


def test_a_color_of_no_class_is_named(tmp_path: Path) -> None:
    colored = draw_image(draw_mask(2))
    colored[0, :3] = 1, 2, 3
    save(tmp_path / "images" / "a.png", colored)
    save(tmp_path / "masks" / "a.png", colored)
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\nrest,20,30,40\ndoor,200,60,30\nwheel,40,180,60\n")
    with pytest.raises(DataError, match=r"#010203 \(3 pixels\)"):
        carseg.data.load(tmp_path)[0].load()
    (tmp_path / "class_dict.csv").unlink()
    with pytest.raises(DataError, match=r"class_dict\.csv"):
        carseg.data.load(tmp_path)[0].load()


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_lossy_labels_are_refused(tmp_path: Path, ending: str) -> None:
    save(tmp_path / "images" / "a.png", draw_image(draw_mask(2)))
    (tmp_path / "masks").mkdir()
    Image.fromarray(draw_mask(2)).save(tmp_path / "masks" / f"a.{ending}", format="JPEG")
    with pytest.raises(DataError, match="JPEG"):
        carseg.data.load(tmp_path)[0].load()


def test_palettes_that_each_label_has_for_itself_are_refused(tmp_path: Path) -> None:
    for name, last in (("a", 3), ("b", 2)):  # a has one colour more, so that the others have other places
        colored = Image.fromarray(draw_image(draw_mask(1, classes=last)))
        save(tmp_path / "images" / f"{name}.png", np.asarray(colored))
        save_palette(tmp_path / "masks" / f"{name}.png", draw_mask(1, classes=last), [])
        colored.convert("P", palette=Image.Palette.ADAPTIVE, colors=last).save(tmp_path / "masks" / f"{name}.png")
    with pytest.raises(DataError, match=r"palettes of the labels differ.*class_dict\.csv"):
        carseg.data.load(tmp_path)
    (tmp_path / "class_dict.csv").write_text("rest,20,30,40\ndoor,200,60,30\nwheel,40,180,60\n")
    for sample in carseg.data.load(tmp_path):
        np.testing.assert_array_equal(sample.load()[1], draw_mask(1, classes=3 if sample.name == "a" else 2))


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_roboflow_leaves_images_and_labels_in_one_folder(tmp_path: Path, ending: str) -> None:
    for split in ("train", "valid"):
        for name in ("a", "b_mask_of_c"):
            save(tmp_path / split / f"{name}.{ending}", draw_image(draw_mask(3)))
            save(tmp_path / split / f"{name}_mask.png", draw_mask(3))
        (tmp_path / split / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, door\n2, wheel\n")
    dataset = carseg.data.load(tmp_path, split="val")
    assert dataset.labels.classes == ("background", "door", "wheel")
    assert ([sample.name for sample in dataset], dataset.problems) == (["a", "b_mask_of_c"], {})
    np.testing.assert_array_equal(dataset[1].load()[1], draw_mask(3))


# CamVid

# Sky, road, sidewalk, lane marking, car, van, void in the published colours.
CAMVID_COLORS = np.array(
    [(128, 128, 128), (128, 64, 128), (0, 0, 192), (128, 0, 192), (64, 0, 128), (64, 128, 192), (0, 0, 0)], np.uint8
)


@pytest.mark.parametrize("layout", [("701_StillsRaw_full", "LabeledApproved_full"), ("train", "train_labels")])
def test_camvid_32_classes(tmp_path: Path, layout: tuple[str, str]) -> None:
    classes = draw_mask(4, classes=7)
    save(tmp_path / layout[0] / "f1.png", CAMVID_COLORS[classes])
    save(tmp_path / layout[1] / "f1_L.png", CAMVID_COLORS[classes])
    dataset = carseg.data.load(tmp_path)
    assert dataset.labels == CAMVID32
    names = ["sky", "road", "sidewalk", "lane_markings_driving", "car", "suv_pickup_truck"]
    expected = np.array([*(CAMVID32.classes.index(name) for name in names), IGNORE], np.uint8)[classes]
    np.testing.assert_array_equal(dataset[0].load()[1], expected)


def test_camvid_32_classes_merge_to_11_and_give_void_when_asked(tmp_path: Path) -> None:
    classes = draw_mask(4, classes=7)
    save(tmp_path / "images" / "f1.png", CAMVID_COLORS[classes])
    save(tmp_path / "labels" / "f1_L.png", CAMVID_COLORS[classes])
    merged = carseg.data.load(tmp_path, labels="camvid")
    names = ["sky", "road", "pavement", "road", "car", "car"]
    expected = np.array([*(CAMVID.classes.index(name) for name in names), IGNORE], np.uint8)[classes]
    assert merged.labels is CAMVID
    np.testing.assert_array_equal(merged[0].load()[1], expected)
    void = carseg.data.load(tmp_path, labels="camvid32", mapping={"void": "void"})[0].load()[1]
    assert (void[classes == 6] == CAMVID32.classes.index("void")).all()


def test_camvid_11_classes_in_color_and_as_segnet_indices(tmp_path: Path) -> None:
    classes = draw_mask(5, classes=5)
    colors = np.array([(128, 128, 128), (60, 40, 222), (64, 0, 128), (128, 64, 128), (0, 0, 0)], np.uint8)
    save(tmp_path / "colour" / "images" / "f1.png", colors[classes])
    save(tmp_path / "colour" / "labels" / "f1.png", colors[classes])
    indices = np.array([0, 4, 8, 3, 11], np.uint8)[classes]
    save(tmp_path / "segnet" / "val" / "f1.png", colors[classes])
    save(tmp_path / "segnet" / "valannot" / "f1.png", indices)
    expected = np.where(indices == 11, IGNORE, indices)
    for folder in ("colour", "segnet"):
        dataset = carseg.data.load(tmp_path / folder)
        assert dataset.labels is CAMVID
        np.testing.assert_array_equal(dataset[0].load()[1], expected)
    assert dataset.split == "val"


def test_a_folder_that_names_its_colors_or_values_is_not_taken_for_camvid(tmp_path: Path) -> None:
    classes = draw_mask(5)
    colored = np.array([(0, 0, 0), (128, 0, 0), (64, 0, 128)], np.uint8)[classes]  # CamVid's void, building, car
    save(tmp_path / "colour" / "images" / "f1.png", colored)
    save(tmp_path / "colour" / "masks" / "f1.png", colored)
    (tmp_path / "colour" / "class_dict.csv").write_text("name,r,g,b\nrest,0,0,0\ndoor,128,0,0\nwheel,64,0,128\n")
    save(tmp_path / "indices" / "train" / "f1.png", draw_image(classes))
    save(tmp_path / "indices" / "trainannot" / "f1.png", classes)
    (tmp_path / "indices" / "classes.txt").write_text("rest\ndoor\nwheel\n")
    for folder in ("colour", "indices"):
        dataset = carseg.data.load(tmp_path / folder)
        assert dataset.labels.classes == ("rest", "door", "wheel")
        np.testing.assert_array_equal(dataset[0].load()[1], classes)


# BDD100K, Cityscapes, Pascal VOC


@pytest.mark.parametrize(
    ("folder", "ending", "stored"),
    [("labels/drivable/masks", "", (0, 1, 2)), ("drivable_maps/labels", "_drivable_id", (1, 2, 0))],
)
def test_bdd100k_drivable_maps(tmp_path: Path, folder: str, ending: str, stored: tuple[int, ...]) -> None:
    mask = draw_mask(6)
    save(tmp_path / "images" / "100k" / "val" / "b1.jpg", draw_image(mask))
    save(tmp_path / folder / "val" / f"b1{ending}.png", np.array(stored, np.uint8)[mask])
    dataset = carseg.data.load(tmp_path, split="val", labels="bdd" if ending else None)
    assert dataset.labels is BDD
    np.testing.assert_array_equal(dataset[0].load()[1], mask)


@pytest.mark.parametrize(
    ("ending", "stored"), [("labelIds", (7, 26, 33, 4, 0)), ("labelTrainIds", (0, 13, 18, 255, 255))]
)
def test_cityscapes(tmp_path: Path, ending: str, stored: tuple[int, ...]) -> None:
    classes = draw_mask(7, classes=5)
    save(tmp_path / "leftImg8bit" / "val" / "bonn" / "bonn_1_leftImg8bit.png", draw_image(classes))
    save(tmp_path / "gtFine" / "val" / "bonn" / f"bonn_1_gtFine_{ending}.png", np.array(stored, np.uint8)[classes])
    save(tmp_path / "gtFine" / "val" / "bonn" / "bonn_1_gtFine_color.png", draw_image(classes))
    dataset = carseg.data.load(tmp_path)
    assert (dataset.labels.classes[0], dataset.labels.classes[13]) == ("road", "car")
    assert len(dataset.labels) == 19
    assert dataset.problems == {}
    expected = np.array([0, 13, 18, IGNORE, IGNORE], np.uint8)[classes]
    np.testing.assert_array_equal(dataset[0].load()[1], expected)


def test_pascal_voc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "VOC2012"
    for i, name in enumerate(("2007_1", "2007_2", "my car 3")):
        mask = draw_mask(i) * 7
        mask[:2] = IGNORE
        save(root / "JPEGImages" / f"{name}.jpg", draw_image(mask))
        save_palette(root / "SegmentationClass" / f"{name}.png", mask, list(range(255)) * 3 + [224, 224, 192])
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_1\n2007_2\n")
    (lists / "val.txt").write_text("\ufeffmy car 3\n\n2007_4\n", "utf-8")
    dataset = carseg.data.load(root, split="val")
    assert [sample.name for sample in dataset] == ["my car 3"]
    assert list(dataset.problems) == ["2007_4"]
    expected = draw_mask(2) * 7
    expected[:2] = IGNORE
    np.testing.assert_array_equal(dataset[0].load()[1], expected)
    assert dataset.labels.classes[7] == "car"
    monkeypatch.chdir(root)
    assert carseg.data.load(".", split="val").labels == dataset.labels
    (root / "classes.txt").write_text("\n".join(f"part{i}" for i in range(15)))
    assert carseg.data.load(root, split="val").labels.classes[7] == "part7"


# Polygons: labelme and YOLO


def test_a_polygon_covers_the_pixels_whose_center_is_inside() -> None:
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[0:40, 0:50] + 0.5
    for _ in range(30):
        points = rng.uniform(-10, 55, (rng.integers(3, 8), 2))
        mask = np.zeros((40, 50), np.uint8)
        fill(mask, [tuple(point) for point in points], 1)
        inside = np.zeros(mask.shape, bool)
        for (x0, y0), (x1, y1) in zip(
            points, np.roll(points, -1, axis=0), strict=True
        ):  # a ray to the left, pixel by pixel
            crosses = (y0 > ys) != (y1 > ys)
            inside ^= crosses & (xs > x0 + (ys - y0) * (x1 - x0) / (y1 - y0))
        np.testing.assert_array_equal(mask.astype(bool), inside)


def test_the_smaller_polygon_lies_on_top() -> None:
    big = [(0.0, 0.0), (30.0, 0.0), (30.0, 30.0), (0.0, 30.0)]
    for shapes in ([(1, big), (2, SQUARE)], [(2, SQUARE), (1, big)]):
        mask = paint(shapes, 40, 40)
        assert (mask[8:20, 8:24] == 2).all()
        assert np.count_nonzero(mask == 1) == 900 - 192


def write_labelme(path: Path, shapes: list[dict[str, object]], **more: object) -> None:
    note = {"version": "5", "flags": {}, "shapes": shapes, "imageHeight": 48, "imageWidth": 64, "imageData": None}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**note, **more}))


def test_labelme_polygons_rectangles_circles_and_bit_masks(tmp_path: Path) -> None:
    bits = io.BytesIO()
    Image.fromarray(np.ones((4, 6), np.uint8) * 255).save(bits, "PNG")
    shapes = [
        {"label": "door", "points": SQUARE, "shape_type": "polygon"},
        {"label": "light", "points": [[50, 34], [56, 40], [50, 46], [44, 40]], "shape_type": "rotation"},
        {"label": "_background_", "points": [[30, 40], [40, 44]], "shape_type": "rectangle"},
        {"label": "plate", "points": [[62, 46], [30, 30]], "shape_type": "rectangle"},
        {"label": "wheel", "points": [[50, 12], [50, 20]], "shape_type": "circle"},
        {"label": "__ignore__", "points": [[40, 30], [46, 34]], "shape_type": "mask", "mask": None},
    ]
    shapes[5]["mask"] = base64.b64encode(bits.getvalue()).decode()
    save(tmp_path / "a.jpg", np.zeros((48, 64, 3), np.uint8))
    write_labelme(tmp_path / "a.json", shapes, imagePath="a.jpg")
    dataset = carseg.data.load(tmp_path)
    assert dataset.labels.classes == ("background", "door", "light", "plate", "wheel")
    mask = dataset[0].load()[1]
    np.testing.assert_array_equal(mask == 1, SQUARE_MASK == 1)
    assert mask[40, 61] == 3
    assert np.count_nonzero(mask == 2) == pytest.approx(2 * 6 * 6, rel=0.1)
    assert mask[42, 35] == 0
    assert (mask[30:34, 40:46] == IGNORE).all()
    assert np.count_nonzero(mask == 4) == pytest.approx(np.pi * 8 * 8, rel=0.05)


def test_labelme_images_elsewhere_embedded_missing_and_unlabeled(tmp_path: Path) -> None:
    shape = [{"label": "door", "points": SQUARE, "shape_type": "polygon"}]
    save(tmp_path / "images" / "far.jpg", np.zeros((48, 64, 3), np.uint8))
    save(tmp_path / "images" / "lonely.jpg", np.zeros((48, 64, 3), np.uint8))
    write_labelme(tmp_path / "annotations" / "far.json", shape, imagePath="..\\images\\far.jpg")
    write_labelme(tmp_path / "annotations" / "gone.json", shape, imagePath="gone.jpg")
    (tmp_path / "annotations" / "broken.json").write_text('{"shapes": [')
    encoded = io.BytesIO()
    Image.new("RGB", (64, 48), (9, 8, 7)).save(encoded, "PNG")
    data = base64.b64encode(encoded.getvalue()).decode()
    write_labelme(tmp_path / "annotations" / "inside.json", shape, imagePath="inside.jpg", imageData=data)
    dataset = carseg.data.load(tmp_path)
    assert [sample.name for sample in dataset] == ["far", "inside"]
    assert set(dataset.problems) == {"gone", "broken", "lonely"}
    rgb, mask = dataset[1].load()
    assert (rgb == (9, 8, 7)).all()
    np.testing.assert_array_equal(mask, SQUARE_MASK)


def test_labelme_classes_may_come_from_a_file_and_then_a_typing_error_is_found(tmp_path: Path) -> None:
    for name, label in (("a", "door"), ("b", "dor")):
        save(tmp_path / f"{name}.png", np.zeros((48, 64, 3), np.uint8))
        write_labelme(tmp_path / f"{name}.json", [{"label": label, "points": SQUARE}], imagePath=f"{name}.png")
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\nwheel\ndoor\n")
    dataset = carseg.data.load(tmp_path)
    assert dataset.labels.classes == ("background", "wheel", "door")
    np.testing.assert_array_equal(dataset[0].load()[1], SQUARE_MASK * 2)
    assert "'dor'" in dataset.verify()["b"]


def test_labelme_shapes_without_area_are_named(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((48, 64, 3), np.uint8))
    shape = {"label": "door", "points": SQUARE[:2], "shape_type": "line"}
    write_labelme(tmp_path / "a.json", [shape], imagePath="a.png")
    with pytest.raises(DataError, match=r"a\.json has a line of 2 points"):
        carseg.data.load(tmp_path)[0].load()


def test_labelme_labels_that_are_numbers_and_sizes_that_no_image_has(tmp_path: Path) -> None:
    for name, label, height in (("a", 3, 48), ("b", None, 10**9)):
        save(tmp_path / f"{name}.png", np.zeros((48, 64, 3), np.uint8))
        shapes = [{"label": label, "points": SQUARE}]
        write_labelme(tmp_path / f"{name}.json", shapes, imagePath=f"{name}.png", imageHeight=height)
    dataset = carseg.data.load(tmp_path)
    assert dataset.labels.classes == ("background", "3", "None")
    np.testing.assert_array_equal(dataset[0].load()[1], SQUARE_MASK)
    with pytest.raises(DataError, match=r"b\.json is for an image of 64x1000000000"):
        dataset[1].load()


def test_a_labelme_bit_mask_may_begin_outside_the_image(tmp_path: Path) -> None:
    bits = io.BytesIO()
    Image.fromarray(np.ones((4, 6), np.uint8) * 255).save(bits, "PNG")
    stamp = {"label": "door", "points": [[-2, -1], [4, 3]], "shape_type": "mask"}
    save(tmp_path / "a.png", np.zeros((48, 64, 3), np.uint8))
    shapes = [{**stamp, "mask": base64.b64encode(bits.getvalue()).decode()}]
    write_labelme(tmp_path / "a.json", shapes, imagePath="a.png")
    mask = carseg.data.load(tmp_path)[0].load()[1]
    assert mask[:3, :4].all() and mask.sum() == 12


def test_labelme_files_may_hold_a_long_image_before_the_shapes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((48, 64, 3), np.uint8))
    note = {"imageData": "A" * 100_000, "imagePath": "a.png", "shapes": [{"label": "door", "points": SQUARE}]}
    (tmp_path / "a.json").write_text(json.dumps(note))
    np.testing.assert_array_equal(carseg.data.load(tmp_path)[0].load()[1], SQUARE_MASK)


def test_opening_labelme_files_holds_one_image_at_a_time(tmp_path: Path) -> None:
    file, size = io.BytesIO(), 300
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    limit, shape = 10 * len(data), {"label": "door", "points": SQUARE}
    for i in range(30):
        write_labelme(tmp_path / f"{i}.json", [shape], imageData=data, imageHeight=size, imageWidth=size)
    tracemalloc.start()
    dataset = carseg.data.load(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < limit
    assert [sample.load()[0].shape for sample in (dataset[0], dataset[29])] == [(size, size, 3)] * 2


def yolo_line(label: int, points: list[tuple[float, float]]) -> str:
    return " ".join([str(label), *(f"{x / 64:.6f} {y / 48:.6f}" for x, y in points)])


@pytest.mark.parametrize(
    "description",
    [
        "path: .\ntrain: images/train\nval: images/val\nnames: [door, wheel]\n",
        "train: ../images/train\nval: ../images/val\nnames:\n  0: door\n  1: wheel\n",
        None,
    ],
)
def test_yolo(tmp_path: Path, description: str | None) -> None:
    for split in ("train", "val"):
        save(tmp_path / "images" / split / "a.jpg", np.zeros((48, 64, 3), np.uint8))
        save(tmp_path / "images" / split / "empty.jpg", np.zeros((48, 64, 3), np.uint8))
        save(tmp_path / "images" / split / "missing.jpg", np.zeros((48, 64, 3), np.uint8))
        (tmp_path / "labels" / split).mkdir(parents=True)
        (tmp_path / "labels" / split / "a.txt").write_text(yolo_line(1, SQUARE) + "\n\n")
        (tmp_path / "labels" / split / "empty.txt").write_text("")
    if description:
        (tmp_path / "data.yaml").write_text(description)
    else:
        (tmp_path / "classes.txt").write_text("door\nwheel\n")
    dataset = carseg.data.load(tmp_path / "data.yaml" if description else tmp_path, split="val")
    assert dataset.labels.classes == ("background", "door", "wheel")
    assert [sample.name for sample in dataset] == ["a", "empty"]
    assert list(dataset.problems) == ["missing"]
    np.testing.assert_array_equal(dataset[0].load()[1], SQUARE_MASK * 2)
    assert not dataset[1].load()[1].any()


@pytest.mark.parametrize("before", ["data/", "./", ""])
def test_yolo_splits_may_be_lists_of_images(tmp_path: Path, before: str) -> None:
    for name in ("a", "b", "missing"):
        save(tmp_path / "images" / "train" / f"{name}.jpg", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "a.txt").write_text(yolo_line(1, SQUARE))
    (tmp_path / "labels" / "train" / "b.txt").write_text("")
    (tmp_path / "data.yaml").write_text("names: {0: door, 1: wheel}\npath: .\ntrain: train.txt\nval: val.txt\n")
    (tmp_path / "train.txt").write_text(f"{before}images/train/a.jpg\n{before}images/train/missing.jpg\n")
    (tmp_path / "val.txt").write_text(f"{before}images/train/b.jpg\n")
    train, val = (carseg.data.load(tmp_path, split=split) for split in ("train", "val"))
    assert [sample.name for sample in (*train, *val)] == ["images/train/a", "images/train/b"]
    assert list(train.problems) == ["images/train/missing"]
    np.testing.assert_array_equal(train[0].load()[1], SQUARE_MASK * 2)
    (tmp_path / "val.txt").write_text("images/train/gone.jpg\n")
    with pytest.raises(DataError, match=r"val\.txt lists images/train/gone\.jpg"):
        carseg.data.load(tmp_path)


def yolo_folder(images: Path, *names: str) -> None:
    """Write images, and beside them as labels one polygon each."""
    labels = Path(*("labels" if part == "images" else part for part in images.parts))
    labels.mkdir(parents=True)
    for name in names:
        save(images / f"{name}.jpg", np.zeros((48, 64, 3), np.uint8))
        (labels / f"{name}.txt").write_text(yolo_line(0, SQUARE))


def test_the_yaml_file_that_is_opened_is_the_one_that_is_read(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "images" / "train", "a")
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: [person]\n")
    (tmp_path / "parts.yaml").write_text("train: images/train\nnames: [door]\n")
    assert carseg.data.load(tmp_path / "parts.yaml").labels.classes == ("background", "door")
    (tmp_path / "parts.yaml").write_text("train: images/train\n")
    with pytest.raises(DataError, match=r"parts\.yaml names no classes"):
        carseg.data.load(tmp_path / "parts.yaml")
    with pytest.raises(DataError, match=r"there is no .*nosuch\.yaml"):
        carseg.data.load(tmp_path / "nosuch.yaml")


def test_images_of_several_folders_have_names_of_their_own(tmp_path: Path) -> None:
    for folder in ("cam1", "cam2"):
        yolo_folder(tmp_path / folder / "images", "a")
    (tmp_path / "data.yaml").write_text("train: [./cam1/images, cam2/images]\nnames: [door]\n")
    dataset = carseg.data.load(tmp_path)
    assert [sample.name for sample in dataset] == ["cam1/images/a", "cam2/images/a"]
    (tmp_path / "cam1" / "labels" / "a.txt").write_text("broken")
    assert [sample.name for sample in dataset.verified(skip_bad=True)] == ["cam2/images/a"]


def test_folders_that_data_yaml_names_and_that_are_not_there_are_reported(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "images" / "train", "a")
    save(tmp_path / "images" / "bare" / "b.jpg", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "data.yaml").write_text(
        "train: [images/train, images/mroe]\nval: images/bare\ntest: gone\nnames: [door]\n"
    )
    found = load_splits(tmp_path)
    assert list(found) == ["train", "val"]
    assert "images/mroe" in found["train"].problems["images/mroe"]
    assert list(found["val"].problems) == ["b"]


def test_yolo_labels_lie_beside_the_links_to_the_images(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "set" / "images" / "train", "a")
    (tmp_path / "set" / "images" / "train").rename(tmp_path / "elsewhere")
    (tmp_path / "set" / "images" / "train").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "data.yaml").write_text("train: images/train\nnames: [door]\n")
    np.testing.assert_array_equal(carseg.data.load(tmp_path / "set")[0].load()[1], SQUARE_MASK)


def test_yolo_classes_of_a_class_file_keep_their_numbers(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "images", "a")
    (tmp_path / "labels" / "a.txt").write_text(yolo_line(1, SQUARE))
    (tmp_path / "labels.json").write_text('{"1": "door", "2": "ignore"}')
    dataset = carseg.data.load(tmp_path)
    assert dataset.labels.classes == ("background", "door")
    np.testing.assert_array_equal(dataset[0].load()[1], SQUARE_MASK)
    (tmp_path / "labels" / "a.txt").write_text(yolo_line(2, SQUARE))
    np.testing.assert_array_equal(carseg.data.load(tmp_path)[0].load()[1], SQUARE_MASK * IGNORE)


def test_yolo_classes_without_names_are_numbered(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.jpg", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("\ufeff" + yolo_line(2, SQUARE) + "\r\nno numbers\r\n", "utf-8")
    dataset = carseg.data.load(tmp_path)
    assert dataset.labels.classes == ("background", "class_0", "class_1", "class_2")
    (tmp_path / "labels" / "a.txt").write_text("\ufeff" + yolo_line(2, SQUARE) + "\r\n", "utf-8")
    np.testing.assert_array_equal(dataset[0].load()[1], SQUARE_MASK * 3)


@pytest.mark.parametrize("names", ["5", "door", "{0: door, a: hood}", "{1: door}"])
def test_yolo_names_that_are_no_list_are_refused(tmp_path: Path, names: str) -> None:
    save(tmp_path / "images" / "a.jpg", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(yolo_line(0, SQUARE))
    (tmp_path / "data.yaml").write_text(f"train: images\nnames: {names}\n")
    with pytest.raises(DataError, match=r"data\.yaml"):
        carseg.data.load(tmp_path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0.2 0.2", "a box"),
        ("0 0.1 0.1 0.9 0.1 1.7 0.5", r"outside 0\.\.1"),
        ("door 0.1 0.1 0.9 0.1 0.7 0.5", "not numbers"),
        ("5 0.1 0.1 0.9 0.1 0.7 0.5", "no class"),
        ("254 0.1 0.1 0.9 0.1 0.7 0.5", "class 254"),
    ],
)
def test_yolo_lines_that_are_no_polygons_are_named(tmp_path: Path, line: str, reason: str) -> None:
    save(tmp_path / "images" / "a.jpg", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(line)
    (tmp_path / "data.yaml").write_text("train: images\nnames: [door]\n")
    with pytest.raises(DataError, match=reason):
        carseg.data.load(tmp_path)[0].load()


# numpy stacks

STACK = np.stack([draw_mask(i) for i in range(4)])


def test_numpy_images_and_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", draw_image(STACK))
    np.save(tmp_path / "labels.npy", STACK.astype(np.int64))
    dataset = carseg.data.load(tmp_path, labels=label_set("three", ["a", "b", "c"]))
    rgb, mask = dataset[2].load()
    assert len(dataset) == 4
    np.testing.assert_array_equal(mask, STACK[2])
    np.testing.assert_array_equal(rgb, draw_image(STACK[2]))


def test_numpy_splits_float_images_and_one_hot_labels(tmp_path: Path) -> None:
    one_hot = np.eye(3, dtype=np.float32)[STACK]
    one_hot[:, :4] = 0
    for split, part in (("train", slice(0, 3)), ("val", slice(3, 4))):
        np.save(tmp_path / f"x_{split}.npy", (draw_image(STACK[part]) / 255).astype(np.float32))
        np.save(tmp_path / f"y_{split}.npy", one_hot[part])
    dataset = carseg.data.load(tmp_path, split="train")
    rgb, mask = dataset[1].load()
    assert len(dataset) == 3
    np.testing.assert_array_equal(rgb, draw_image(STACK[1]))
    np.testing.assert_array_equal(mask[4:], STACK[1][4:])
    assert (mask[:4] == IGNORE).all()


def test_numpy_grey_images_and_labels_read_as_images(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.repeat(STACK[..., None], 3, axis=3))  # as OpenCV reads a grey file
    for grey in (STACK[..., None] * 90, STACK * 90):
        np.save(tmp_path / "images.npy", grey)
        rgb, mask = carseg.data.load(tmp_path)[1].load()
        np.testing.assert_array_equal(rgb, np.repeat(STACK[1][..., None] * 90, 3, axis=2))
        np.testing.assert_array_equal(mask, STACK[1])
    np.save(tmp_path / "labels.npy", draw_image(STACK))
    with pytest.raises(DataError, match="neither one number a pixel nor one-hot"):
        carseg.data.load(tmp_path, labels="bdd")[1].load()


def test_a_numpy_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", draw_image(STACK))
    np.save(tmp_path / "labels.npy", STACK.astype(np.int64))
    carseg.data.load(tmp_path)[3].load()
    np.save(tmp_path / "labels.npy", STACK[..., ::-1])
    np.testing.assert_array_equal(carseg.data.load(tmp_path)[3].load()[1], STACK[3][:, ::-1])


def test_numpy_archives_and_channels_first(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=draw_image(STACK).transpose(0, 3, 1, 2), masks=STACK)
    for path in (tmp_path, tmp_path / "set.npz"):
        rgb, mask = carseg.data.load(path)[3].load()
        np.testing.assert_array_equal(mask, STACK[3])
        np.testing.assert_array_equal(rgb, draw_image(STACK[3]))


def test_what_is_neither_an_image_nor_a_label_is_passed_over(tmp_path: Path) -> None:
    names = np.array([f"p{i}" for i in range(len(STACK))])
    np.savez(tmp_path / "set.npz", images=draw_image(STACK), masks=STACK, names=names)
    assert len(carseg.data.load(tmp_path)) == len(STACK)


@pytest.mark.parametrize(("missing", "message"), [("masks", "no labels array"), ("images", "no images array")])
def test_numpy_arrays_come_in_pairs(tmp_path: Path, missing: str, message: str) -> None:
    for split in ("train", "val"):
        np.save(tmp_path / f"{split}_images.npy", draw_image(STACK))
        np.save(tmp_path / f"{split}_masks.npy", STACK)
    (tmp_path / f"val_{missing}.npy").unlink()
    with pytest.raises(DataError, match=message):
        carseg.data.load(tmp_path, split="train")
    np.save(tmp_path / f"val_{missing}.npy", STACK[:, 0, 0])  # labels of whole images, as for classification
    with pytest.raises(DataError, match=message):
        carseg.data.load(tmp_path, split="train")


@pytest.mark.parametrize("stacked", [True, False])
def test_numpy_with_the_label_as_fourth_channel_and_sparse_values(tmp_path: Path, stacked: bool) -> None:
    whole = np.concatenate([draw_image(STACK), STACK[..., None] * 10], axis=-1)
    if stacked:
        np.save(tmp_path / "cars.npy", whole)
    else:
        for i, one in enumerate(whole):
            np.save(tmp_path / f"photo_{i}.npy", one)
    dataset = carseg.data.load(tmp_path)
    assert dataset.labels.classes == ("class_0", "class_10", "class_20")
    np.testing.assert_array_equal(dataset[1].load()[1], STACK[1])
    (tmp_path / "labels.json").write_text('{"0": "background", "10": "hood", "20": "front_door"}')
    assert carseg.data.load(tmp_path).labels.classes == ("background", "hood", "front_door")


def test_numpy_stacks_of_images_and_labels_are_one_per_split(tmp_path: Path) -> None:
    whole = np.concatenate([draw_image(STACK), STACK[..., None]], axis=-1)
    np.save(tmp_path / "train.npy", whole[:3])
    np.save(tmp_path / "val.npy", whole[3:])
    assert [len(carseg.data.load(tmp_path, split=split)) for split in ("train", "val")] == [3, 1]
    np.savez(tmp_path / "parts.npz", first=whole[:3], second=whole[3:])
    with pytest.raises(DataError, match=r"parts\.npz first and .*parts\.npz second"):
        carseg.data.load(tmp_path / "parts.npz")
    (tmp_path / "parts.npz").unlink()
    for more in ({"both": whole}, {"images": whole[..., :3], "masks": STACK}):
        np.savez(tmp_path / "val_more.npz", **more)
        with pytest.raises(DataError, match=r"val\.npy and .*val_more\.npz"):
            carseg.data.load(tmp_path, split="train")


def test_numpy_images_in_an_unknown_range_and_broken_files_are_named(tmp_path: Path) -> None:
    whole = np.concatenate([draw_image(STACK), STACK[..., None]], axis=-1)
    np.save(tmp_path / "a.npy", whole[0])
    np.save(tmp_path / "b.npy", whole[1].astype(np.float32))
    (tmp_path / "c.npy").write_bytes(b"\x93NUMPY")
    dataset = carseg.data.load(tmp_path, labels="bdd")
    broken = dataset.verify()
    assert set(broken) == {"b", "c"}
    assert "0..1" in broken["b"]


def test_yolo_polygons_may_reach_a_little_beyond_the_image(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "images", "a")
    (tmp_path / "labels" / "a.txt").write_text("0 -0.005 -0.005 1.005 -0.005 1.005 1.005 -0.005 1.005\n")
    assert (carseg.data.load(tmp_path)[0].load()[1] == 1).all()


@pytest.mark.parametrize(
    ("line", "reason"), [("-1 0.1 0.1 0.9 0.1 0.7 0.5", "class -1"), ("0 .1 .1 .9 .1 .5", "5 num")]
)
def test_yolo_lines_of_no_class_or_half_a_point(tmp_path: Path, line: str, reason: str) -> None:
    yolo_folder(tmp_path / "images", "a")
    (tmp_path / "labels" / "a.txt").write_text(line)
    with pytest.raises(DataError, match=reason):
        carseg.data.load(tmp_path)[0].load()


def test_roboflow_calls_the_validation_split_valid(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "train" / "images", "a")
    yolo_folder(tmp_path / "valid" / "images", "b")
    (tmp_path / "data.yaml").write_text("train: ../train/images\nvalid: ../valid/images\nnames: [door]\n")
    assert [sample.name for sample in carseg.data.load(tmp_path, split="val")] == ["b"]


def test_images_to_be_tested_on_may_come_without_labels(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "images" / "train", "a")
    save(tmp_path / "images" / "test" / "b.jpg", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "data.yaml").write_text("train: images/train\ntest: images/test\nnames: [door]\n")
    assert list(load_splits(tmp_path)) == ["train"]


def test_data_yaml_states_where_its_paths_begin(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "cars" / "images" / "train", "a")
    (tmp_path / "data.yaml").write_text("path: cars\ntrain: images/train\nnames: [door]\n")
    assert [sample.name for sample in carseg.data.load(tmp_path)] == ["a"]


def test_yolo_labels_replace_the_last_folder_called_images(tmp_path: Path) -> None:
    root = tmp_path / "images" / "set"
    save(root / "images" / "train" / "a.jpg", np.zeros((48, 64, 3), np.uint8))
    (root / "labels" / "train").mkdir(parents=True)
    (root / "labels" / "train" / "a.txt").write_text(yolo_line(0, SQUARE))
    (root / "data.yaml").write_text("train: images/train\nnames: [door]\n")
    np.testing.assert_array_equal(carseg.data.load(root)[0].load()[1], SQUARE_MASK)


def test_classes_txt_among_the_labels_names_the_classes_and_is_no_label(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "images", "a")
    (tmp_path / "labels" / "classes.txt").write_text("door\n")
    dataset = carseg.data.load(tmp_path)
    assert (dataset.labels.classes, dataset.problems) == (("background", "door"), {})


def test_a_split_alone_is_named_by_the_data_yaml_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yolo_folder(tmp_path / "train" / "images", "a")
    (tmp_path / "data.yaml").write_text("train: train/images\nnames: [door]\n")
    monkeypatch.chdir(tmp_path / "train")
    for folder in (tmp_path / "train", "."):
        assert carseg.data.load(folder).labels.classes == ("background", "door")


def test_data_yaml_chooses_between_two_folders_of_one_split(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "val" / "images", "a")
    yolo_folder(tmp_path / "valid" / "images", "b")
    (tmp_path / "data.yaml").write_text("val: valid/images\nnames: [door]\n")
    assert [sample.name for sample in carseg.data.load(tmp_path / "data.yaml")] == ["b"]


def test_labels_json_beside_labelme_files_gives_the_order_of_the_classes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((48, 64, 3), np.uint8))
    write_labelme(tmp_path / "a.json", [{"label": "door", "points": SQUARE}], imagePath="a.png")
    (tmp_path / "labels.json").write_text('["background", "wheel", "door"]')
    dataset = carseg.data.load(tmp_path)
    assert (dataset.labels.classes, dataset.problems) == (("background", "wheel", "door"), {})
