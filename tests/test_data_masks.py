"""Label images: of Carvana, CamVid, BDD100K, Cityscapes and Pascal VOC, with palettes and with tables of colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg.data
from carseg.errors import DataError
from carseg.labels import BDD, CAMVID, CAMVID32, CARVANA, IGNORE

from drawn_data import draw_image, draw_mask, save


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


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_only_transparency_shows_is_no_empty_label(tmp_path: Path, mode: str) -> None:
    save(tmp_path / "images" / "a.png", draw_image(draw_mask(2)))
    label = Image.new(mode, (64, 48))
    label.putalpha(Image.fromarray(draw_mask(2) * 100))
    (tmp_path / "masks").mkdir()
    label.save(tmp_path / "masks" / "a.png")
    assert "is of one colour, and what it shows is in its transparency" in carseg.data.load(tmp_path).verify()["a"]
    label.putalpha(255)
    label.save(tmp_path / "masks" / "a.png")
    assert not carseg.data.load(tmp_path)[0].load()[1].any()


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
