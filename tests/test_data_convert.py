"""Converted sets are read back with the same images, labels and classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg.data
from carseg.errors import DataError, OptionError
from carseg.labels import BDD, IGNORE, LabelSet, label_set

from drawn_data import PALETTE, draw_image, draw_mask, index_folder, save

WITHOUT_BACKGROUND = LabelSet("scene", ("sky", "road", "car"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)), None, (2,))


@pytest.mark.parametrize("format", ["png", "coco"])
@pytest.mark.parametrize("labels", [label_set("parts", ["background", "door", "wheel"]), BDD, WITHOUT_BACKGROUND])
def test_round_trip(tmp_path: Path, format: str, labels: LabelSet) -> None:
    source = tmp_path / "source"
    masks = index_folder(source / "train", ["a", "b"]) | index_folder(source / "val", ["street/c"], start=5)
    masks["a"][:6] = IGNORE
    save(source / "train" / "masks" / "a.png", masks["a"])
    for split in ("train", "val"):
        written = carseg.data.convert(carseg.data.load(source, labels=labels, split=split), tmp_path / "out", format)
        read = carseg.data.load(tmp_path / "out", split=split)
        assert read.labels == labels
        assert [s.name for s in read] == [s.name for s in written]
        assert read.problems == {}
        for sample in read:
            rgb, mask = sample.load()
            np.testing.assert_array_equal(mask, masks[sample.name])
            np.testing.assert_array_equal(rgb, draw_image(draw_mask({"a": 0, "b": 1, "street/c": 5}[sample.name])))


@pytest.mark.parametrize("format", ["png", "coco"])
def test_ignored_pixels_stay_ignored_though_no_image_has_the_class(tmp_path: Path, format: str) -> None:
    index_folder(tmp_path / "in", ["a"], classes=1)
    mask = draw_mask(0, classes=2) * IGNORE
    save(tmp_path / "in" / "masks" / "a.png", mask)
    (tmp_path / "in" / "labels.json").write_text('{"0": "background", "1": "car"}')
    carseg.data.convert(carseg.data.load(tmp_path / "in"), tmp_path / "out", format)
    np.testing.assert_array_equal(carseg.data.load(tmp_path / "out")[0].load()[1], mask)


def test_masks_carry_the_palette(tmp_path: Path) -> None:
    index_folder(tmp_path / "in", ["a"])
    colors = tuple(tuple(int(c) for c in color) for color in PALETTE[:3])
    labels = label_set("parts", ["background", "door", "wheel"], colors=colors)
    carseg.data.convert(carseg.data.load(tmp_path / "in", labels=labels), tmp_path / "out")
    with Image.open(tmp_path / "out" / "masks" / "a.png") as mask:
        np.testing.assert_array_equal(np.asarray(mask.convert("RGB")), draw_image(draw_mask(0)))


def test_images_turned_by_exif_are_written_upright_the_others_are_copied(tmp_path: Path) -> None:
    mask, exif = draw_mask(1), Image.Exif()
    exif[0x0112] = 6
    turned = np.ascontiguousarray(np.rot90(draw_image(mask)))
    copied = save(tmp_path / "in" / "images" / "b.jpg", draw_image(mask), quality=80)
    save(tmp_path / "in" / "images" / "a.jpg", turned, exif=exif, quality=95)
    for name in ("a", "b"):
        save(tmp_path / "in" / "masks" / f"{name}.png", mask)
    dataset = carseg.data.load(tmp_path / "in")
    carseg.data.convert(dataset, tmp_path / "out", "coco")
    assert (tmp_path / "out" / "images" / "b.jpg").read_bytes() == copied.read_bytes()
    with Image.open(tmp_path / "out" / "images" / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), dataset[0].load_image())


def test_names_may_end_like_files(tmp_path: Path) -> None:
    masks = index_folder(tmp_path / "in", ["a.png"])
    carseg.data.convert(carseg.data.load(tmp_path / "in"), tmp_path / "out")
    again = carseg.data.load(tmp_path / "out")
    assert [sample.name for sample in again] == ["a.png"]
    np.testing.assert_array_equal(again[0].load()[1], masks["a.png"])


def test_broken_samples_stop_it_or_are_left_out_and_named(tmp_path: Path) -> None:
    index_folder(tmp_path / "in", ["a", "b"])
    (tmp_path / "in" / "images" / "b.png").write_bytes(b"")
    dataset = carseg.data.load(tmp_path / "in", labels="bdd")
    with pytest.raises(DataError, match="b"):
        carseg.data.convert(dataset, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert set(carseg.data.convert(dataset, tmp_path / "out", skip_bad=True).broken) == {"b"}
    assert [s.name for s in carseg.data.load(tmp_path / "out")] == ["a"]


def test_images_of_one_name_are_refused(tmp_path: Path) -> None:
    index_folder(tmp_path / "in", ["0"])
    dataset = carseg.data.load(tmp_path / "in")
    with pytest.raises(DataError, match="belong to several images, 0 for one"):
        carseg.data.convert(replace(dataset, samples=dataset.samples * 2), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten_and_formats_are_checked(tmp_path: Path) -> None:
    index_folder(tmp_path / "in", ["a"])
    dataset = carseg.data.load(tmp_path / "in", labels="bdd")
    carseg.data.convert(dataset, tmp_path / "out")
    with pytest.raises(DataError, match="already"):
        carseg.data.convert(dataset, tmp_path / "out", "coco")
    with pytest.raises(OptionError, match="'jpg'"):
        carseg.data.convert(dataset, tmp_path / "other", "jpg")


def test_all_splits_appear_together_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split in ("train", "val"):
        index_folder(tmp_path / "in" / split, ["a", "b"])
    splits = carseg.data.load_splits(tmp_path / "in", labels="bdd").values()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")

    def stop(done: int, total: int) -> None:
        assert total == 4
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carseg.data.convert_splits(splits, tmp_path / "out", progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]
    carseg.data.convert_splits(splits, tmp_path / "out")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    assert {split: len(data) for split, data in carseg.data.load_splits(tmp_path / "out").items()} == {
        "train": 2,
        "val": 2,
    }


def test_a_folder_that_cannot_be_replaced_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_folder(tmp_path / "in", ["a"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="choose a folder in it"):
        carseg.data.convert(carseg.data.load("in"), ".")


@pytest.mark.parametrize("format", sorted(carseg.data.WRITERS))
def test_nothing_is_written_among_the_files_that_are_converted(tmp_path: Path, format: str) -> None:
    index_folder(tmp_path / "data", ["a", "b"])
    dataset = carseg.data.load(tmp_path / "data")
    before = sorted(tmp_path.rglob("*"))
    for out in ("data/masks", "data", "."):
        with pytest.raises(DataError, match="write into a new folder"):
            carseg.data.convert(dataset, tmp_path / out, format)
    (tmp_path / "link").symlink_to("data/masks")
    with pytest.raises(DataError, match=r"link holds .*a\.png, which is to be read"):
        carseg.data.convert(dataset, tmp_path / "link", format)
    (tmp_path / "link").unlink()
    assert sorted(tmp_path.rglob("*")) == before
