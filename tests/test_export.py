"""Exported files: what is in them, that they run on any number and size of images, that bad ones are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import carseg
import carseg.data
from carseg import ExportError, OptionError, UnknownNameError
from carseg.cli import process
from carseg.cli.main import main
from carseg.errors import ImageError
from carseg.exporting.acceptance import INT8_AGREEMENT, INT8_LOSS, comparison_images
from carseg.exporting.anylabeling import anylabeling_config
from carseg.exporting.export import _WRITERS, export
from carseg.figures import Estimate
from carseg.hub.manifest import write_config
from carseg.hub.model_info import Int8, Metric
from carseg.hub.resolve import ResolvedWeights, resolve
from carseg.inference import Preprocessor
from carseg.runtimes import calibrate, cpu, start_runtime
from recipes import calibrate as recipe_calibrate

from color_hub import LABELS, SIDE, blocks, photo, write_model
from modules import module

pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a hub that has the model ``blocks``, a cache that the tests share, some images."""
    folder = tmp_path_factory.mktemp("exporting")
    write_model(folder / "hub")
    for i in range(3):
        photo(folder / "images" / f"{i}.png", 96 + 7 * i)
    return folder


@pytest.fixture(autouse=True)
def environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARSEG_HUB", str(folder / "hub"))
    monkeypatch.setenv("CARSEG_CACHE", str(folder / "cache"))
    monkeypatch.setattr(process, "prepare", lambda: None)


def ranges_on_blocks(resolved: ResolvedWeights) -> dict[str, tuple[float, float]]:
    return calibrate(resolved, [Preprocessor(resolved.info.input)(np.asarray(blocks()))]).ranges


def onnx_file(path: Path):
    facts = {info.key: info.value for info in onnx.load(str(path)).metadata_props}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return facts, lambda x: session.run(["logits"], {"pictures": x})[0]


def openvino_file(path: Path):
    openvino = pytest.importorskip("openvino")
    model = openvino.Core().read_model(str(path))
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    facts = model.get_rt_info("carseg").value
    return facts, lambda x: compiled([x])[0]


def torch_file(path: Path):
    extra = {"carseg.json": ""}
    module = torch.export.load(str(path), extra_files=extra).module()
    return json.loads(extra["carseg.json"]), lambda x: module(torch.from_numpy(x)).detach().numpy()


FORMATS = {
    "onnx": (["blocks.onnx", "blocks.yaml"], onnx_file),
    "openvino": (["blocks.xml", "blocks.bin"], openvino_file),
    "torch-export": (["blocks.pt2"], torch_file),
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own, while it exports
def test_a_file_runs_on_any_images_and_states_how(format: str, folder: Path, tmp_path: Path):
    names, read = FORMATS[format]
    if format == "openvino":
        pytest.importorskip("openvino")
    made = export("blocks", tmp_path / "out", format=format, images=folder / "images")
    assert [path.name for path in made.files] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    assert (made.figure, made.value, made.images, made.generated) == ("agreement", 1.0, 3, False)
    facts, run = read(made.files[0])
    rule, labels = json.loads(facts["input"]), json.loads(facts["labels"])
    assert (rule["size"], rule["mean"], rule["channels"]) == ([SIDE, SIDE], [0.5, 0.5, 0.5], "RGB")
    assert (tuple(labels["classes"]), labels["background"]) == (LABELS.classes, LABELS.background)
    assert facts["weights_sha256"] == carseg.load("blocks").info.sha256
    reference = carseg.load("blocks", runtime="torch", device="cpu").runtime
    for shape in ((1, 3, SIDE, SIDE), (3, 3, 17, 45)):
        x = np.random.default_rng(0).standard_normal(shape, np.float32)
        np.testing.assert_allclose(run(x), reference(x), rtol=1e-4, atol=1e-4)


def test_the_x_anylabeling_file_names_model_and_classes(tmp_path: Path):
    yaml = pytest.importorskip("yaml")
    export("blocks", tmp_path)
    settings = yaml.safe_load((tmp_path / "blocks.yaml").read_text())
    assert settings["model_path"] == "blocks.onnx"
    assert settings["classes"] == ["_background_", "left_door", "right_door", "wheel"]
    assert {"type", "name", "display_name"} <= settings.keys()  # without which it is not loaded
    assert (settings["input_height"], settings["mean"]) == (SIDE, [0.5, 0.5, 0.5])


def test_int8_is_calibrated_on_images(folder: Path, tmp_path: Path):
    made = export("blocks", tmp_path, precision="int8", calib=folder / "images")
    assert made.value >= INT8_AGREEMENT
    assert [path.name for path in made.files] == ["blocks.onnx", "blocks.yaml"]
    kinds = {node.op_type for node in onnx.load(str(made.files[0])).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds


def test_int8_as_it_was_published_is_judged_by_what_it_was_measured_to_cost(folder: Path, tmp_path: Path):
    info = write_model(tmp_path / "hub", "stated")
    resolved = resolve("stated", hub=str(tmp_path / "hub"))
    ranges = ranges_on_blocks(resolved)
    for lost in (0.004, 0.006):
        metric = Metric("blocks", "test", 128, "by hand", {"miou": Estimate(0.9)})
        stated = replace(info, int8=Int8(ranges, lost, lost), metrics=(metric,))
        write_config(tmp_path / "hub" / "stated" / "config.json", stated)
        if lost < INT8_LOSS:
            made = export("stated", tmp_path / "out", precision="int8", hub=str(tmp_path / "hub"))
            assert (made.figure, made.value, made.images, made.generated) == ("mIoU lost", lost, 128, False)
        else:
            with pytest.raises(ExportError, match=r"loses 0\.0060 of mIoU"):
                export("stated", tmp_path / "refused", precision="int8", hub=str(tmp_path / "hub"))


class Wrong:
    """A runtime that labels half of every image differently."""

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        logits = carseg.load("blocks", runtime="torch", device="cpu").runtime(batch)
        logits[..., : logits.shape[-1] // 2] *= -1
        return logits


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    write = _WRITERS["onnx"]
    monkeypatch.setitem(_WRITERS, "onnx", lambda *arguments: (write(*arguments)[0], Wrong()))


def test_what_does_not_agree_is_refused_and_leaves_nothing(wrong: None, folder: Path, tmp_path: Path):
    with pytest.raises(ExportError, match=r"only \d+\.\d{3}% of the labels on 3 images agree"):
        export("blocks", tmp_path / "out", images=folder / "images")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "blocks.onnx").write_text("an earlier one")
    with pytest.raises(ExportError):
        export("blocks", tmp_path / "out")
    assert [(path.name, path.read_text()) for path in (tmp_path / "out").iterdir()] == [
        ("blocks.onnx", "an earlier one")
    ]


def test_a_refused_export_ends_with_status_1(wrong: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["export", "blocks", "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "agree with torch in float32" in captured.err


def test_images_that_cannot_be_read_are_not_counted(tmp_path: Path) -> None:
    images = tmp_path / "images"
    photo(images / "sound.png", 96)
    (images / "broken.jpg").write_bytes(b"no image")
    assert export("blocks", tmp_path / "out", images=images).images == 1
    (images / "sound.png").unlink()
    with pytest.raises(ImageError, match=r"no image to compare or calibrate with: .*broken\.jpg"):
        export("blocks", tmp_path / "out", images=images)


def test_the_command_prints_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["export", "blocks", "--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out.split() == [str(tmp_path / "blocks.onnx"), str(tmp_path / "blocks.yaml")]
    assert "agreement 100.000%" in captured.err
    assert "generated images" in captured.err


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"format": "tflite"}, OptionError, "onnx, openvino, torch-export"),
        ({"precision": "int8"}, OptionError, "--calib DIR"),
        ({"precision": "bfloat16"}, OptionError, "onnx cannot be exported in bfloat16"),
        ({"precision": "int8", "calibration": "nowhere.json"}, OptionError, "nowhere.json cannot be read"),
        ({"calibration": "nowhere.json"}, OptionError, "a calibration is for int8, not for precision float32"),
        ({"images": "nowhere/*.jpg"}, carseg.ImageNotFoundError, "matches no file"),
        ({"precision": "int8", "calib": "nowhere"}, carseg.ImageNotFoundError, "no such file or folder"),
    ],
)
def test_wrong_usage(
    options: dict[str, str],
    error: type[Exception],
    message: str,
    tmp_path: Path,
):
    with pytest.raises(error, match=message):
        export("blocks", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UnknownNameError):
        export("blcks", tmp_path / "out")


def test_bfloat16_that_is_no_faster_is_not_stated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved, now = resolve("blocks"), 0.0
    exact = start_runtime(resolved, "torch", "cpu", "float32", None)
    costs = {"torch": {"float32": 2.0, "bfloat16": 3.0}, "openvino": {"float32": 2.0, "bfloat16": 1.0}}

    def start(resolved: ResolvedWeights, name: str, device: str, precision: str, threads: None) -> Any:
        def run(batch: np.ndarray) -> np.ndarray:
            nonlocal now
            now += costs[name][precision]
            return exact(batch)

        return run

    monkeypatch.setattr(recipe_calibrate, "start_runtime", start)
    monkeypatch.setattr(module("runtimes.choose"), "installed", lambda name: name in costs)
    monkeypatch.setattr(cpu, "native_bfloat16", lambda: True)
    monkeypatch.setattr(recipe_calibrate.time, "perf_counter", lambda: now)
    found = recipe_calibrate.measure_runtimes(resolved, [np.asarray(blocks(96, 64))] * 2)
    assert found == {"openvino": {"bfloat16": 1.0, "float32": 1.0}, "torch": {"float32": 1.0}}


def test_int8_is_judged_by_the_miou_that_it_costs_on_labeled_images(
    folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    photo(tmp_path / "data" / "images" / "a.png")
    mask = np.zeros((64, 96), np.uint8)
    mask[:, :32], mask[:, -32:] = 1, 3
    (tmp_path / "data" / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "data" / "masks" / "a.png")
    options = {
        "precision": "int8",
        "calib": folder / "images",
        "data": carseg.data.load(tmp_path / "data", labels=LABELS),
    }
    made = export("blocks", tmp_path / "out", **options)
    assert (made.figure, made.images, made.generated) == ("mIoU lost", 1, False)
    assert abs(made.value) <= INT8_LOSS
    request.getfixturevalue("wrong")
    with pytest.raises(ExportError, match=r"int8 has mIoU 0\.\d+ on 1 images where float32 has"):
        export("blocks", tmp_path / "refused", **options)


def test_float32_must_agree_better_than_int8(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module("exporting.acceptance"), "agreement", lambda masks: (0.995, len(list(masks))))
    with pytest.raises(ExportError, match=r"99\.9% have to"):
        export("blocks", tmp_path)
    assert export("blocks", tmp_path, precision="int8", calib=folder / "images").value == 0.995


def test_what_int8_costs_depends_on_the_processor_and_on_its_ranges(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = write_model(tmp_path / "hub", "stated")
    resolved = resolve("stated", hub=str(tmp_path / "hub"))
    found = ranges_on_blocks(resolved)
    ranges = {place: (2 * low, 2 * high) for place, (low, high) in found.items()}  # others than images give here
    metric = Metric("blocks", "test", 128, "by hand", {"miou": Estimate(0.9)})
    stated = replace(info, int8=Int8(ranges, 0.004, 0.006), metrics=(metric,))
    write_config(tmp_path / "hub" / "stated" / "config.json", stated)
    monkeypatch.setenv("CARSEG_HUB", str(tmp_path / "hub"))
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cpu, "native_int8", lambda: True)
    assert export("stated", tmp_path, precision="int8").value == 0.004
    monkeypatch.setattr(cpu, "native_int8", lambda: False)
    with pytest.raises(ExportError, match=r"loses 0\.0060 of mIoU"):
        export("stated", tmp_path, precision="int8")
    file = tmp_path / "calibration.json"
    export("stated", tmp_path, precision="int8", calib=folder / "images", calibration=file)
    assert export("stated", tmp_path, precision="int8", calibration=file).figure == "agreement"  # nobody measured those
    with pytest.raises(ExportError, match=r"loses 0\.0060 of mIoU"):
        export("stated", tmp_path, precision="int8")


def test_openvino_keeps_float32_weights(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    export("blocks", tmp_path, format="openvino")
    constants = [
        op
        for op in openvino.Core().read_model(str(tmp_path / "blocks.xml")).get_ops()
        if op.get_type_name() == "Constant"
    ]
    assert "f16" not in {op.get_element_type().get_type_name() for op in constants}


def test_the_x_anylabeling_file_knows_height_from_width() -> None:
    yaml = pytest.importorskip("yaml")
    info = resolve("blocks").info
    wide = replace(info, input=replace(info.input, size=(24, 40)))
    settings = yaml.safe_load(anylabeling_config(wide, "blocks.onnx"))
    assert (settings["input_height"], settings["input_width"]) == (24, 40)


def test_some_images_are_spread_over_all_of_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module("exporting.acceptance"), "_MOST_IMAGES", 2)
    assert [path.name for path in comparison_images(folder / "images")] == ["0.png", "2.png"]


def test_an_older_file_has_one_size_and_plain_operators(tmp_path: Path) -> None:
    assert main(["export", "blocks", "--opset", "17", "--size", "40x56", "--out", str(tmp_path)]) == 0
    model = onnx.load(tmp_path / "blocks.onnx")
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
    assert model.ir_version <= 9  # as ONNX Runtime 1.17 reads it
    [source] = model.graph.input
    assert [side.dim_value for side in source.type.tensor_type.shape.dim] == [1, 3, 40, 56]
    assert not {"Shape", "Gather", "Mod", "Where"} & {node.op_type for node in model.graph.node}
    stated = json.loads({each.key: each.value for each in model.metadata_props}["input"])
    assert stated["size"] == [40, 56]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    [logits] = session.run(None, {source.name: np.zeros((1, 3, 40, 56), np.float32)})
    assert logits.shape[:2] == (1, len(LABELS))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"opset": 12}, "opset must lie in 13"),
        ({"opset": 99}, "opset must lie in 13"),
        ({"opset": 17, "format": "openvino"}, "opset and size are for ONNX in float32"),
        ({"size": (64, 64), "precision": "int8"}, "opset and size are for ONNX in float32"),
    ],
)
def test_an_older_file_that_cannot_be(asked: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=words):
        export("blocks", tmp_path / "new", **asked)
    assert not (tmp_path / "new").exists()
