"""What values of labels mean: class names, class maps, pixels to be ignored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import carseg.data
from carseg.errors import DataError, OptionError, UnknownNameError
from carseg.labels import CARVANA, IGNORE, label_set

from drawn_data import draw_image, draw_mask, index_folder, save


def test_two_values_need_two_names(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", draw_image(draw_mask(0)))
    save(tmp_path / "masks" / "a.png", draw_mask(0, classes=2) * 255)
    (tmp_path / "classes.txt").write_text("car\n")
    with pytest.raises(DataError, match="name both"):
        carseg.data.load(tmp_path)


def test_unnamed_values_become_classes_shared_by_all_splits(tmp_path: Path) -> None:
    index_folder(tmp_path / "train", ["a"], classes=2)
    index_folder(tmp_path / "val", ["b"], classes=4)
    train, val = (carseg.data.load(tmp_path, split=split) for split in ("train", "val"))
    assert train.labels == val.labels
    assert train.labels.classes == ("class_0", "class_1", "class_2", "class_3")


def test_unnamed_values_keep_their_classes_under_the_set_they_made(tmp_path: Path) -> None:
    mask = draw_mask(0) * 10  # 0, 10 and 20
    save(tmp_path / "images" / "a.png", draw_image(draw_mask(0)))
    save(tmp_path / "masks" / "a.png", mask)
    made = carseg.data.load(tmp_path).labels
    assert made.classes == ("class_0", "class_10", "class_20")
    again = carseg.data.load(tmp_path, labels=made)
    assert again.labels == made
    np.testing.assert_array_equal(again[0].load()[1], draw_mask(0))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "background\ndoor\nwheel\n"),
        ("classes.txt", "\ufeffbackground\r\ndoor\r\nwheel\r\n"),
        ("labels.json", '["background", "door", "wheel"]'),
        ("labels.json", '{"0": "background", "1": "door", "2": "wheel"}'),
        ("labels.txt", "__ignore__\n_background_\ndoor\nwheel\n"),
    ],
)
def test_class_files_name_the_values(tmp_path: Path, file: str, text: str) -> None:
    index_folder(tmp_path / "train", ["a"])
    (tmp_path / file).write_text(text, "utf-8")
    for folder in (tmp_path, tmp_path / "train"):
        labels = carseg.data.load(folder, split="train").labels
        assert (labels.classes, labels.background) == (("background", "door", "wheel"), 0)


def test_a_label_set_file_keeps_background_and_colors(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a"], classes=2)
    document = {"name": "lanes", "classes": ["lane", "rest"], "background": 1, "colors": [[1, 2, 3], [4, 5, 6]]}
    document["min_area"] = 0.1
    (tmp_path / "labels.json").write_text(json.dumps(document))
    labels = carseg.data.load(tmp_path).labels
    assert (labels.name, labels.background, labels.foreground) == ("lanes", 1, (0,))
    assert (labels.colors, labels.min_area) == (((1, 2, 3), (4, 5, 6)), 0.1)


def test_names_of_a_known_set_give_the_known_set(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a"], classes=2)
    (tmp_path / "classes.txt").write_text("_background_\nCar\n")
    assert carseg.data.load(tmp_path).labels is CARVANA


def test_named_classes_are_matched_to_a_label_set_by_name(tmp_path: Path) -> None:
    masks = index_folder(tmp_path, ["a"])
    (tmp_path / "classes.txt").write_text("background\ndoor\nwheel\n")
    target = label_set("other", ["background", "wheel", "hood", "door"])
    dataset = carseg.data.load(tmp_path, labels=target)
    assert dataset.labels is target
    np.testing.assert_array_equal(dataset[0].load()[1], np.array([0, 3, 1], np.uint8)[masks["a"]])
    with pytest.raises(DataError, match=r"lacks: door, wheel"):
        carseg.data.load(tmp_path, labels="carvana")


def test_class_maps_merge_rename_and_ignore(tmp_path: Path) -> None:
    masks = index_folder(tmp_path, ["a"], classes=4)
    (tmp_path / "classes.txt").write_text("background\nfront_left_door\nwheel\nfront_right_door\n")
    doors = {"front_left_door": "door", "front_right_door": "door"}
    dataset = carseg.data.load(tmp_path, mapping=doors)
    assert dataset.labels.classes == ("background", "door", "wheel")  # where the first of them was
    np.testing.assert_array_equal(dataset[0].load()[1], np.array([0, 1, 2, 1], np.uint8)[masks["a"]])
    dataset = carseg.data.load(tmp_path, mapping={**doors, "wheel": ""})
    assert dataset.labels.classes == ("background", "door")
    np.testing.assert_array_equal(dataset[0].load()[1], np.array([0, 1, IGNORE, 1], np.uint8)[masks["a"]])
    with pytest.raises(UnknownNameError, match="front_left_door"):
        carseg.data.load(tmp_path, mapping={"front_left_dor": "door"})


def test_a_class_map_also_applies_to_values_named_by_a_label_set(tmp_path: Path) -> None:
    masks = index_folder(tmp_path, ["a"])
    dataset = carseg.data.load(tmp_path, labels="bdd", mapping={"alternative_lane": "lane", "direct_lane": "lane"})
    assert (dataset.labels.classes, dataset.labels.background) == (("lane", "background"), 1)
    np.testing.assert_array_equal(dataset[0].load()[1], np.array([0, 0, 1], np.uint8)[masks["a"]])


def test_class_maps_are_read_from_the_command_line_form() -> None:
    assert carseg.data.parse_mapping(["a=door", "b = door", "c="]) == {"a": "door", "b": "door", "c": ""}
    for wrong in (["door"], ["=door"], ["a=x", "a=y"]):
        with pytest.raises(OptionError):
            carseg.data.parse_mapping(wrong)


def test_0_and_255_are_two_classes_only_where_nothing_else_occurs(tmp_path: Path) -> None:
    binary, ignoring = tmp_path / "binary", tmp_path / "ignoring"
    for i in range(3):
        mask = draw_mask(i, classes=2)
        save(binary / "images" / f"{i}.png", draw_image(mask))
        save(binary / "masks" / f"{i}.png", mask * 255)
        mask[:5] = IGNORE
        save(ignoring / "images" / f"{i}.png", draw_image(mask))
        save(ignoring / "masks" / f"{i}.png", mask)
    np.testing.assert_array_equal(carseg.data.load(binary, labels="carvana")[1].load()[1], draw_mask(1, classes=2))
    assert len(carseg.data.load(binary).labels) == 2
    (binary / "classes.txt").write_text("background\ncar\n")
    np.testing.assert_array_equal(carseg.data.load(binary)[1].load()[1], draw_mask(1, classes=2))
    assert set(np.unique(carseg.data.load(ignoring, labels="carvana")[1].load()[1])) == {0, 1, IGNORE}


def test_values_outside_the_label_set_are_an_error_not_a_class(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a"], classes=4)
    dataset = carseg.data.load(tmp_path, labels=label_set("three", ["background", "door", "wheel"]))
    with pytest.raises(DataError, match=r"not a class of the data set: 3"):
        dataset[0].load()


def test_255_is_ignored_though_the_first_image_has_no_car(tmp_path: Path) -> None:
    for name, classes in (("a", 1), ("b", 2)):
        mask = draw_mask(1, classes=classes)
        mask[:5] = IGNORE
        save(tmp_path / "images" / f"{name}.png", draw_image(mask))
        save(tmp_path / "masks" / f"{name}.png", mask)
    first, second = (sample.load()[1] for sample in carseg.data.load(tmp_path, labels="carvana"))
    assert (set(np.unique(first)), set(np.unique(second))) == ({0, IGNORE}, {0, 1, IGNORE})


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("labels.json", '{"classes": ["background", "car"]}'),
        ("labels.json", '{"0": "background", "1": "car"}'),
        ("_classes.csv", "Pixel Value, Class\n0, background\n1, car\n"),
    ],
)
def test_255_is_ignored_where_a_class_file_states_the_values(tmp_path: Path, file: str, text: str) -> None:
    index_folder(tmp_path / "train", ["a"], classes=2)
    index_folder(tmp_path / "val", ["b"], classes=2)
    save(tmp_path / "val" / "masks" / "b.png", draw_mask(1, classes=2) * IGNORE)
    (tmp_path / file).write_text(text)
    for dataset in (carseg.data.load(tmp_path, split="val"), carseg.data.load(tmp_path / "val")):
        assert dataset.labels.classes == ("background", "car")
        np.testing.assert_array_equal(dataset[0].load()[1], draw_mask(1, classes=2) * IGNORE)


@pytest.mark.parametrize("text", ['{"0": "class_0", "7": "class_7"}', None])
def test_255_is_ignored_though_hardly_an_image_has_the_class(tmp_path: Path, text: str | None) -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[:2] = IGNORE
    for i in range(130):
        mask[4:] = 7 * (i == 1)
        save(tmp_path / "images" / f"{i:03}.png", draw_image(mask))
        save(tmp_path / "masks" / f"{i:03}.png", mask)
    if text:
        (tmp_path / "labels.json").write_text(text)
    dataset = carseg.data.load(tmp_path)
    assert dataset.labels.classes == ("class_0", "class_7")
    assert [set(np.unique(dataset[i].load()[1])) for i in (0, 1)] == [{0, IGNORE}, {0, 1, IGNORE}]


def test_a_broken_label_stops_no_set_without_names_from_opening(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a", "b", "c"])
    (tmp_path / "masks" / "b.png").write_bytes(b"")
    dataset = carseg.data.load(tmp_path)
    assert dataset.labels.classes == ("class_0", "class_1", "class_2")
    assert list(dataset.verify()) == ["b"]
