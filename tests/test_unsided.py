"""Labels that name no side get it from where the parts of a car lie."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import carseg.data
from carseg.cars import VIEWS, told_sides
from carseg.cli.main import main
from carseg.errors import DataError
from carseg.labels import CARPARTS, IGNORE
from carseg.workflows import with_sides

from drawn_car import KIND_OF, KINDS, drawn, write_sideless
from drawn_data import save

SIDE_OF = np.array([("left" in name) - ("right" in name) for name in CARPARTS.classes])


@pytest.mark.parametrize("view", VIEWS)
def test_each_part_gets_its_side(view: str) -> None:
    mask = drawn(view)
    np.testing.assert_array_equal(told_sides(KIND_OF[mask], KINDS), SIDE_OF[mask])


def test_each_of_two_cars_has_its_own_sides() -> None:
    mask = np.concatenate([drawn("front-left"), np.zeros((64, 64), np.uint8), drawn("rear-right")], 1)
    np.testing.assert_array_equal(told_sides(KIND_OF[mask], KINDS), SIDE_OF[mask])


def test_what_cannot_be_told_is_left_open() -> None:
    mask = np.where(np.isin(drawn("left"), np.flatnonzero(SIDE_OF == 0)), 0, drawn("left"))
    door = np.where(mask == CARPARTS.classes.index("back_left_door"), mask, 0).astype(np.uint8)
    assert not told_sides(KIND_OF[door], KINDS).any()  # one door could be that of either side
    assert not told_sides(np.zeros((8, 8), np.uint8), KINDS).any()


def test_converted_labels_have_sides(tmp_path: Path) -> None:
    door = np.where(drawn("left") == CARPARTS.classes.index("back_left_door"), drawn("left"), 0).astype(np.uint8)
    data = write_sideless(tmp_path / "in", rear=drawn("rear-right"), front=drawn("front-left"), door=door)
    assert main(["data", "convert", str(data), "--sides", "--labels", "carparts", "--out", str(tmp_path / "out")]) == 0
    read = carseg.data.load(tmp_path / "out")
    assert read.labels.classes == CARPARTS.classes
    masks = {sample.name: sample.load()[1][::2, ::2] for sample in read}
    np.testing.assert_array_equal(masks["rear"], drawn("rear-right"))
    np.testing.assert_array_equal(masks["front"], drawn("front-left"))
    np.testing.assert_array_equal(masks["door"], np.where(door, IGNORE, 0))


def test_classes_of_ones_own_get_a_left_and_a_right_one(tmp_path: Path) -> None:
    data = write_sideless(tmp_path / "in", a=drawn("front-left"))
    text = "\n".join(KINDS.classes).replace("mirror", "Wing mirror").replace("hood", "Bonnet")
    (data / "classes.txt").write_text(text)
    read = with_sides(carseg.data.load(data, mapping={"Wing mirror": "mirror"}))
    assert {"left_mirror", "right_mirror", "back_left_door", "Bonnet", "wheel"} <= set(read.labels.classes)
    assert len(read.labels.pairs) == 5
    mask = read[0].load()[1]
    assert (mask == read.labels.classes.index("front_left_door")).any()
    assert not (mask == read.labels.classes.index("front_right_door")).any()


def test_what_has_sides_or_no_ends_is_refused(tmp_path: Path) -> None:
    data = write_sideless(tmp_path / "in", a=drawn("left"))
    dataset = carseg.data.load(data)
    with pytest.raises(DataError, match=r"no class of in lacks its side.*--map OLD=NEW"):
        with_sides(with_sides(dataset))
    with pytest.raises(DataError, match="do not tell the front of a car from its back"):
        with_sides(carseg.data.load(data, mapping={name: "mirror" for name in KINDS.classes if name != "background"}))
    with pytest.raises(DataError, match=r"the label set 'car5' lacks back_bumper"):
        with_sides(dataset, "car5")


def test_the_recipe_of_downloaded_parts_takes_a_project_of_supervisely(tmp_path: Path) -> None:
    from recipes.humans_in_the_loop import CLASSES, label

    project = tmp_path / "parts"
    (project / "File1" / "ann").mkdir(parents=True)
    listed = [{"title": title, "shape": "polygon", "color": "#FF0000"} for title in CLASSES]
    (project / "meta.json").write_text(json.dumps({"classes": listed, "tags": []}))
    save(project / "File1" / "img" / "a.jpg", np.zeros((64, 64, 3), np.uint8))
    boxes = {
        "Windshield": (20, 14, 32, 22),
        "Hood": (8, 22, 28, 30),
        "Front-bumper": (4, 34, 22, 48),
        "License-plate": (8, 40, 12, 44),
        "Headlight": (18, 30, 24, 34),
        "Front-door": (34, 24, 44, 40),
        "Front-window": (34, 16, 44, 24),
        "Mirror": (32, 20, 34, 23),
        "Front-wheel": (24, 36, 32, 50),
        "Roof": (34, 10, 50, 14),
    }
    objects = [
        {
            "classTitle": title,
            "geometryType": "polygon",
            "points": {"exterior": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]], "interior": []},
        }
        for title, (x0, y0, x1, y1) in boxes.items()
    ]
    note = {"description": "", "tags": [], "size": {"height": 64, "width": 64}, "objects": objects}
    (project / "File1" / "ann" / "a.jpg.json").write_text(json.dumps(note))
    label(project, tmp_path / "out")
    read = carseg.data.load(tmp_path / "out")
    mask, names = read[0].load()[1], read.labels.classes

    def at(title: str) -> str:
        x0, y0, x1, y1 = boxes[title]
        value = mask[(y0 + y1) // 2, (x0 + x1) // 2]
        return "ignored" if value == IGNORE else names[value]

    shown = {title: at(title) for title in boxes}
    assert shown["Front-door"] == shown["Front-window"] == "front_left_door"
    assert (shown["Headlight"], shown["Mirror"]) == ("front_left_light", "left_mirror")
    assert (shown["License-plate"], shown["Roof"]) == ("ignored", "background")
    assert not read.labels.unpaired
