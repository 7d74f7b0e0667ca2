"""COCO: the painting order and rasteriser that every figure of the project assumes."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import carseg.data
from carseg.errors import DataError, MissingExtraError
from carseg.labels import CARPARTS, IGNORE
from carseg.masks import rle

from drawn_data import save


def square(x: float, y: float, side: float) -> list[float]:
    return [x, y, x + side, y, x + side, y + side, x, y + side]


def note(identity: int, category: int, segmentation: Any, area: float, image: object = 1) -> dict[str, Any]:
    return {"id": identity, "image_id": image, "category_id": category, "segmentation": segmentation, "area": area}


def write_coco(
    path: Path, notes: list[dict[str, Any]], names: dict[int, str], files: tuple[str, ...] = ("a.png",), size: int = 40
) -> None:
    document = {
        "images": [{"id": i, "file_name": f, "height": size, "width": size} for i, f in enumerate(files, start=1)],
        "annotations": notes,
        "categories": [{"id": i, "name": name} for i, name in names.items()],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path / "images" / "a.png", np.zeros((40, 40, 3), np.uint8))
    return tmp_path


def test_smaller_areas_lie_on_top_ties_go_to_the_later_id(folder: Path) -> None:
    notes = [
        note(7, 3, [square(5, 5, 10)], 100),  # its stated area is small: on top of the one that it covers
        note(5, 2, [square(0, 0, 30)], 900),
        note(9, 2, [square(20, 20, 10)], 100),
        note(8, 3, [square(20, 20, 10)], 100),
    ]
    write_coco(folder / "annotations.json", notes, {2: "door", 3: "wheel"})
    dataset = carseg.data.load(folder)
    assert dataset.labels.classes == ("background", "door", "wheel")
    mask = dataset[0].load()[1]
    assert (mask[6:14, 6:14] == 2).all()
    assert (mask[22:28, 22:28] == 1).all()
    assert mask[35, 35] == 0


def test_rings_are_united_and_degenerate_rings_cover_nothing(folder: Path) -> None:
    notes = [note(1, 1, [square(2, 2, 10), square(20, 20, 10), square(5, 5, 10), [1, 1, 2, 2]], 300), note(2, 1, [], 0)]
    write_coco(folder / "annotations.json", notes, {1: "door"})
    mask = carseg.data.load(folder)[0].load()[1]
    assert mask[8, 8] == mask[4, 4] == mask[13, 13] == mask[25, 25] == 1  # an overlap of rings is no hole
    assert mask[17, 17] == 0


def test_run_lengths_of_both_kinds_need_no_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    drawn = np.zeros((40, 40), bool)
    drawn[3:9, 4:20] = True
    counts = np.diff(np.flatnonzero(np.diff(np.concatenate([[False], drawn.T.ravel(), [False]]))), prepend=0).tolist()
    plain = {"size": [40, 40], "counts": [*counts, 1600 - sum(counts)]}
    write_coco(
        folder / "annotations.json",
        [note(1, 1, plain, 96), note(2, 2, rle.encode(np.rot90(drawn)), 96)],
        {1: "door", 2: "wheel"},
    )
    mask = carseg.data.load(folder)[0].load()[1]
    np.testing.assert_array_equal(mask == 2, np.rot90(drawn))
    np.testing.assert_array_equal(mask == 1, drawn & ~np.rot90(drawn))


def test_polygons_without_pycocotools_name_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_coco(folder / "annotations.json", [note(1, 1, [square(2, 2, 10)], 100)], {1: "door"})
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'carseg\[coco\]'"):
        carseg.data.load(folder).verified(skip_bad=True)


def test_the_car_part_categories_are_the_known_set_and_their_ids_are_shifted_by_one(folder: Path) -> None:
    names = {i + 1: "_background_" if i == 0 else name for i, name in enumerate(CARPARTS.classes)}
    write_coco(folder / "annotations.json", [note(1, 19, [square(2, 2, 10)], 100)], names)
    dataset = carseg.data.load(folder)
    assert dataset.labels is CARPARTS
    assert dataset[0].load()[1][5, 5] == CARPARTS.classes.index("wheel")


def test_a_category_called_ignore_is_ignored(folder: Path) -> None:
    write_coco(folder / "annotations.json", [note(1, 2, [square(2, 2, 10)], 100)], {1: "door", 2: "ignore"})
    dataset = carseg.data.load(folder)
    assert dataset.labels.classes == ("background", "door")
    assert dataset[0].load()[1][5, 5] == IGNORE


def test_annotations_folder_with_one_file_per_split(tmp_path: Path) -> None:
    for split in ("train2017", "val2017"):
        save(tmp_path / split / f"{split}.jpg", np.zeros((40, 40, 3), np.uint8))
        file = tmp_path / "annotations" / f"instances_{split}.json"
        write_coco(file, [note(1, 1, [square(2, 2, 10)], 100)], {1: "door"}, (f"{split}.jpg",))
    assert [sample.name for sample in carseg.data.load(tmp_path, split="val")] == ["val2017"]
    assert carseg.data.load(file)[0].load()[1][5, 5] == 1
    write_coco(
        tmp_path / "annotations" / "person_keypoints_val2017.json", [], {1: "person"}
    )  # as COCO's archive has it
    assert carseg.data.load(tmp_path, split="val").labels.classes == ("background", "door")
    (tmp_path / "annotations" / "instances_val2017.json").rename(tmp_path / "annotations" / "val.json")
    write_coco(tmp_path / "annotations" / "panoptic_val2017.json", [], {1: "car"})
    assert [list(carseg.data.load_splits(tmp_path))] == [["train", "val"]]  # instances where they are, else the rest
    write_coco(tmp_path / "annotations" / "val2017_old.json", [], {1: "door"})
    with pytest.raises(DataError, match="several COCO files"):
        carseg.data.load(tmp_path)


def test_a_file_called_as_fiftyone_calls_it_beside_what_macos_leaves(folder: Path) -> None:
    write_coco(folder / "labels.json", [note(1, 2, [square(0, 0, 40)], 1600)], {2: "door"})
    (folder / "._annotations.json").write_bytes(b"\x00\x05\x16\x07")
    dataset = carseg.data.load(folder)
    assert dataset.labels.classes == ("background", "door")
    assert (dataset[0].load()[1] == 1).all()


@pytest.mark.parametrize("folder", ["images/{}", "{}2017"])
def test_each_split_has_its_own_images_of_a_name(tmp_path: Path, folder: str) -> None:
    for split, value in (("train", 10), ("val", 200)):
        save(tmp_path / folder.format(split) / "a.png", np.full((40, 40, 3), value, np.uint8))
        write_coco(tmp_path / "annotations" / f"instances_{split}.json", [], {1: "door"})
    assert [carseg.data.load(tmp_path, split=s)[0].load()[0].max() for s in ("train", "val")] == [10, 200]


def test_boxes_are_refused(folder: Path) -> None:
    write_coco(folder / "annotations.json", [note(1, 1, [], 100) | {"bbox": [2, 2, 10, 10]}], {1: "door"})
    with pytest.raises(DataError, match="a has a box, not a polygon"):
        carseg.data.load(folder)[0].load()


def test_file_names_of_windows_and_of_elsewhere(folder: Path) -> None:
    write_coco(folder / "annotations.json", [], {1: "door"}, ("images\\a.png",))
    assert carseg.data.load(folder)[0].name == "images/a"
    write_coco(folder / "annotations.json", [], {1: "door"}, (str(folder / "images" / "a.png"),))
    name = carseg.data.load(folder)[0].name
    assert not Path(name).is_absolute()
    write_coco(folder / "annotations.json", [], {1: "door"}, ("../../a.png",))
    assert carseg.data.load(folder)[0].name == "a"


def test_missing_and_unlisted_images_are_named(folder: Path) -> None:
    save(folder / "images" / "extra.png", np.zeros((40, 40, 3), np.uint8))
    write_coco(folder / "annotations.json", [], {1: "door"}, ("a.png", "gone.png"))
    dataset = carseg.data.load(folder)
    assert [sample.name for sample in dataset] == ["a"]
    assert set(dataset.problems) == {"gone", "extra"}
    assert not dataset[0].load()[1].any()  # listed without annotations: nothing but background


@pytest.mark.parametrize(
    "segmentation",
    [
        3,
        [["x"] * 6],
        [[0, 0, 9, 0, 9, math.nan]],
        [[0, 0, 9, 0, 9, 1e12]],
        {"size": [40, 40], "counts": "\x01"},
        {"size": [9, 9], "counts": [81]},
    ],
)
def test_broken_segmentations_name_the_image(folder: Path, segmentation: Any) -> None:
    write_coco(folder / "annotations.json", [note(1, 1, segmentation, 1)], {1: "door"})
    with pytest.raises(DataError, match=r"^a"):
        carseg.data.load(folder)[0].load()


@pytest.mark.parametrize("size", [-5, 0, 10**7])
def test_a_size_that_no_image_has_is_named(folder: Path, size: int) -> None:
    write_coco(folder / "annotations.json", [note(1, 1, [square(2, 2, 10)], 1)], {1: "door"}, size=size)
    with pytest.raises(DataError, match=f"^a is for an image of {size}x{size}"):
        carseg.data.load(folder)[0].load()


def test_annotations_of_no_image_are_named(folder: Path) -> None:
    notes = [note(1, 1, [square(2, 2, 10)], 1), note(2, 1, [square(2, 2, 10)], 1, image="1")]
    write_coco(folder / "annotations.json", notes, {1: "door"})
    dataset = carseg.data.load(folder)
    assert "image_id '1'" in dataset.problems["annotations.json"]
    assert dataset[0].load()[1].any()


def test_broken_files_name_the_file(folder: Path) -> None:
    write_coco(folder / "annotations.json", [note(1, 44, [square(2, 2, 10)], 1)], {1: "door"})
    with pytest.raises(DataError, match=r"json is no valid COCO.*annotations\[0\]: category_id 44 is none .*\(1\)"):
        carseg.data.load(folder)
    (folder / "annotations.json").write_text('{"images": [')
    with pytest.raises(DataError, match=r"annotations\.json is no valid JSON"):
        carseg.data.load(folder)


def test_an_image_that_is_missing_is_not_taken_from_another_folder(tmp_path: Path) -> None:
    files = ("cam1/a.png", "cam2/a.png", "b.png", "c.png", "c.png", "d.png", "d.jpg")
    write_coco(tmp_path / "annotations.json", [note(1, 1, [square(2, 2, 10)], 100)], {1: "door"}, files)
    for place in ("cam1/a.png", "cam1/b.png", "cam2/c.png", "d.png", "d.jpg"):  # b without the folder it lies in
        save(tmp_path / "images" / place, np.zeros((40, 40, 3), np.uint8))
    dataset = carseg.data.load(tmp_path)
    assert [sample.name for sample in dataset] == ["b", "cam1/a", "d.jpg", "d.png"]
    assert dataset[1].load()[1][5, 5] == 1
    assert "cam2/a.png, which is not there" in dataset.problems["cam2/a"]
    assert "lists c.png twice" in dataset.problems["c"]


def test_more_categories_than_a_label_takes_are_refused(folder: Path) -> None:
    write_coco(folder / "annotations.json", [], {i: f"part {i}" for i in range(255)})
    with pytest.raises(DataError, match="254 at most"):
        carseg.data.load(folder)


def test_images_that_the_file_of_another_split_lists_are_no_problem(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        save(tmp_path / "images" / f"{name}.png", np.zeros((40, 40, 3), np.uint8))
    for split, file in (("train", "a.png"), ("val", "b.png")):
        write_coco(tmp_path / f"{split}.json", [note(1, 1, [square(2, 2, 10)], 100)], {1: "door"}, (file,))
    splits = carseg.data.load_splits(tmp_path)
    assert {split: [sample.name for sample in data] for split, data in splits.items()} == {"train": ["a"], "val": ["b"]}
    assert [list(data.problems) for data in splits.values()] == [["c"], []]


def test_an_image_whose_id_is_anothers_too_is_not_called_unlisted(folder: Path) -> None:
    save(folder / "images" / "b.png", np.zeros((40, 40, 3), np.uint8))
    file = folder / "annotations.json"
    write_coco(file, [note(1, 1, [square(2, 2, 10)], 100)], {1: "door"}, ("a.png", "b.png"))
    file.write_text(file.read_text().replace('"id": 2, "file', '"id": 1, "file'))
    problems = carseg.data.load(folder).problems
    assert ["the id 1 to several images" in why for why in problems.values()] == [True, True]


@pytest.mark.parametrize("area", [None, 0, -3, math.nan, "unknown", "missing"])
def test_an_area_that_is_not_stated_is_that_of_the_pixels(folder: Path, area: Any) -> None:
    drawn = np.zeros((40, 40), bool)
    drawn[10:14, 10:14] = True
    notes = [
        note(1, 2, [square(10, 20, 4)], area),
        note(2, 3, rle.encode(drawn), area),
        note(3, 1, [square(0, 0, 30)], area),
        note(4, 2, [square(0, 0, 5)], 25),  # one that states it takes its place among the others
    ]
    if area == "missing":
        notes = [{key: value for key, value in each.items() if value != area} for each in notes]
    write_coco(folder / "annotations.json", notes, {1: "door", 2: "mirror", 3: "lamp"})
    counts = np.bincount(carseg.data.load(folder)[0].load()[1].ravel()).tolist()
    assert counts == [700, 900 - 16 - 16 - 25, 16 + 25, 16]


def test_the_size_of_an_image_that_is_not_stated_is_the_images(folder: Path) -> None:
    file = folder / "annotations.json"
    write_coco(file, [note(1, 1, [square(2, 2, 10)], 100)], {1: "door"})
    document = json.loads(file.read_text())
    document["images"][0] |= {"height": None, "width": 40.0}
    file.write_text(json.dumps(document))
    assert carseg.data.load(folder)[0].load()[1].sum() == 100


def test_ids_of_images_and_categories_may_be_texts(folder: Path) -> None:
    file = folder / "annotations.json"
    write_coco(file, [note(1, 1, [square(2, 2, 10)], 100)], {1: "door", 2: "mirror"})
    document = json.loads(file.read_text())
    document["images"][0]["id"] = document["annotations"][0]["image_id"] = "6f1c"
    document["annotations"][0] |= {"id": "b7", "category_id": "2"}  # a quoted number, and a category's name
    document["categories"].append({"id": "lamp", "name": "lamp"})
    document["annotations"].append(note(2, 1, [square(20, 20, 5)], 25, "6f1c") | {"category_id": "lamp"})
    file.write_text(json.dumps(document))
    dataset = carseg.data.load(folder)
    assert dataset.labels.classes == ("background", "door", "mirror", "lamp")
    assert np.bincount(dataset[0].load()[1].ravel()).tolist() == [1475, 0, 100, 25]


@pytest.mark.parametrize("ring", [[2, 2, 12, 2], [2, 2], []])
def test_points_of_no_polygon_cover_nothing_if_nothing_is_meant(folder: Path, ring: list[float]) -> None:
    write_coco(folder / "annotations.json", [note(1, 1, [ring], 0)], {1: "door"})
    assert not carseg.data.load(folder).verified()[0].load()[1].any()
    write_coco(folder / "annotations.json", [note(1, 1, [ring], 0) | {"bbox": [2, 2, 10, 7]}], {1: "door"})
    assert "draw an outline instead" in carseg.data.load(folder).verify()["a"]


def test_a_rectangle_of_two_points_is_refused(folder: Path) -> None:
    notes = [note(7, 1, [square(20, 20, 5), [2, 2, 12, 9]], 70)]
    write_coco(folder / "annotations.json", notes, {1: "door"})
    problem = carseg.data.load(folder).verify()["a"]
    assert "a polygon of two points: a rectangle is written with its four corners" in problem
    assert "(annotations[0], id 7, of " in problem
    assert "annotations.json, segmentation)" in problem


@pytest.mark.parametrize("form", ["instances-{}.json", "{}.coco.json"])
def test_splits_are_found_in_names_with_any_separator(tmp_path: Path, form: str) -> None:
    for split in ("train", "val"):
        save(tmp_path / split / f"{split}.jpg", np.zeros((40, 40, 3), np.uint8))
        write_coco(tmp_path / "annotations" / form.format(split), [], {1: "door"}, (f"{split}.jpg",))
    assert [sample.name for sample in carseg.data.load(tmp_path, split="val")] == ["val"]


def test_a_name_without_folders_means_the_image_of_its_own_split(tmp_path: Path) -> None:
    for split, value in (("train", 10), ("val", 200)):
        save(tmp_path / "images" / split / "a.png", np.full((40, 40, 3), value, np.uint8))
        write_coco(tmp_path / "annotations" / f"{split}.json", [], {1: "door"}, ("elsewhere/a.png",))
    assert [carseg.data.load(tmp_path, split=s)[0].load()[0].max() for s in ("train", "val")] == [10, 200]
