"""Opening folders: splits, class names, class maps, and the errors where it cannot be done."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg.data
from carseg.data.load import load_splits
from carseg.data.unlabeled import load_unlabeled
from carseg.errors import CarsegError, DataError, OptionError, UnknownNameError
from carseg.labels import CARVANA, IGNORE, label_set

from drawn_data import draw_image, draw_mask, index_folder, save


def test_images_and_masks_pair_by_name_and_names_may_be_in_folders(tmp_path: Path) -> None:
    masks = index_folder(tmp_path, ["b", "a", "street/a"])
    dataset = carseg.data.load(tmp_path, labels=label_set("mine", ["background", "door", "wheel"]))
    assert [sample.name for sample in dataset] == ["a", "b", "street/a"]
    for sample in dataset:
        rgb, mask = sample.load()
        assert rgb.dtype == mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, masks[sample.name])
        np.testing.assert_array_equal(rgb, draw_image(mask))
    assert (dataset.name, dataset.split, dataset.format) == (tmp_path.name, "", "masks")


@pytest.mark.parametrize("suffix", [".gif", ".HEIC", ".jp2"])
def test_images_are_found_under_every_suffix_that_predict_takes(tmp_path: Path, suffix: str) -> None:
    index_folder(tmp_path, ["a", "b"])
    for image in (tmp_path / "images").iterdir():
        image.rename(image.with_suffix(suffix))
    assert [sample.name for sample in carseg.data.load(tmp_path)] == ["a", "b"]


def test_samples_can_be_sent_to_worker_processes(tmp_path: Path) -> None:
    masks = index_folder(tmp_path, ["a"])
    sample = pickle.loads(pickle.dumps(carseg.data.load(tmp_path)[0]))
    np.testing.assert_array_equal(sample.load()[1], masks["a"])


def test_a_split_is_named_or_is_the_folder_itself(tmp_path: Path) -> None:
    index_folder(tmp_path / "set" / "train", ["a", "b"])
    index_folder(tmp_path / "set" / "valid", ["c"], start=9)
    assert [s.name for s in carseg.data.load(tmp_path / "set", split="val")] == ["c"]
    assert len(carseg.data.load(tmp_path / "set", split="train")) == 2
    inner = carseg.data.load(tmp_path / "set" / "valid")
    assert (inner.name, inner.split) == ("set", "val")
    with pytest.raises(DataError, match="train, val"):
        carseg.data.load(tmp_path / "set")
    with pytest.raises(DataError, match="test"):
        carseg.data.load(tmp_path / "set", split="test")


@pytest.mark.parametrize("inner", [".", "images", "masks"])
def test_two_folders_of_one_split_are_refused(tmp_path: Path, inner: str) -> None:
    for split in ("train", "val"):
        index_folder(tmp_path / split if inner == "." else tmp_path, ["a" if inner == "." else f"{split}/a"])
    shutil.copytree(tmp_path / inner / "val", tmp_path / inner / "valid")
    with pytest.raises(DataError, match="two folders of one split, val and valid"):
        carseg.data.load(tmp_path, split="train")


def test_a_folder_is_the_same_from_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_folder(tmp_path / "set" / "train", ["a"])
    (tmp_path / "set" / "classes.txt").write_text("background\ndoor\nwheel\n")
    monkeypatch.chdir(tmp_path / "set" / "train")
    for dataset in (carseg.data.load("."), carseg.data.load("..", split="train")):
        assert (dataset.name, dataset.split) == ("set", "train")
        assert dataset.labels.classes == ("background", "door", "wheel")
    monkeypatch.chdir(tmp_path)
    assert dataset[0].load()[1].any()


def test_a_linked_folder_is_what_it_is_called(tmp_path: Path) -> None:
    index_folder(tmp_path / "elsewhere", ["a"])
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "val").symlink_to(tmp_path / "elsewhere")
    dataset = carseg.data.load(tmp_path / "set" / "val")
    assert (dataset.name, dataset.split) == ("set", "val")


def test_a_name_may_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_folder(tmp_path / "~set", ["a"])
    monkeypatch.chdir(tmp_path)
    assert carseg.data.load("~set").name == "~set"
    assert len(load_unlabeled("~set/images", CARVANA)) == 1
    monkeypatch.setenv("HOME", str(tmp_path / "~set"))
    assert carseg.data.load("~").name == "~set"


def test_splits_inside_images_and_masks(tmp_path: Path) -> None:
    for split in ("train", "val"):
        mask = draw_mask(1)
        save(tmp_path / "images" / split / "x.png", draw_image(mask))
        save(tmp_path / "masks" / split / "x_mask.png", mask)
    dataset = carseg.data.load(tmp_path, split="train")
    assert [s.name for s in dataset] == ["x"]
    np.testing.assert_array_equal(dataset[0].load()[1], draw_mask(1))


@pytest.mark.parametrize(
    ("images", "labels", "ending"),
    [
        ("images/train", "masks/train", ""),
        ("train", "train_masks", ""),
        ("images/100k/train", "labels/drivable/masks/train", ""),
        ("images/100k/train", "drivable_maps/labels/train", "_drivable_id"),
        ("leftImg8bit/train", "gtFine/train", "_gtFine_labelIds"),
    ],
)
def test_validation_images_without_labels_are_reported_in_every_layout(
    tmp_path: Path, images: str, labels: str, ending: str
) -> None:
    mask = draw_mask(1)
    save(tmp_path / images / "a.png", draw_image(mask))
    save(tmp_path / labels / f"a{ending}.png", mask)
    save(tmp_path / images.replace("train", "val") / "b.png", draw_image(mask))
    save(tmp_path / images.replace("train", "test") / "c.png", draw_image(mask))  # a test split may have none
    found = load_splits(tmp_path)
    assert {split: list(dataset.problems) for split, dataset in found.items()} == {"train": [], "val": ["b"]}


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
    (tmp_path / "labels.json").write_text(json.dumps(document))
    labels = carseg.data.load(tmp_path).labels
    assert (labels.name, labels.background, labels.foreground) == ("lanes", 1, (0,))
    assert labels.colors == ((1, 2, 3), (4, 5, 6))


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


def test_images_are_upright_and_labels_of_the_unturned_image_are_refused(tmp_path: Path) -> None:
    mask = draw_mask(3)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: to be shown rotated by 90 degrees clockwise
    for name, label in (("good", mask), ("bad", np.rot90(mask))):
        save(tmp_path / "images" / f"{name}.png", np.ascontiguousarray(np.rot90(draw_image(mask))), exif=exif)
        save(tmp_path / "masks" / f"{name}.png", np.ascontiguousarray(label))
    bad, good = carseg.data.load(tmp_path)
    rgb, read = good.load()
    np.testing.assert_array_equal(rgb, draw_image(mask))
    np.testing.assert_array_equal(read, mask)
    with pytest.raises(DataError, match="EXIF"):
        bad.load()


def test_values_outside_the_label_set_are_an_error_not_a_class(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a"], classes=4)
    dataset = carseg.data.load(tmp_path, labels=label_set("three", ["background", "door", "wheel"]))
    with pytest.raises(DataError, match=r"no class of the data set: 3"):
        dataset[0].load()


def test_everything_broken_is_named_at_once_or_dropped(tmp_path: Path) -> None:
    index_folder(tmp_path, ["good", "truncated", "empty", "text", "nolabel", "noimage", "badlabel", "small", "value"])
    images, masks = tmp_path / "images", tmp_path / "masks"
    (images / "truncated.png").write_bytes((images / "truncated.png").read_bytes()[:90])
    (images / "empty.png").write_bytes(b"")
    (images / "text.png").write_text("not an image")
    (masks / "nolabel.png").unlink()
    (images / "noimage.png").unlink()
    (masks / "badlabel.png").write_bytes(b"\x89PNG")
    save(masks / "small.png", draw_mask(0, 24, 32))
    save(masks / "value.png", draw_mask(0, classes=5))
    dataset = carseg.data.load(tmp_path, labels=label_set("three", ["background", "door", "wheel"]))
    broken = dataset.verify()
    assert set(broken) == {"truncated", "empty", "text", "nolabel", "noimage", "badlabel", "small", "value"}
    with pytest.raises(DataError) as error:
        dataset.verified()
    assert all(name in str(error.value) for name in broken)
    sound = dataset.verified(skip_bad=True)
    assert [sample.name for sample in sound] == ["good"]
    assert sound.broken == broken
    assert sound.verified().broken == broken


def test_a_data_set_without_one_good_image_is_refused_even_when_skipping(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a"])
    (tmp_path / "images" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="no image"):
        carseg.data.load(tmp_path, labels="bdd").verified(skip_bad=True)


def test_validation_images_that_lost_their_labels_are_named(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        index_folder(tmp_path / split, ["a", "b"])
    for split in ("val", "test"):
        shutil.rmtree(tmp_path / split / "masks")
    splits = load_splits(tmp_path)
    assert list(splits) == ["train", "val"]  # images to be tested on often come without
    assert list(splits["val"].problems) == ["images/a", "images/b"]
    with pytest.raises(DataError, match=r"(?s)2 of the images of .* val cannot be used.*has no label"):
        splits["val"].verified()
    assert len(carseg.data.load(tmp_path, split="train").verified()) == 2


def test_no_images_at_all_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((0, 8, 8, 3), np.uint8))
    np.save(tmp_path / "labels.npy", np.zeros((0, 8, 8), np.uint8))
    with pytest.raises(DataError, match="holds no images"):
        carseg.data.load(tmp_path)


def test_a_folder_that_cannot_be_looked_into_is_refused(tmp_path: Path, forbid: Callable[[str], None]) -> None:
    index_folder(tmp_path, ["a"])
    (tmp_path / "images" / "more").mkdir()
    forbid("more")
    with pytest.raises(DataError, match="more cannot be looked into"):
        carseg.data.load(tmp_path)


def test_an_unknown_folder_is_answered_with_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"(?s)labelme.*coco.*masks"):
        carseg.data.load(tmp_path)
    with pytest.raises(DataError, match="there is no folder"):
        carseg.data.load(tmp_path / "nowhere")
    with pytest.raises(CarsegError, match="carvana"):
        index_folder(tmp_path, ["a"])
        carseg.data.load(tmp_path, labels="carvanna")


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
