"""``carseg.data.check`` finds what would spoil a training, and nothing where nothing is wrong."""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg.data
from carseg.errors import MissingExtraError
from carseg.labels import CARPARTS, IGNORE, label_set

from drawn_car import drawn, swapped
from drawn_data import draw_image, draw_mask, index_folder, save

THREE = label_set("three", ["background", "left_door", "wheel"])


def test_a_sound_set_has_figures_and_no_problems(tmp_path: Path) -> None:
    masks = index_folder(tmp_path / "train", ["a", "b"])
    masks |= index_folder(tmp_path / "val", ["c"], start=7)
    masks["c"][:4] = IGNORE
    save(tmp_path / "val" / "masks" / "c.png", masks["c"])
    seen: list[tuple[int, int]] = []
    findings = carseg.data.check(tmp_path, labels=THREE, progress=lambda done, total: seen.append((done, total)))
    assert findings.ok
    assert findings.format == "masks"
    assert seen == [(1, 3), (2, 3), (3, 3)]
    train, val = findings.splits["train"], findings.splits["val"]
    both = np.stack([masks["a"], masks["b"]])
    assert train.images == 2
    assert train.class_pixels == [np.count_nonzero(both == i) for i in range(3)]
    assert train.class_images == [2, 2, 2]
    assert (val.ignored_pixels, val.sizes) == (4 * 64, ((64, 48), (64, 48)))
    assert findings.unpaired == ("left_door",)
    assert findings.absent == ()
    assert json.loads(json.dumps(findings.to_dict()))["ok"] is True


def test_each_fault_is_found_and_named_by_its_kind(tmp_path: Path) -> None:
    names = ["good", "truncated", "nolabel", "noimage", "badlabel", "small", "value", "turned"]
    index_folder(tmp_path, names)
    images, masks = tmp_path / "images", tmp_path / "masks"
    (images / "truncated.png").write_bytes((images / "truncated.png").read_bytes()[:90])
    (masks / "nolabel.png").unlink()
    (images / "noimage.png").unlink()
    (masks / "badlabel.png").write_bytes(b"")
    save(masks / "small.png", draw_mask(0, 24, 32))
    save(masks / "value.png", draw_mask(0, classes=5))
    exif = Image.Exif()
    exif[0x0112] = 8
    save(images / "turned.png", draw_image(draw_mask(40)), exif=exif)
    findings = carseg.data.check(tmp_path, labels=THREE)
    assert {problem.name: problem.kind for problem in findings.problems} == {
        "truncated": "image",
        "nolabel": "pairing",
        "noimage": "pairing",
        "badlabel": "label",
        "small": "size",
        "value": "values",
        "turned": "orientation",
    }
    assert not findings.ok
    assert findings.splits[""].rotated == 1
    assert findings.splits[""].class_images[0] == 1  # figures are of the one good sample


def test_the_same_image_in_two_splits_is_a_problem_in_one_a_remark(tmp_path: Path) -> None:
    index_folder(tmp_path / "train", ["a", "b"])
    index_folder(tmp_path / "test", ["c"], start=20)
    for name in ("train/images/copy.jpg", "test/images/leak.jpg"):
        save(tmp_path / name, np.asarray(Image.open(tmp_path / "train/images/a.png").resize((96, 72))), quality=70)
    save(tmp_path / "train/masks/copy.png", draw_mask(0, 72, 96))
    save(tmp_path / "test/masks/leak.png", draw_mask(0, 72, 96))
    findings = carseg.data.check(tmp_path, labels=THREE)
    assert findings.splits["train"].near_duplicates == [("a", "copy")]
    assert [(p.kind, p.split, p.name) for p in findings.problems] == [("near-duplicates", "test", "leak")]
    assert findings.problems[0].text == "shows nearly the same as a of train and 1 more"


def test_classes_that_never_occur_are_listed(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a"], classes=2)
    findings = carseg.data.check(tmp_path, labels=THREE)
    assert findings.absent == ("wheel",)
    assert findings.ok


def test_sizes_are_of_the_smallest_and_the_largest_image(tmp_path: Path) -> None:
    for name, height, width in (("a", 40, 60), ("b", 30, 90), ("c", 48, 64), ("d", 20, 100)):
        save(tmp_path / "images" / f"{name}.png", draw_image(draw_mask(1, height, width)))
        save(tmp_path / "masks" / f"{name}.png", draw_mask(1, height, width))
    assert carseg.data.check(tmp_path, labels=THREE).splits[""].sizes == ((100, 20), (64, 48))


def test_a_missing_extra_is_no_fault_of_the_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "images" / "a.png", draw_image(draw_mask(1)))
    note = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], "area": 32}
    images = [{"id": 1, "file_name": "a.png", "height": 48, "width": 64}]
    document = {"images": images, "annotations": [note], "categories": [{"id": 1, "name": "door"}]}
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(MissingExtraError, match="coco"):
        carseg.data.check(tmp_path)


def test_an_image_inside_a_labelme_file_is_checked_too(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "PNG")
    shape = {"label": "door", "points": [[1, 1], [9, 1], [9, 9]]}
    note = {"shapes": [shape], "imagePath": "gone.png", "imageData": base64.b64encode(file.getvalue()).decode()}
    (tmp_path / "a.json").write_text(json.dumps(note))
    findings = carseg.data.check(tmp_path)
    assert (findings.ok, findings.splits[""].rotated) == (True, 0)


def test_labels_that_look_wrong_are_listed_with_their_places_and_are_no_problems(tmp_path: Path) -> None:
    good = np.kron(drawn("front"), np.ones((4, 4), np.uint8))
    wheel = CARPARTS.classes.index("wheel")
    crumb = good.copy()
    crumb[200:202, 10:12] = wheel
    broken_off = good.copy()
    mirror = CARPARTS.classes.index("left_mirror")
    y, x = np.argwhere(good == mirror)[-1]
    broken_off[y + 2, x] = mirror  # a pixel from the tip of an outline, drawn as pixels
    masks = {
        "good": good,
        "broken off": broken_off,
        "mirror": swapped(good, "left_mirror", "right_mirror"),
        "mirrored": np.array(CARPARTS.flipped, np.uint8)[np.kron(drawn("rear-left"), np.ones((4, 4), np.uint8))],
        "empty": np.where(np.arange(256) < 9, IGNORE, 0).astype(np.uint8) * np.ones((256, 1), np.uint8),
        "crumb": crumb,
    }
    for name, mask in masks.items():
        save(tmp_path / "images" / f"{name}.png", draw_image(mask))
        save(tmp_path / "masks" / f"{name}.png", mask)
    findings = carseg.data.check(tmp_path, labels="carparts")
    assert findings.ok
    found = {(each.name, each.kind) for each in findings.suspicious}
    assert found == {("mirror", "sides"), ("mirrored", "sides"), ("empty", "empty"), ("crumb", "tiny")}
    by_name = {each.name: each for each in findings.suspicious}
    assert by_name["mirror"].text == "right_mirror lies where left_mirror would be"
    assert by_name["mirror"].boxes == ((47 * 4, 20 * 4, 8, 12),)
    assert by_name["crumb"].boxes == ((10, 200, 2, 2),)
    wrong = {each.text.split()[0] for each in findings.suspicious if each.name == "mirrored"}
    assert wrong == {"front_right_door", "back_right_door", "back_right_light", "back_left_light"}


def test_small_pieces_are_meant_where_every_pixel_has_a_class(tmp_path: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[3, 3] = 1
    save(tmp_path / "images" / "a.png", draw_image(mask))
    save(tmp_path / "masks" / "a.png", mask)
    scene = label_set("scene", ["road", "pole"], background=None)
    assert carseg.data.check(tmp_path, labels=scene).suspicious == ()
    assert len(carseg.data.check(tmp_path, labels=label_set("two", ["background", "pole"])).suspicious) == 1
