"""Benchmarks: figures that an independent count confirms, one row per model whatever happens, resuming, reports."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib import metadata

import numpy as np
import pytest
import torch
from PIL import Image

import carseg
from carseg.architectures.registry import list_architectures
from carseg.benchmarking import timing
from carseg.benchmarking.benchmark import environment
from carseg.benchmarking.page import write_benchmark_page
from carseg.benchmarking.rows import KEYS, compare_rows, failures, parse_limits, read_rows
from carseg.benchmarking.tables import ROW_FORMATS, format_differences, format_rows
from carseg.errors import DataError, OptionError, UnknownNameError
from carseg.hub.create import create_model
from carseg.hub.model_info import InputSpec, ModelInfo
from carseg.hub.save import save_model
from carseg.images import encode_jpeg
from carseg.labels import label_set

from drawn_data import draw_image, index_folder
from entries import example
from modules import module

jaccard_score = pytest.importorskip("sklearn.metrics").jaccard_score

LABELS = label_set("doors", ("background", "left_door", "right_door"))
ARCHITECTURE = "lraspp-mobilenetv2"
QUICK = {"device": "cpu", "runtime": "torch", "threads": 1, "seconds": 0.05}


def info_of(name: str, architecture: str = ARCHITECTURE, size: tuple[int, int] = (64, 64)) -> ModelInfo:
    spec = InputSpec(size=size, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    changes = {"architecture": architecture, "labels": LABELS, "storage": "float32", "input": spec, "metrics": ()}
    return replace(ModelInfo.from_dict(name, example()), **changes)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Return a hub with one sound model and one whose file was damaged."""
    folder = tmp_path_factory.mktemp("hub")
    torch.manual_seed(0)
    for name in ("doors", "damaged"):
        save_model(folder / name, create_model(ARCHITECTURE, len(LABELS)), info_of(name))
    (folder / "damaged" / "model.safetensors").write_bytes(b"no weights")
    return folder


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


@pytest.fixture(scope="module")
def rows(hub, data, out):
    return carseg.benchmark(["doors", "damaged", "dors"], data, hub=str(hub), out=out, **QUICK)


def test_one_row_per_model_whatever_happens_to_it(rows):
    assert [row["model"] for row in rows] == ["doors", "damaged", "dors"]
    assert all(tuple(row) == KEYS for row in rows)
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


def test_a_class_map_changes_no_other_class(rows, hub, data):
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


def test_what_is_timed_is_what_predict_does(hub):
    model = carseg.load("doors", hub=str(hub), device="cpu")
    image = encode_jpeg(draw_image(np.tile(np.arange(3, dtype=np.uint8), (40, 20))))
    steps = []

    def recorded(function):
        def call(*arguments, **options):
            steps.append((function.__name__, function(*arguments, **options)))
            return steps[-1][1]

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("decode", "preprocess", "to_mask", "class_scores"):
            patch.setattr(timing, name, recorded(getattr(timing, name)))
        assert len(timing._timed(model, image)) == len(timing.PARTS)
    assert [name for name, _ in steps] == ["decode", "preprocess", "to_mask", "class_scores"]
    assert np.array_equal(steps[2][1], model.predict(image).mask)


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


def test_data_is_measured_in_the_format_that_is_named(tmp_path, hub):
    index_folder(tmp_path, ["a", "b"])
    part = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "roof"}]}
    part["images"] = [{"id": i, "file_name": f"{i}.png", "width": 64, "height": 48} for i in (1, 2)]
    (tmp_path / "annotations.json").write_text(json.dumps(part))
    [guessed] = carseg.benchmark("doors", tmp_path, hub=str(hub), **QUICK)
    assert "roof" in guessed["error"]
    [named] = carseg.benchmark("doors", tmp_path, data_format="masks", hub=str(hub), **QUICK)
    assert (named["error"], named["images"]) == (None, 2)
    with pytest.raises(OptionError, match="name it"):
        carseg.benchmark("doors", data_format="masks", hub=str(hub), **QUICK)


def test_without_data_only_speed_is_measured(hub):
    stages = []
    [row] = carseg.benchmark("doors", hub=str(hub), report=lambda *news: stages.append(news[:2]), **QUICK)
    assert row["error"] is None
    assert (row["dataset"], row["split"], row["miou"], row["per_class"]) == ("generated", None, None, None)
    assert row["ms_p50"] > 0
    assert set(stages) == {("doors", "latency"), ("doors", "throughput")}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ran out of memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended with status -11"),
        ("import sys; sys.exit('no such thing')", "no such thing"),
        ("print('{\"figures\": {\"gmacs\": 7}}'); print('{\"figu', end=''); raise SystemExit(3)", "status 3"),
    ],
)
def test_a_process_that_dies_is_a_row(code, error, hub, monkeypatch):
    monkeypatch.setattr(module("benchmarking.benchmark"), "_START", code.replace("{", "{{").replace("}", "}}"))
    [row] = carseg.benchmark("doors", hub=str(hub), **QUICK)
    assert error in row["error"]
    assert row["gmacs"] == (7 if "gmacs" in code else None)
    assert row["weights_sha256"]


def test_broken_images_are_all_named_and_speed_is_still_there(tmp_path, hub):
    index_folder(tmp_path, ["a", "b", "c", "d"])
    (tmp_path / "images" / "b.png").write_bytes(b"")
    (tmp_path / "masks" / "d.png").write_bytes(b"no image")
    [row] = carseg.benchmark("doors", tmp_path, hub=str(hub), **QUICK)
    assert re.search(r"\bb: .*\n.*\bd: ", row["error"])
    assert row["miou"] is None
    assert row["ms_p50"] > 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([],), OptionError),
        (("doors", "no/such/folder"), DataError),
        (("doors", None, {"seconds": 0}), OptionError),
        (("doors", None, {"split": "test"}), OptionError),
        (("doors", None, {"merge": {"door": "car"}}), OptionError),
        (("doors", None, {"threads": 0}), OptionError),
        (("doors", None, {"runtime": "tensorflow"}), UnknownNameError),
        (("doors", None, {"precision": "float8"}), UnknownNameError),
    ],
)
def test_wrong_usage_is_an_error_before_anything_is_measured(arguments, expected):
    models, data, options = (*arguments, None, None)[:3]
    with pytest.raises(expected):
        carseg.benchmark(models, data, **(options or {}))


def test_formats(rows):
    assert [json.loads(line) for line in format_rows(rows, "json").splitlines()] == rows
    table = list(csv.DictReader(io.StringIO(format_rows(rows, "csv"))))
    assert float(table[0]["miou"]) == rows[0]["miou"]
    assert json.loads(table[0]["per_class"]) == rows[0]["per_class"]
    assert list(table[0]) == list(KEYS)
    text, markdown = format_rows(rows, "table"), format_rows(rows, "md")
    assert len(text.splitlines()) == 4
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


def test_multiplications_are_counted_as_by_hand():
    x, convolutions = torch.zeros(1, 3, 64, 96), []
    network = create_model("unet", 3).eval()
    for layer in network.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):

            def count(module, inputs, output):
                pixels = (inputs[0] if isinstance(module, torch.nn.ConvTranspose2d) else output).shape[2:].numel()
                convolutions.append(module.weight.numel() * pixels)

            layer.register_forward_hook(count)
    with torch.no_grad():
        network(x)
    assert timing.count_gmacs(info_of("unet", "unet", (64, 96))) == pytest.approx(sum(convolutions) / 1e9)


@pytest.mark.parametrize("architecture", [n for n in list_architectures() if not re.search("-b[1-5]|101|200", n)])
def test_multiplications_of_every_architecture_can_be_counted(architecture):
    assert 0 < timing.count_gmacs(info_of("any", architecture, (128, 128))) < 200


def test_merged_classes_count_as_one(hub, data):
    merge = {"left_door": "door", "right_door": "door"}
    [row] = carseg.benchmark("doors", data, hub=str(hub), merge=merge, **QUICK)
    assert list(row["per_class"]) == ["background", "door"]


def test_an_unknown_class_to_merge_is_named_before_time_is_measured(hub, data):
    [row] = carseg.benchmark("doors", data, hub=str(hub), merge={"left_dor": "door"}, **QUICK)
    assert "left_dor" in row["error"] and row["ms_p50"] is None


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


def test_an_interrupted_benchmark_leaves_no_process_behind(hub, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    code = "import time; print('{\"progress\": [\"latency\", 1, 2]}', flush=True); time.sleep(5); open(PATH, 'w')"
    code = code.replace("PATH", repr(str(tmp_path / "still there")))
    monkeypatch.setattr(module("benchmarking.benchmark"), "_START", code.replace("{", "{{").replace("}", "}}"))
    with pytest.raises(KeyboardInterrupt):
        carseg.benchmark("doors", hub=str(hub), report=interrupt, **QUICK)
    assert not (tmp_path / "still there").exists()
