"""Stacks of images and labels in numpy files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import carseg.data
from carseg.errors import DataError
from carseg.labels import IGNORE, label_set

from drawn_data import draw_image, draw_mask

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
    with pytest.raises(DataError, match="neither one number per pixel nor one-hot"):
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
