"""YOLO polygons, and the ``data.yaml`` that says where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import carseg.data
from carseg.data.load import load_splits
from carseg.errors import DataError, OptionError
from carseg.labels import IGNORE

from drawn_data import SQUARE, SQUARE_MASK, index_folder, save


def yolo_line(label: int, points: list[tuple[float, float]]) -> str:
    return " ".join([str(label), *(f"{x / 64:.6f} {y / 48:.6f}" for x, y in points)])


def yolo_folder(images: Path, *names: str) -> None:
    """Write images, and beside them as labels one polygon each."""
    labels = Path(*("labels" if part == "images" else part for part in images.parts))
    labels.mkdir(parents=True)
    for name in names:
        save(images / f"{name}.jpg", np.zeros((48, 64, 3), np.uint8))
        (labels / f"{name}.txt").write_text(yolo_line(0, SQUARE))


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
        ("1 0.1 0.1 0.9 0.1 0.7 0.5", r"line 1 of .*a\.txt has the class 1, .* it has 0\.\.0"),
        ("254 0.1 0.1 0.9 0.1 0.7 0.5", "class 254"),
        ("9" * 5000 + " 0.1 0.1 0.9 0.1 0.7 0.5", r"class 99.{,120}$"),
        ("0 0.1 0.1 nan 0.1 1e400 0.5", r"outside 0\.\.1: nan in place 3"),
        ("0 0.1 0.1 0.9 0.1", "a box, not a polygon of three points or more"),
    ],
)
def test_yolo_lines_that_are_no_polygons_are_named(tmp_path: Path, line: str, reason: str) -> None:
    save(tmp_path / "images" / "a.jpg", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(line)
    (tmp_path / "data.yaml").write_text("train: images\nnames: [door]\n")
    with pytest.raises(DataError, match=reason):
        carseg.data.load(tmp_path)[0].load()


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


def label_images(folder: Path, description: str) -> Path:
    """Write Ultralytics' layout of semantic segmentation and return its ``data.yaml``."""
    for split in ("train", "val"):
        save(folder / "images" / split / "a.jpg", np.zeros((48, 64, 3), np.uint8))
        save(folder / "masks" / split / "a.png", SQUARE_MASK)
    (folder / "data.yaml").write_text(f"train: images/train\nval: images/val\n{description}")
    return folder / "data.yaml"


def test_data_yaml_with_masks_dir_describes_label_images(tmp_path: Path) -> None:
    file = label_images(tmp_path, "masks_dir: masks\nnames: {'0': background, '1': door}\n")
    (tmp_path / "masks").rename(tmp_path / "Semantic")
    file.write_text(file.read_text().replace("masks_dir: masks", "masks_dir: Semantic"))
    for path in (file, tmp_path):
        found = load_splits(path)
        assert list(found) == ["train", "val"]
        assert (found["val"].labels.classes, found["val"].other_formats) == (("background", "door"), ())
        np.testing.assert_array_equal(found["val"][0].load()[1], SQUARE_MASK)
    save(tmp_path / "Semantic" / "train" / "a.png", SQUARE_MASK * 255)
    save(tmp_path / "Semantic" / "val" / "a.png", SQUARE_MASK * 255)
    np.testing.assert_array_equal(carseg.data.load(file, split="val")[0].load()[1], SQUARE_MASK)


def test_paths_of_the_machine_that_wrote_them_are_found_by_their_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    yolo_folder(tmp_path / "images" / "train", "a")
    yolo_folder(tmp_path / "images" / "val", "b")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "val.txt").write_text("\ufeff..\\images\\val\\b.jpg\r\n", "utf-8")
    for whole in ("/content/cars", "D:\\cars"):
        (tmp_path / "data.yaml").write_text(
            f"path: {whole}\ntrain: {whole}/images/train\nvalidation: lists/val.txt\nnames: [door]\n"
        )
        caplog.clear()
        found = load_splits(tmp_path)
        assert f"images/train, which is not there: {tmp_path}/images/train is read instead" in caplog.text
        assert [(split, len(dataset), dataset.problems) for split, dataset in found.items()] == [
            ("train", 1, {}),
            ("val", 1, {}),
        ]
        np.testing.assert_array_equal(found["val"][0].load()[1], SQUARE_MASK)


def test_the_path_that_data_yaml_states_comes_before_its_own_folder(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "images" / "train", "other")
    yolo_folder(tmp_path / "cars" / "images" / "train", "a")
    (tmp_path / "data.yaml").write_text(f"path: {tmp_path}/cars\ntrain: images/train\nnames: [door]\n")
    assert [sample.name for sample in carseg.data.load(tmp_path)] == ["a"]


def test_folders_and_endings_may_be_written_in_capitals(tmp_path: Path) -> None:
    save(tmp_path / "Images" / "train" / "a.JPG", np.zeros((48, 64, 3), np.uint8), format="JPEG")
    (tmp_path / "Labels" / "train").mkdir(parents=True)
    (tmp_path / "Labels" / "train" / "a.TXT").write_text(yolo_line(0, SQUARE))
    (tmp_path / "data.yaml").write_text("train: Images/train\nval: val.txt\nnames: [door]\n")
    (tmp_path / "val.txt").write_text("./Images/train/a.JPG\n")
    for dataset in load_splits(tmp_path).values():
        np.testing.assert_array_equal(dataset[0].load()[1], SQUARE_MASK)


def test_keypoints_are_no_outlines(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "images", "a")
    (tmp_path / "data.yaml").write_text("train: images\nkpt_shape: [2, 2]\nnames: [door]\n")
    with pytest.raises(DataError, match=r"data\.yaml describes keypoints \(kpt_shape\)"):
        carseg.data.load(tmp_path)


def test_images_without_a_text_file_are_background_where_the_caller_says_so(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "images" / "train", "b")
    for name in ("train/a", "val/c"):
        save(tmp_path / "images" / f"{name}.jpg", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [door]\n")
    found = load_splits(tmp_path)
    assert {split: list(dataset.problems) for split, dataset in found.items()} == {"train": ["a"], "val": ["c"]}
    assert "background_images=True (--background-images on the command line)" in found["train"].problems["a"]
    found = load_splits(tmp_path, background_images=True)
    assert {split: [s.name for s in dataset] for split, dataset in found.items()} == {"train": ["a", "b"], "val": ["c"]}
    assert not any(dataset.problems for dataset in found.values())
    assert not found["train"][0].load()[1].any()


def test_images_without_a_label_image_are_never_background(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a"])
    with pytest.raises(OptionError, match=r"background_images is for .* yolo and labelme, not for masks"):
        carseg.data.load(tmp_path, background_images=True)
