"""What a benchmark measures: figures that an independent count confirms, tables, comparisons, a page."""

from __future__ import annotations

import csv
import io
import json
import time
from html.parser import HTMLParser
from importlib import metadata

import numpy as np
import pytest
from PIL import Image

import carseg
from carseg.benchmarking import timing, worker
from carseg.benchmarking.page import write_benchmark_page
from carseg.benchmarking.rows import KEYS, compare_rows, failures, parse_limits, read_rows
from carseg.benchmarking.tables import ROW_FORMATS, format_classes, format_differences, format_rows
from carseg.errors import CarsegError, DataError, OptionError, UnknownNameError
from carseg.hub.create import create_model

from benchmark_hub import ARCHITECTURE, LABELS, QUICK, write_hub
from drawn_data import index_folder
from modules import module
from schemas import validate

jaccard_score = pytest.importorskip("sklearn.metrics").jaccard_score


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return write_hub(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder of two splits, of which "test" has five labelled images."""
    folder = tmp_path_factory.mktemp("data")
    index_folder(folder / "train", ["a", "b"])
    index_folder(folder / "test", ["a", "b", "c", "d", "e"], start=7)
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture
def without_worker(monkeypatch):
    """Let this process measure: a worker would load torch first."""

    def measure(job, report):
        channel, error = io.StringIO(), None
        try:
            worker._Worker(job | {"began": time.time()}, channel).work()
        except CarsegError as failed:
            error = str(failed)
        sent = [json.loads(line) for line in channel.getvalue().splitlines()]
        return {key: value for message in sent for key, value in message.get("figures", {}).items()}, error

    monkeypatch.setattr(module("benchmarking.benchmark"), "_measure", measure)


@pytest.fixture(scope="module")
def rows(hub, data, out):
    return carseg.benchmark(["doors", "damaged", "dors"], data, hub=str(hub), out=out, **QUICK)


def test_one_row_per_model_whatever_happens_to_it(rows):
    assert [row["model"] for row in rows] == ["doors", "damaged", "dors"]
    assert all(tuple(row) == KEYS for row in rows)
    for row in rows:
        validate("row", row)
    sound, damaged, unknown = rows
    assert sound["error"] is None
    assert "sha256" in damaged["error"]
    assert "did you mean doors" in unknown["error"]
    assert damaged["miou"] is None


def test_the_figures_are_those_of_an_independent_count(rows, hub, data):
    model = carseg.load("doors", hub=str(hub), device="cpu", runtime="torch", threads=1)
    truths, predictions = [], []
    for path in sorted((data / "test" / "images").iterdir()):
        predictions.append(model.predict(path).mask.ravel())
        truths.append(np.asarray(Image.open(data / "test" / "masks" / path.name)).ravel())
    truth, prediction = np.concatenate(truths), np.concatenate(predictions)
    iou = jaccard_score(truth, prediction, labels=[0, 1, 2], average=None, zero_division=0)
    assert rows[0]["miou"] == pytest.approx(iou.mean(), abs=1e-9)
    assert rows[0]["per_class"] == pytest.approx(dict(zip(LABELS.classes, iou, strict=True)), abs=1e-9)
    assert rows[0]["pixel_acc"] == pytest.approx(np.mean(truth == prediction), abs=1e-9)
    assert rows[0]["miou_ci"][0] <= rows[0]["miou"] <= rows[0]["miou_ci"][1]
    assert (rows[0]["split"], rows[0]["images"]) == ("test", 5)


def test_a_class_map_changes_no_other_class(rows, hub, data, without_worker):
    """The labels name no classes, so that the class map makes a label set of its own of them."""
    (row,) = carseg.benchmark("doors", data, hub=str(hub), mapping={"left_door": "ignore"}, **QUICK)
    model = carseg.load("doors", hub=str(hub), device="cpu", runtime="torch", threads=1)
    hits = unions = 0
    for path in sorted((data / "test" / "images").iterdir()):
        truth = np.asarray(Image.open(data / "test" / "masks" / path.name))
        found = model.predict(path).mask[truth != 1] == 2
        hits += np.count_nonzero(found & (truth == 2)[truth != 1])
        unions += np.count_nonzero(found | (truth == 2)[truth != 1])
    assert row["per_class"]["right_door"] == pytest.approx(hits / unions, abs=1e-9)
    assert row["per_class"]["left_door"] is None


def test_speed_and_size_make_sense(rows, hub):
    row = rows[0]
    parts = sum(row[f"ms_{part}"] for part in timing.PARTS)
    assert 0 < parts < 2 * row["ms_p50"]
    assert row["ms_p50"] <= row["ms_p95"]
    assert row["images_per_s"] > 0
    assert row["batch"] in (1, 2, 4, 8, 16, 32, 64)
    assert 0.1 < row["cold_start_s"] < 120
    assert 50 < row["peak_mem_mb"] < 4000
    assert row["size_mb"] == (hub / "doors" / "model.safetensors").stat().st_size / 1e6
    assert row["params_m"] == sum(p.numel() for p in create_model(ARCHITECTURE, 3).parameters()) / 1e6
    assert (row["runtime"], row["precision"], row["device"], row["threads"]) == ("torch", "float32", "cpu", 1)
    assert row["environment"]["torch"] == metadata.version("torch")


def test_a_second_run_takes_what_is_there_and_repeats_what_failed(rows, hub, data, out, monkeypatch):
    measured = []
    monkeypatch.setattr(
        module("benchmarking.benchmark"),
        "_measure",
        lambda job, report: (measured.append(job["model"]), ({}, "again"))[1],
    )
    again = carseg.benchmark(["doors"], data, hub=str(hub), out=out, **QUICK)
    assert (again, measured) == ([rows[0]], [])
    carseg.benchmark(["doors"], data, hub=str(hub), out=out, resume=False, **QUICK)
    carseg.benchmark(["doors"], data, hub=str(hub), out=out, **QUICK)  # the row of the last run is an error
    carseg.benchmark(["doors"], data, hub=str(hub), out=out, split="train", **QUICK)
    assert measured == ["doors"] * 3
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")  # what limits the processor from outside
    carseg.benchmark(["doors"], data, hub=hub, out=out, **QUICK)
    assert measured == ["doors"] * 4
    assert len(read_rows(out / "results.jsonl")) == 5


def test_the_split_is_chosen_from_what_data_yaml_names(tmp_path, hub, monkeypatch):
    for name in ("images", "labels"):
        (tmp_path / name / "val").mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(tmp_path / "images" / "val" / "a.png")
    (tmp_path / "labels" / "val" / "a.txt").write_text("0 0.1 0.1 0.9 0.1 0.9 0.9\n")
    (tmp_path / "data.yaml").write_text("val: images/val\nnames: [left_door]\n")
    monkeypatch.setattr(
        module("benchmarking.benchmark"), "_measure", lambda job, report: ({"split": job["split"]}, None)
    )
    [row] = carseg.benchmark("doors", tmp_path / "data.yaml", hub=str(hub), **QUICK)
    assert row["split"] == "val"


def test_data_is_measured_in_the_format_that_is_named(tmp_path, hub, without_worker):
    index_folder(tmp_path, ["a", "b"])
    part = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "roof"}]}
    part["images"] = [{"id": i, "file_name": f"{i}.png", "width": 64, "height": 48} for i in (1, 2)]
    (tmp_path / "annotations.json").write_text(json.dumps(part))
    [guessed] = carseg.benchmark("doors", tmp_path, hub=str(hub), **QUICK)
    assert "roof" in guessed["error"]
    [named] = carseg.benchmark("doors", tmp_path, data_format="masks", hub=str(hub), **QUICK)
    assert (named["error"], named["images"]) == (None, 2)
    with pytest.raises(OptionError, match="data_format without data"):
        carseg.benchmark("doors", data_format="masks", hub=str(hub), **QUICK)


def test_images_without_a_label_and_lines_are_measured_as_the_options_say(tmp_path, hub, without_worker):
    line = {"label": "left_door", "points": [[0, 8], [64, 8]], "shape_type": "line"}
    box = {"label": "right_door", "points": [[4, 20], [40, 40]], "shape_type": "rectangle"}
    for name in ("a", "b"):
        Image.new("RGB", (64, 48)).save(tmp_path / f"{name}.png")
    (tmp_path / "a.json").write_text(json.dumps({"shapes": [line, box], "imagePath": "a.png"}))
    [refused] = carseg.benchmark("doors", tmp_path, hub=str(hub), **QUICK)
    assert "--background-images" in refused["error"]
    [refused] = carseg.benchmark("doors", tmp_path, hub=str(hub), background_images=True, **QUICK)
    assert "--line-width" in refused["error"]
    [row] = carseg.benchmark("doors", tmp_path, hub=str(hub), background_images=True, line_width=4, **QUICK)
    assert (row["error"], row["images"]) == (None, 2)
    assert None not in row["per_class"].values()
    [row] = carseg.benchmark("doors", tmp_path, hub=str(hub), background_images=True, line_width=0, **QUICK)
    assert row["per_class"]["left_door"] in (None, 0.0)
    with pytest.raises(OptionError, match="background_images and line_width without data"):
        carseg.benchmark("doors", hub=str(hub), background_images=True, line_width=0, **QUICK)
    with pytest.raises(OptionError, match="yolo and labelme, not for masks"):
        index_folder(tmp_path / "masks", ["a"])
        carseg.benchmark("doors", tmp_path / "masks", hub=str(hub), background_images=True, **QUICK)


def test_formats(rows):
    assert [json.loads(line) for line in format_rows(rows, "json").splitlines()] == rows
    table = list(csv.DictReader(io.StringIO(format_rows(rows, "csv"))))
    assert float(table[0]["miou"]) == rows[0]["miou"]
    assert json.loads(table[0]["per_class"]) == rows[0]["per_class"]
    assert list(table[0]) == list(KEYS)
    text, markdown = format_rows(rows, "table"), format_rows(rows, "md")
    blocks = text.split("\n\n")
    assert len(blocks) > 1 and all(len(block.splitlines()) == 4 for block in blocks)
    assert all(block.startswith("model") and "doors" in block for block in blocks)
    assert max(map(len, text.splitlines())) <= 100
    assert f"{rows[0]['miou']:.4f}" in text
    assert len({line.count("|") for line in markdown.splitlines()}) == 1
    assert "json" in ROW_FORMATS
    broken = [rows[0] | {"error": "cannot be loaded:\nno such file"}, *rows[1:]]
    for form in ("table", "md"):
        assert len(format_rows(broken, form).splitlines()) == len(format_rows(rows, form).splitlines())
    with pytest.raises(UnknownNameError, match="table"):
        format_rows(rows, "tabel")


def test_the_page_is_whole_and_needs_nothing_else(rows, out, data):
    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.seen, self.addresses = [], [], []

        def handle_starttag(self, tag, attributes):
            self.seen.append(tag)
            self.addresses += [value for name, value in attributes if name in ("src", "href")]
            if tag not in ("meta", "img"):
                self.open.append(tag)

        def handle_startendtag(self, tag, attributes):
            self.seen.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    write_benchmark_page(rows, out / "page.html", details=out / "details")
    page = (out / "page.html").read_text()
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    assert reader.seen.count("svg") == 3  # mIoU against time, bars, confusion matrix
    assert reader.seen.count("img") == 5
    assert all(address.startswith("data:image/jpeg;base64,") for address in reader.addresses)
    assert "did you mean doors" in page
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_details_hold_every_figure(rows, out):
    folder = out / "details" / rows[0]["environment"]["key"]
    details = json.loads((folder / "scores.json").read_text())
    validate("scores", details)
    assert details["scores"]["miou"] == rows[0]["miou"]
    assert np.sum(details["scores"]["confusion"]) == 5 * 48 * 64
    mious = [image["miou"] for image in details["worst"]]
    assert mious == sorted(mious)
    assert (folder / details["worst"][0]["file"]).exists()


def test_comparing(rows):
    other = rows[0] | {"miou": 0.5, "miou_ci": [0.4, 0.7], "ms_p50": 10.0}
    now = rows[0] | {"miou": 0.6, "miou_ci": [0.5, 0.65], "ms_p50": 8.0}
    differences = {d["figure"]: d for d in compare_rows([now, rows[1]], [other])}
    assert differences["miou"]["difference"] == pytest.approx(0.1)
    assert differences["miou"]["interval"] == pytest.approx([0.1 - np.hypot(0.1, 0.2), 0.1 + np.hypot(0.05, 0.1)])
    assert differences["ms_p50"]["difference"] == pytest.approx(-2)
    assert differences["ms_p50"]["interval"] is None
    assert "+0.1" in format_differences(list(differences.values()))
    assert compare_rows([now | {"split": "val"}], [other]) == []
    merged = other | {"per_class": {"background": 0.9, "door": 0.8}}
    assert "miou" not in {d["figure"] for d in compare_rows([now], [merged])}
    fewer = other | {"images": 1}
    assert {d["figure"] for d in compare_rows([now], [fewer])} & {"miou", "ms_p50"} == {"ms_p50"}


def test_rows_are_compared_with_those_of_the_same_setting(rows):
    slow = rows[0] | {"runtime": "onnx", "ms_p50": 50.0}
    fast = rows[0] | {"ms_p50": 10.0}
    for others in ([fast, slow], [slow, fast]):
        [time] = [d for d in compare_rows([fast], others) if d["figure"] == "ms_p50"]
        assert time["difference"] == 0
    [time] = [d for d in compare_rows([fast], [slow]) if d["figure"] == "ms_p50"]
    assert (time["difference"], time["against"][:4]) == (-40, "onnx")


def test_limits(rows):
    limits = parse_limits(["miou=0.5", "side_error=0.2"])
    good = rows[0] | {"miou": 0.5, "side_error": 0.2}
    assert failures([good], limits) == []
    bad = failures([good | {"miou": 0.49, "side_error": 0.3}, rows[2]], limits)
    assert "miou is 0.4900, below 0.5" in bad[0]
    assert "side_error is 0.3000, above 0.2" in bad[1]
    assert len(bad) == 4
    for wrong in ("miou", "miou=high", "miou=nan"):
        with pytest.raises(OptionError, match=r"miou=0\.5"):
            parse_limits([wrong])
    with pytest.raises(UnknownNameError, match="miou"):
        parse_limits(["mio=0.5"])


def test_rows_are_read_from_lines_and_lists(rows, tmp_path):
    path = tmp_path / "rows.json"
    for text in (format_rows(rows, "json"), json.dumps(rows)):
        path.write_text(text)
        assert read_rows(path) == rows
    path.write_text('{"miou": 0.5}')
    with pytest.raises(DataError, match="'model' is missing"):
        read_rows(path)


def test_it_is_said_where_classes_are_matched_by_place(hub, data, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module("benchmarking.benchmark"), "_measure", lambda job, report: ({}, None))
    carseg.benchmark("doors", data, hub=str(hub), **QUICK)
    assert f"{data} names no classes: the values of its labels are matched" in caplog.text
    caplog.clear()
    index_folder(tmp_path, ["a"])
    (tmp_path / "classes.txt").write_text("\n".join(LABELS.classes))
    carseg.benchmark("doors", tmp_path, hub=str(hub), **QUICK)
    assert caplog.text == ""


def test_the_iou_of_each_class_is_a_table(rows):
    assert format_classes(rows[1:]) == ""
    lines = [line.split() for line in format_classes(rows).splitlines()]
    assert lines[0] == ["IoU", "doors"]
    assert lines[1:] == [[name, f"{iou:.4f}"] for name, iou in rows[0]["per_class"].items()]
    bare = rows[0] | {"model": "bare", "per_class": {"background": 1.0, "door": None}}
    assert "bare" in format_classes([rows[0], bare]).split("\n\n")[1]  # other classes, another table
    assert "over one class, background" in format_rows([bare], "table")


def test_merged_classes_count_as_one(hub, data, without_worker):
    merge = {"left_door": "door", "right_door": "door"}
    [row] = carseg.benchmark("doors", data, hub=str(hub), merge=merge, **QUICK)
    assert list(row["per_class"]) == ["background", "door"]


def test_an_unknown_class_to_merge_is_named_before_time_is_measured(hub, data, without_worker):
    [row] = carseg.benchmark("doors", data, hub=str(hub), merge={"left_dor": "door"}, **QUICK)
    assert "left_dor" in row["error"] and row["ms_p50"] is None
