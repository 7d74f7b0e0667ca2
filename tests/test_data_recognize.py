"""Which format a folder is read in, who says so, and images and annotations that lie elsewhere."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

import carseg.data
from carseg.data.formats import ELSEWHERE, FORMATS
from carseg.data.load import load_splits
from carseg.errors import DataError, OptionError, UnknownNameError
from carseg.labels import CAMVID, label_set

from drawn_data import draw_image, draw_mask, index_folder, save
from written_labels import has_the_door, write_coco, write_labelme, write_yolo

THREE = label_set("three", ["background", "door", "wheel"])


# The name of a format


@pytest.fixture
def twofold(tmp_path: Path) -> Path:
    """Return a folder of index PNG, with the same images in a COCO file."""
    index_folder(tmp_path, ["a", "b"])
    write_coco(tmp_path / "annotations.json", "a.png", "b.png")
    return tmp_path


def test_a_named_format_overrules_the_guess(twofold: Path) -> None:
    assert carseg.data.load(twofold).format == "coco"
    named = carseg.data.load(twofold, format="masks", labels=THREE)
    assert named.format == "masks"
    np.testing.assert_array_equal(named[1].load()[1], draw_mask(1))
    assert has_the_door(carseg.data.load(twofold, format="coco"))
    assert load_splits(twofold, format="masks", labels=THREE)[""].format == "masks"
    assert carseg.data.check(twofold, format="masks", labels=THREE).format == "masks"


def test_a_named_format_is_found_in_the_folders_of_splits(tmp_path: Path) -> None:
    for split in ("train", "val"):
        index_folder(tmp_path / split, ["a"])
        write_coco(tmp_path / split / "annotations.json", "a.png")
    assert {split: data.format for split, data in load_splits(tmp_path, format="masks").items()} == {
        "train": "masks",
        "val": "masks",
    }


def test_where_two_formats_fit_it_is_said_which_was_taken(twofold: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = carseg.data.load(twofold)
    assert (dataset.format, dataset.other_formats) == ("coco", ("masks",))
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 1
    assert f"{twofold} is read as coco, but could be masks" in said[0]
    findings = carseg.data.check(twofold)
    assert findings.other_formats == ("masks",)
    assert findings.to_dict()["other_formats"] == ("masks",)


def test_it_is_said_once_for_all_splits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for split in ("train", "val"):
        index_folder(tmp_path / split, ["a"])
        write_coco(tmp_path / split / "annotations.json", "a.png")
    splits = load_splits(tmp_path)
    assert [dataset.other_formats for dataset in splits.values()] == [("masks",), ("masks",)]
    assert len(caplog.records) == 1


def test_nothing_is_said_where_one_format_fits_or_is_named(twofold: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert carseg.data.load(twofold, format="coco").other_formats == ()
    (twofold / "annotations.json").unlink()
    assert carseg.data.load(twofold).other_formats == ()
    assert not caplog.records


def test_a_format_that_recognises_the_folder_and_cannot_read_it_is_no_other(twofold: Path) -> None:
    write_yolo(twofold / "labels" / "a.txt")
    assert carseg.data.load(twofold).other_formats == ("coco", "masks")
    write_coco(twofold / "more.json", "a.png")  # one COCO file too many
    dataset = carseg.data.load(twofold)
    assert (dataset.format, dataset.other_formats) == ("yolo", ("masks",))


def test_an_unknown_format_is_an_error_with_the_nearest(twofold: Path) -> None:
    with pytest.raises(UnknownNameError, match="no format of labelled images 'coko'; did you mean coco"):
        carseg.data.load(twofold, format="coko")


def test_a_folder_that_the_named_format_cannot_read(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a"])
    with pytest.raises(
        DataError, match=r"as voc, which expects JPEGImages/ and SegmentationClass/; it looks like masks"
    ):
        carseg.data.load(tmp_path, format="voc")
    shutil.rmtree(tmp_path / "masks")
    with pytest.raises(DataError, match=r"as masks, which expects images/ and masks/ .*; it holds images/$"):
        carseg.data.load(tmp_path, format="masks")


def test_a_single_file_says_what_it_is(twofold: Path) -> None:
    assert has_the_door(carseg.data.load(twofold / "annotations.json", format="coco"))
    with pytest.raises(DataError, match=r"cannot be read as voc, .* a single \.json is read as coco"):
        carseg.data.load(twofold / "annotations.json", format="voc")


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.NAME)
def test_every_format_says_what_it_expects(form: carseg.data.formats.Format, tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("no labels")
    with pytest.raises(DataError) as error:
        carseg.data.load(tmp_path, format=form.NAME)
    assert form.LAYOUT in str(error.value)
    assert "it holds note.md" in str(error.value)


# Images and annotations elsewhere


def test_masks_in_a_folder_of_another_name(tmp_path: Path) -> None:
    masks = index_folder(tmp_path, ["a", "side/b"])
    (tmp_path / "masks").rename(tmp_path / "painted")
    (tmp_path / "classes.txt").write_text("background\ndoor\nwheel\n")
    with pytest.raises(DataError, match="no labelled images"):
        carseg.data.load(tmp_path)
    for place in ("painted", tmp_path / "painted"):
        dataset = carseg.data.load(tmp_path, annotations=place)
        assert (dataset.format, dataset.labels.classes) == ("masks", ("background", "door", "wheel"))
        for sample in dataset:
            np.testing.assert_array_equal(sample.load()[1], masks[sample.name])


def test_relative_places_begin_at_the_folder_not_where_the_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_folder(tmp_path / "set", ["a"])
    (tmp_path / "set" / "images").rename(tmp_path / "set" / "photos")
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    assert carseg.data.load("set", images="photos")[0].image == tmp_path / "set" / "photos" / "a.png"


def test_images_beside_masks_of_another_folder(tmp_path: Path) -> None:
    mask = draw_mask(0)
    save(tmp_path / "set" / "a.png", draw_image(mask))
    save(tmp_path / "gt2" / "a.png", mask)
    dataset = carseg.data.load(tmp_path / "set", annotations="../gt2", labels=THREE)
    np.testing.assert_array_equal(dataset[0].load()[1], mask)
    turned = carseg.data.load(tmp_path / "gt2", images=tmp_path / "set", labels=THREE)
    np.testing.assert_array_equal(turned[0].load()[1], mask)


@pytest.mark.parametrize("layout", ["{split}/{kind}", "{kind}/{split}"])
def test_splits_in_places_of_other_names(tmp_path: Path, layout: str) -> None:
    for seed, split in enumerate(("train", "val")):
        mask = draw_mask(seed)
        save(tmp_path / layout.format(split=split, kind="photos") / "a.png", draw_image(mask))
        save(tmp_path / layout.format(split=split, kind="painted") / "a.png", mask)
    splits = load_splits(tmp_path, images="photos", annotations="painted", labels=THREE)
    assert list(splits) == ["train", "val"]
    for seed, dataset in enumerate(splits.values()):
        np.testing.assert_array_equal(dataset[0].load()[1], draw_mask(seed))


@pytest.mark.parametrize("name", ["coco", "yolo", "labelme", "masks", "carvana", "voc"])
@pytest.mark.parametrize("named", [True, False])
def test_images_and_annotations_in_two_other_places(tmp_path: Path, name: str, named: bool) -> None:
    home, photos, notes = (tmp_path / part for part in ("set", "photos", "notes"))
    home.mkdir()
    save(photos / "a.png", draw_image(draw_mask(0)))
    square = np.zeros((48, 64), np.uint8)
    square[8:24, 8:24] = 1
    (home / "classes.txt").write_text("door\n" if name == "yolo" else "background\ndoor\n")
    if name == "coco":
        write_coco(notes / "some.json", "a.png")
    elif name == "yolo":
        write_yolo(notes / "a.txt")
    elif name == "labelme":
        write_labelme(notes / "a.json", "a.png")
    elif name == "carvana":
        save(notes / "a_mask.gif", square)
    else:
        save(notes / "a.png", square)
    if name == "voc":
        (home / "ImageSets" / "Segmentation").mkdir(parents=True)
        (home / "ImageSets" / "Segmentation" / "train.txt").write_text("a\n")
    dataset = carseg.data.load(home, format=name if named else "auto", images=photos, annotations=notes)
    assert dataset.format == name
    assert not dataset.problems
    if name == "carvana":
        assert (dataset[0].load()[1] == square).all()
    else:
        assert has_the_door(dataset)


def test_camvid_colours_in_another_place(tmp_path: Path) -> None:
    colors = np.array([(128, 128, 128), (128, 64, 128), (64, 0, 128), (128, 128, 0), (0, 0, 0)], np.uint8)
    save(tmp_path / "photos" / "a.png", colors[draw_mask(5, classes=5)])
    save(tmp_path / "painted" / "a.png", colors[draw_mask(5, classes=5)])
    assert carseg.data.load(tmp_path, images="photos", annotations="painted").labels is CAMVID


def test_one_coco_file_and_images_elsewhere(tmp_path: Path) -> None:
    save(tmp_path / "photos" / "side" / "a.png", draw_image(draw_mask(0)))
    save(tmp_path / "photos" / "not-listed.png", draw_image(draw_mask(1)))
    file = write_coco(tmp_path / "set" / "some.json", "side/a.png")
    write_coco(tmp_path / "set" / "older.json", "gone.png")
    for path, place in ((file, None), (tmp_path / "set", "some.json"), (tmp_path, file)):
        dataset = carseg.data.load(path, images=tmp_path / "photos", annotations=place)
        assert [sample.name for sample in dataset] == ["side/a"]
        assert has_the_door(dataset)
        assert not dataset.problems  # other files may list the rest of the folder
    with pytest.raises(OptionError, match="holds the annotations: give its folder"):
        carseg.data.load(file, annotations="older.json")


def test_data_yaml_gives_the_names_of_annotations_elsewhere(tmp_path: Path) -> None:
    save(tmp_path / "photos" / "a.png", draw_image(draw_mask(0)))
    write_yolo(tmp_path / "texts" / "a.txt")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "data.yaml").write_text("train: images/train\nnames: [door]\n")
    for path in (tmp_path / "set", tmp_path / "set" / "data.yaml"):
        assert has_the_door(carseg.data.load(path, images="../photos", annotations="../texts"))


def test_images_given_go_before_those_that_a_labelme_file_names(tmp_path: Path) -> None:
    save(tmp_path / "set" / "a.png", draw_image(draw_mask(3)))
    write_labelme(tmp_path / "set" / "a.json", "a.png")
    save(tmp_path / "photos" / "a.png", draw_image(draw_mask(0)))
    assert has_the_door(carseg.data.load(tmp_path / "set", images="../photos"))


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in ELSEWHERE], ids=lambda form: form.NAME)
def test_formats_with_places_of_their_own_say_so(form: carseg.data.formats.Format, tmp_path: Path) -> None:
    with pytest.raises(
        OptionError, match=f"the format {form.NAME} .*: images and annotations are for voc, carvana, yolo"
    ):
        carseg.data.load(tmp_path, format=form.NAME, images="photos")


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a"])
    with pytest.raises(DataError, match=f"no images at {tmp_path / 'fotos'}"):
        carseg.data.load(tmp_path, images="fotos")
    with pytest.raises(DataError, match=f"no annotations at {tmp_path / 'mask'}"):
        carseg.data.load(tmp_path, annotations="mask")
