"""Cars keep their number from frame to frame: alone, as they cross, behind one another, in several videos."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import carseg
from carseg.cars import Tracker
from carseg.cli.main import main
from carseg.errors import OptionError
from carseg.labels import label_set

from color_hub import write_model

RED = (255, 0, 0)


@pytest.fixture
def cars(tmp_path, own_cache, monkeypatch):
    """Return a network to which all that is red is a car; its hub has one of lanes, too."""
    for name, classes in (("cars", ("background", "car")), ("lanes", ("background", "direct_lane"))):
        write_model(tmp_path / "hub", name, labels=label_set(name, classes), colors=((0, 0, 0), RED))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARSEG_HUB", str(tmp_path / "hub"))
    return carseg.load("cars", device="cpu", runtime="torch", precision="float32")


def frame(*lefts: int) -> np.ndarray:
    """Return a frame of 64 x 96 pixels with a car, 24 pixels long, at each place across."""
    rgb = np.zeros((64, 96, 3), np.uint8)
    for number, left in enumerate(lefts):
        rgb[8 + 28 * number : 28 + 28 * number, max(left, 0) : max(left + 24, 0)] = RED
    return rgb


def met(*cars: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    """Return the boxes of what is seen of two cars, which is one where they touch."""
    (x, y, width, height), (other_x, other_y, other_width, other_height) = cars
    if x > other_x + other_width or other_x > x + width:
        return list(cars)
    left, top = min(x, other_x), min(y, other_y)
    right, bottom = max(x + width, other_x + other_width), max(y + height, other_y + other_height)
    return [(left, top, right - left, bottom - top)]


@pytest.mark.parametrize("speed", [5, 9, 16])
def test_cars_that_cross_are_themselves_again_when_they_part(speed):
    tracker, seen = Tracker(), []
    for number in range(400 // speed):
        boxes = met((number * speed, 100, 80, 40), (400 - number * speed, 110, 90, 45))
        seen.append(tracker.update(boxes))
    assert seen[0] == seen[-1] == [1, 2]
    assert all(ids in ([1, 2], [2]) for ids in seen)  # while they are one it is the nearer


def test_a_car_that_was_hidden_for_a_while_is_the_same_one():
    tracker = Tracker()
    for number in range(10):
        assert tracker.update([(10 * number, 50, 60, 30)]) == [1]
    for _ in range(20):
        assert tracker.update([]) == []
    assert tracker.update([(300, 50, 60, 30), (0, 50, 60, 30)]) == [1, 2]


def test_a_car_that_was_not_seen_for_long_is_forgotten():
    tracker = Tracker()
    tracker.update([(0, 0, 60, 30)])
    for _ in range(31):
        tracker.update([])
    assert tracker.update([(0, 0, 60, 30)]) == [2]


def test_a_car_that_drives_into_view_keeps_its_number():
    tracker = Tracker()
    seen = [
        tracker.update([(0, 50, 12 * number, 30)] if number < 6 else [(12 * number - 60, 50, 60, 30)])
        for number in range(1, 20)
    ]
    assert seen == [[1]] * 19


def test_two_cars_seen_as_one_are_the_one_of_which_more_is_seen():
    tracker, seen = Tracker(), []
    for number in range(66):
        far, near = (40 + number, 60, 160, 90), (400 - 6 * number, 110, 70, 45)
        seen.append(tracker.update(met(far, near)))
    assert [1] in seen and seen[0] == seen[-1] == [1, 2]
    assert all(ids in ([1, 2], [1]) for ids in seen)


@pytest.mark.parametrize("way", [1, -1])
def test_a_sliver_at_the_edge_is_the_car_that_comes_into_view_or_leaves_it(way):
    boxes = [(636, 349, 4, 19), (619, 341, 21, 33), (602, 333, 38, 46), (585, 326, 55, 58), (568, 325, 72, 59)]
    tracker = Tracker()
    assert [tracker.update([box]) for box in boxes[::way]] == [[1]] * 5


def test_ids_stay_as_numbers_change_and_each_video_begins_anew(cars, tmp_path):
    write_clip = pytest.importorskip("drawn_video").write_clip
    frames = [frame(4 * number, 70 - 2 * number) for number in range(6)]
    frames[3][36:56, 40:] = 0  # the second one is cut short: it is the smaller
    frames[3][36:56, 64:80] = RED
    paths = [write_clip(tmp_path / f"{name}.mkv", frames, codec="ffv1") for name in "ab"]
    for result in cars.stream(paths, track=True):
        by_place = sorted(result.cars, key=lambda car: car.bbox[1])
        assert [car.id for car in by_place] == [1, 2]
    assert all(car.id is None for result in cars.stream(paths[0]) for car in result.cars)


def test_frames_of_ones_own_are_tracked(cars):
    seen = [[car.id for car in result.cars] for result in cars.stream((frame(4 * n) for n in range(5)), track=True)]
    assert seen == [[1]] * 5


def test_what_tells_no_cars_cannot_be_tracked(cars):
    lanes = carseg.load("lanes", device="cpu", runtime="torch", precision="float32")
    with pytest.raises(OptionError, match="track=True follows cars, which the classes of lanes do not show"):
        lanes.stream([frame(0)], track=True)


def test_documents_and_tables_of_videos_have_the_ids(cars, capsys):
    pytest.importorskip("drawn_video").write_clip(
        Path("a.mkv"), [frame(4 * n, 60 - 4 * n) for n in range(4)], codec="ffv1"
    )
    how = ("--device", "cpu", "--runtime", "torch")
    assert (
        main(["predict", "a.mkv", "--model", "cars", "--save", "json", "--table", "a.csv", "--format", "json", *how])
        == 0
    )
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    saved = [json.loads(path.read_text()) for path in sorted(Path("carseg-out/a").glob("*.json"))]
    for document in (*printed, *saved):
        assert sorted(car["id"] for car in document["cars"]) == [1, 2]
    rows = list(csv.DictReader(Path("a.csv").read_text().splitlines()))
    assert len(rows) == 8
    assert {(row["y"], row["car_id"]) for row in rows} == {("8", "1"), ("36", "2")}
    assert main(["predict", "a.mkv", "--model", "lanes", "--save", "json", "--format", "json", *how]) == 0
