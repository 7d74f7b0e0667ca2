"""Opening folders: splits, names, and the errors where it cannot be done."""

from __future__ import annotations

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
from carseg.errors import CarsegError, DataError
from carseg.labels import CARVANA, label_set

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
    with pytest.raises(DataError, match="more cannot be opened"):
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
