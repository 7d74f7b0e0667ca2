"""Folders of labelme files."""

from __future__ import annotations

import base64
import io
import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg.data
from carseg.data.load import load_splits
from carseg.errors import DataError, OptionError
from carseg.labels import IGNORE

from drawn_data import SQUARE, SQUARE_MASK, save


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
    for name, label, height in (("a", 3, 48), ("b", 4.5, 10**9)):
        save(tmp_path / f"{name}.png", np.zeros((48, 64, 3), np.uint8))
        shapes = [{"label": label, "points": SQUARE}]
        write_labelme(tmp_path / f"{name}.json", shapes, imagePath=f"{name}.png", imageHeight=height)
    dataset = carseg.data.load(tmp_path)
    assert dataset.labels.classes == ("background", "3", "4.5")
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


def test_labels_json_beside_labelme_files_gives_the_order_of_the_classes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((48, 64, 3), np.uint8))
    write_labelme(tmp_path / "a.json", [{"label": "door", "points": SQUARE}], imagePath="a.png")
    (tmp_path / "labels.json").write_text('["background", "wheel", "door"]')
    dataset = carseg.data.load(tmp_path)
    assert (dataset.labels.classes, dataset.problems) == (("background", "wheel", "door"), {})


def polygon(label: object = "door", points: object = SQUARE, kind: object = "polygon") -> dict[str, object]:
    return {"label": label, "points": points, "shape_type": kind}


def test_quadrilaterals_and_shapes_without_a_type_are_polygons(tmp_path: Path) -> None:
    for name, kind in (("a", "quadrilateral"), ("b", None)):
        save(tmp_path / f"{name}.png", np.zeros((48, 64, 3), np.uint8))
        write_labelme(tmp_path / f"{name}.json", [polygon(kind=kind)], imagePath=f"{name}.png")
    for sample in carseg.data.load(tmp_path):
        np.testing.assert_array_equal(sample.load()[1], SQUARE_MASK)


def test_lines_and_points_are_refused_left_out_or_drawn(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((48, 64, 3), np.uint8))
    shapes = [
        polygon("scratch", [[4, 14], [40, 14], [40, 40]], "linestrip"),
        polygon("chip", [[50, 30]], "point"),
        polygon(),
    ]
    write_labelme(tmp_path / "a.json", shapes, imagePath="a.png")
    assert "--line-width on the command line" in carseg.data.load(tmp_path).verify()["a"]
    assert "shapes[0], 'scratch'" in carseg.data.load(tmp_path).verify()["a"]
    np.testing.assert_array_equal(carseg.data.load(tmp_path, line_width=0)[0].load()[1], SQUARE_MASK * 2)
    dataset = carseg.data.load(tmp_path, line_width=4)
    assert dataset.labels.classes == ("background", "chip", "door", "scratch")
    mask = dataset[0].load()[1]
    assert (mask[12:16, 4:40] == 3).all() and (mask[14:40, 38:42] == 3).all()  # also over the door
    assert np.count_nonzero(mask == 1) == pytest.approx(np.pi * 4, abs=1)
    findings = carseg.data.check(tmp_path, line_width=4)
    assert findings.ok and findings.splits[""].class_images == [1, 1, 1, 1]
    with pytest.raises(OptionError, match="line_width is a number of pixels, 0 or more, not -1"):
        carseg.data.load(tmp_path, line_width=-1)


@pytest.mark.parametrize("images", ["", "images"])
def test_one_folder_for_each_car_may_hold_images_of_equal_names(tmp_path: Path, images: str) -> None:
    notes = tmp_path / "json" if images else tmp_path
    for value, car in enumerate(("car1", "car2"), start=1):
        save(tmp_path / images / car / "front.png", np.full((48, 64, 3), value, np.uint8))
        write_labelme(notes / car / "front.json", [polygon(f"door{value}")], imagePath="front.png")
    save(tmp_path / images / "car2" / "rear.png", np.zeros((48, 64, 3), np.uint8))
    dataset = carseg.data.load(tmp_path)
    assert [sample.name for sample in dataset] == ["car1/front", "car2/front"]
    for value, sample in enumerate(dataset, start=1):
        rgb, mask = sample.load()
        assert (rgb == value).all()
        np.testing.assert_array_equal(mask, SQUARE_MASK * value)
    assert list(dataset.problems) == ["car2/rear"]


def test_files_in_a_folder_of_their_own_may_speak_of_images_above_it(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((48, 64, 3), np.uint8))
    write_labelme(tmp_path / "json" / "a.json", [polygon()], imagePath="C:\\photos\\a.png")
    np.testing.assert_array_equal(carseg.data.load(tmp_path)[0].load()[1], SQUARE_MASK)


def test_splits_of_one_folder_for_each_car_stay_splits(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        save(tmp_path / split / "car1" / "a.png", np.zeros((48, 64, 3), np.uint8))
        write_labelme(tmp_path / split / "car1" / "a.json", [polygon()], imagePath="a.png")
    assert {split: [s.name for s in data] for split, data in load_splits(tmp_path).items()} == {
        "train": ["car1/a"],
        "val": ["car1/a"],
    }


def test_images_without_a_file_are_background_where_the_caller_says_so(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"{name}.png", np.zeros((48, 64, 3), np.uint8))
    write_labelme(tmp_path / "a.json", [polygon()], imagePath="a.png")
    assert "--background-images" in carseg.data.load(tmp_path).problems["b"]
    dataset = carseg.data.load(tmp_path, background_images=True)
    assert ([sample.name for sample in dataset], dataset.problems) == (["a", "b"], {})
    assert not dataset[1].load()[1].any()


def test_an_image_that_two_files_speak_of_is_a_problem(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"{name}.png", np.zeros((48, 64, 3), np.uint8))
    for name, image in (("a", "a.png"), ("a_copy", "a.png"), ("b", "b.png")):
        write_labelme(tmp_path / f"{name}.json", [polygon()], imagePath=image)
    dataset = carseg.data.load(tmp_path)
    assert [sample.name for sample in dataset] == ["b"]
    assert dataset.problems.keys() == {"a", "a_copy"}
    assert "a.json and " in dataset.problems["a"] and "a_copy.json both speak of a.png" in dataset.problems["a"]


@pytest.mark.parametrize("label", [None, True, "", " ", ["door"]])
def test_a_label_that_is_no_name_is_a_problem(tmp_path: Path, label: object) -> None:
    save(tmp_path / "a.png", np.zeros((48, 64, 3), np.uint8))
    write_labelme(tmp_path / "a.json", [polygon(), polygon(label)], imagePath="a.png")
    assert re.search(r"a\.json has label = .*, not a name.* \(shapes\[1\]\)", carseg.data.load(tmp_path).problems["a"])
