"""What is measured anew by a second benchmark, and what is taken from the first."""

from __future__ import annotations

import functools
import json

import pytest
from PIL import Image

import carseg
from carseg.benchmarking.benchmark import environment
from carseg.benchmarking.rows import read_rows

from benchmark_hub import QUICK, write_hub
from drawn_data import index_folder
from modules import module


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return write_hub(tmp_path_factory.mktemp("hub"))


def keys_before_and_after(change, data, hub, monkeypatch, out=None):
    monkeypatch.setattr(module("benchmarking.benchmark"), "_measure", lambda job, report: ({}, None))
    keys = []
    for act in (lambda: None, change):
        act()
        [row] = carseg.benchmark("doors", data, hub=str(hub), out=out, **QUICK)
        keys.append(row["environment"]["key"])
    return keys


def test_changed_data_is_measured_anew(tmp_path, hub, monkeypatch):
    index_folder(tmp_path / "data", ["a"])
    change = functools.partial(index_folder, tmp_path / "data", ["a"], start=1)
    before, after = keys_before_and_after(change, tmp_path / "data", hub, monkeypatch)
    assert before != after


def test_labels_behind_a_link_that_changed_are_measured_anew(tmp_path, hub, monkeypatch):
    index_folder(tmp_path / "elsewhere", ["a"])
    (tmp_path / "data").mkdir()
    for name in ("images", "masks"):
        (tmp_path / "data" / name).symlink_to(tmp_path / "elsewhere" / name)
    mask = tmp_path / "elsewhere" / "masks" / "a.png"

    def change():
        Image.new("L", (64, 48)).save(mask)

    before, after = keys_before_and_after(change, tmp_path / "data", hub, monkeypatch)
    assert before != after


def test_labels_that_data_yaml_names_elsewhere_and_that_changed_are_measured_anew(tmp_path, hub, monkeypatch):
    for name in ("images", "labels"):
        (tmp_path / "elsewhere" / name).mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(tmp_path / "elsewhere" / "images" / "a.png")
    label = tmp_path / "elsewhere" / "labels" / "a.txt"
    label.write_text("0 0.1 0.1 0.9 0.1 0.9 0.9\n")
    (tmp_path / "coco8.yaml").write_text(f"path: {tmp_path / 'elsewhere'}\nval: images\nnames: [left_door]\n")

    def change():
        label.write_text("0 0.1 0.1 0.2 0.1 0.2 0.2\n")

    before, after = keys_before_and_after(change, tmp_path / "coco8.yaml", hub, monkeypatch)
    assert before != after


def test_results_may_lie_among_the_data(tmp_path, hub, monkeypatch):
    index_folder(tmp_path, ["a"])
    before, after = keys_before_and_after(lambda: None, tmp_path, hub, monkeypatch, out=tmp_path / "figures")
    assert before == after


def test_rows_that_another_process_adds_meanwhile_are_kept(tmp_path, hub, monkeypatch):
    def measure(job, report):
        if job["runtime"] == "torch":
            carseg.benchmark("doors", hub=str(hub), out=tmp_path, **QUICK | {"runtime": "auto"})
        return {}, None

    monkeypatch.setattr(module("benchmarking.benchmark"), "_measure", measure)
    carseg.benchmark("doors", hub=str(hub), out=tmp_path, **QUICK)
    assert [row["runtime"] for row in read_rows(tmp_path / "results.jsonl")] == ["auto", "torch"]


def test_a_coco_file_is_measured_anew_when_an_image_changes(tmp_path, hub, monkeypatch):
    note = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], "area": 32, "iscrowd": 0}
    described = {
        "images": [{"id": 1, "file_name": "a.png", "height": 48, "width": 64}],
        "categories": [{"id": 1, "name": "left_door"}],
        "annotations": [note],
    }
    (tmp_path / "notes.json").write_text(json.dumps(described))
    monkeypatch.setattr(module("benchmarking.benchmark"), "_measure", lambda job, report: ({}, None))
    keys = []
    for side in (48, 48, 60):
        if not keys or side == 60:
            Image.new("RGB", (64, side)).save(tmp_path / "a.png")
        [row] = carseg.benchmark("doors", tmp_path / "notes.json", hub=str(hub), **QUICK)
        keys.append(row["environment"]["key"])
    assert keys[0] == keys[1] != keys[2]


def test_rows_of_another_machine_are_not_taken_and_a_model_given_twice_is_one(hub, tmp_path, monkeypatch):
    measured, here = [], environment()
    monkeypatch.setattr(
        module("benchmarking.benchmark"), "_measure", lambda job, report: (measured.append(job["model"]), ({}, None))[1]
    )
    for processor in ("one", "one", "another"):
        monkeypatch.setattr(
            module("benchmarking.benchmark"), "environment", lambda p=processor: here | {"processor": p}
        )
        assert len(carseg.benchmark(["doors", "doors"], hub=str(hub), out=tmp_path, **QUICK)) == 1
    assert measured == ["doors"] * 2
