"""The manifest: what it accepts, what it refuses and with which errors."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carseg.errors import ManifestError
from carseg.hub.manifest import ROOT, Manifest, load_manifest, read_config, write_config
from carseg.hub.model_info import ModelInfo
from carseg.labels import CARVANA, label_set

from entries import example


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the example with one value, at a dotted path, replaced."""
    data = example()
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    inner: Any = data
    for key in parents:
        inner = inner[key]
    inner[last] = value
    return data


def test_json_becomes_typed_values_and_back():
    info = ModelInfo.from_dict("unet-carvana", example())
    assert info.labels is CARVANA
    assert info.input.size == (320, 480)
    assert info.input.std == (1.0, 1.0, 1.0)
    assert info.metrics[0].miou_ci == (0.97, 0.99)
    assert info.metrics[0].per_class["car"] is None
    assert info.data[0].role == "training"
    assert not info.embedded
    assert ModelInfo.from_dict("unet-carvana", json.loads(json.dumps(info.to_dict()))) == info


def test_config_is_the_info_with_its_name(tmp_path: Path):
    mine = label_set("doors", ("background", "left_door", "right_door"))
    info = dataclasses.replace(ModelInfo.from_dict("my-unet", example()), labels=mine, metrics=())
    write_config(tmp_path / "config.json", info)
    assert read_config(tmp_path / "config.json") == info
    assert json.loads((tmp_path / "config.json").read_text())["name"] == "my-unet"
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


def test_label_set_under_a_known_name_but_with_other_classes_survives():
    mine = label_set("carvana", ("background", "van"))
    info = dataclasses.replace(ModelInfo.from_dict("x", example()), labels=mine, metrics=())
    assert ModelInfo.from_dict("x", info.to_dict()).labels == mine


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sha256", "A" * 64, "sha256: must be 64 lower-case hexadecimal digits"),
        ("bytes", "1000", "bytes: must be a whole number"),
        ("bytes", True, "bytes: must be a whole number"),
        ("parameters", 0, "parameters: must be at least 1"),
        ("storage", "int4", "storage: must be one of int8, float16, float32, got 'int4'"),
        ("commercial_use", "maybe", "commercial_use: must be one of yes, no, unclear"),
        ("file", "../model.safetensors", "file: must be a plain name"),
        ("file", "model.pth", "file: must be a plain name that ends in .safetensors"),
        ("labels", "carvanna", "labels: no label set 'carvanna'"),
        ("labels", {"name": "x"}, "labels.classes: missing"),
        ("labels", {"name": "x", "classes": ["a"], "colors": [], "background": 0, "foreground": []}, "0 colours"),
        ("input", [320, 320], "input: must be an object"),
        ("input.size", [320], "input.size: must have 2 values"),
        ("input.size.1", 3.5, "input.size.1: must be a whole number"),
        ("input.std.0", 0, "input.std: must be above 0"),
        ("input.resize", "crop", "input.resize: must be one of stretch, fit"),
        ("input.crop", 1, "input.crop: no such field"),
        ("data", {}, "data: must be a list"),
        ("data.0.licence", "", "data.0.licence: must say something"),
        ("data.0.role", "fun", "data.0.role: must be one of training"),
        ("metrics.0.miou", 75.1, "metrics.0.miou: must lie in 0..1"),
        ("metrics.0.miou", float("nan"), "metrics.0.miou: must be a number"),
        ("metrics.0.miou_ci", [0.9, 0.8], "metrics.0.miou_ci: must be (low, high)"),
        ("metrics.0.per_class.van", 0.5, "metrics.0: classes that 'carvana' lacks: ['van']"),
        ("metrics.0.per_class.car", "0.5", "metrics.0.per_class.car: must be a number"),
        (
            "metrics.0.confused_most",
            {"truth": "car", "taken_for": "van", "share": 0.5},
            "metrics.0: classes that 'carvana' lacks: ['van']",
        ),
        ("runtimes", {"onnx": {"float32": "all"}}, "runtimes.onnx.float32: must be a number"),
        ("licence", "", "licence: must say something"),
        ("embeded", True, "embeded: no such field"),
    ],
)
def test_error_names_model_field_and_reason(path: str, value: Any, message: str):
    with pytest.raises(ManifestError) as caught:
        ModelInfo.from_dict("unet-carvana", changed(path, value))
    assert str(caught.value).startswith("model 'unet-carvana': ")
    assert message in str(caught.value)


def test_missing_field_is_named():
    data = example()
    del data["licence"]
    with pytest.raises(ManifestError, match="model 'x': licence: missing"):
        ModelInfo.from_dict("x", data)


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "a b"])
def test_name_that_could_leave_its_folder_is_refused(name: str):
    with pytest.raises(ManifestError, match="name: may have letters"):
        ModelInfo.from_dict(name, example())


def test_objects_made_in_python_are_checked_too():
    info = ModelInfo.from_dict("x", example())
    with pytest.raises(ManifestError, match="bytes: must be a whole number"):
        dataclasses.replace(info, bytes="1000")


def test_manifest_file_round_trip(tmp_path: Path):
    path = tmp_path / "weights_manifest.json"
    manifest = Manifest(
        hubs=("https://example.org/w",), models={n: ModelInfo.from_dict(n, example()) for n in ("b", "a")}
    )
    manifest.save(path)
    again = load_manifest(path)
    assert again == manifest
    assert list(again.models) == ["a", "b"]


def test_networks_that_refine_stand_apart_and_are_handed_on_alike(tmp_path: Path):
    path = tmp_path / "weights_manifest.json"
    sharper = {**example(), "input": {"size": [96, 96], "mean": [0.5] * 4, "std": [0.5] * 4}}
    infos = {name: ModelInfo.from_dict(name, data) for name, data in {"a": example(), "sharper": sharper}.items()}
    Manifest((), {"a": infos["a"]}, refiners={"sharper": infos["sharper"]}).save(path)
    again = load_manifest(path)
    assert list(again.models) == ["a"] and again.weights == infos
    assert [info.input.channels for info in infos.values()] == [3, 4]
    with pytest.raises(ManifestError, match=r"refiners: .*'a'.* are models too"):
        Manifest((), infos, refiners={"a": infos["a"]})


def refusal(read: Callable[[Path], object], path: Path, content: str) -> str:
    """Return the error about a file, which names it."""
    path.write_text(content)
    with pytest.raises(ManifestError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "models: must be an object"),
        ('{"hubs": [], "models": {}, "schema": 2}', "schema: must be 1, got 2"),
        ('{"models": {}}', "hubs: missing"),
        ('{"hubs": [], "models": {}, "refiners": []}', "refiners: must be an object"),
        ('{"hubs": [], "models": {}, "refiners": {"x": 1}}', "model 'x': entry: must be an object"),
        ('{"hubs": [], "models": {"x": 1}}', "model 'x': entry: must be an object"),
    ],
)
def test_broken_file_is_named(tmp_path: Path, content: str, message: str):
    assert message in refusal(load_manifest, tmp_path / "weights_manifest.json", content)


def test_own_manifest_is_valid_and_names_files_that_exist():
    for name, info in load_manifest().models.items():
        folder = ROOT / "weights" / name
        if info.embedded:
            assert (folder / info.file).stat().st_size == info.bytes
        if folder.exists():
            assert read_config(folder / "config.json") == info


def test_reading_it_imports_the_standard_library_only():
    code = (
        "import sys, carseg.hub as m; m.load_manifest();"
        "print(sorted({n.split('.')[0] for n in sys.modules} - sys.stdlib_module_names - {'carseg', '__main__'}))"
    )
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("input.size.0", 0, "input.size: must be at least 1"),
        ("input.multiple", 0, "input.multiple: must be at least 1"),
        ("metrics.0.images", 0, "metrics.0.images: must be at least 1"),
        ("data.0.images", 0, "data.0.images: must be at least 1"),
        ("int8", {"ranges": {"a:Conv": [1, 0]}, "miou_lost": 0, "miou_lost_seven_bits": 0}, "must be (low, high)"),
    ],
)
def test_numbers_that_make_no_sense_are_named(path: str, value: Any, message: str):
    with pytest.raises(ManifestError) as caught:
        ModelInfo.from_dict("unet-carvana", changed(path, value))
    assert message in str(caught.value)


LOST = {"miou_lost": 0, "miou_lost_seven_bits": 0}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("input.size", [10**6, 320], "input.size: must be at most 4096"),
        ("input.multiple", 10**6, "input.multiple: must be at most 4096"),
        ("input.mean.0", 10**400, "input.mean.0: must be a number"),
        ("bytes", 10**18, "bytes: must be at most"),
        ("parameters", 10**400, "parameters: must be a whole number of at most 64 bits"),
        ("licence", "x" * 10**5, "licence: must have at most 4000 characters"),
        ("data", [example()["data"][0]] * 10**4, "data: must have at most 2000 values"),
        (
            "int8",
            {"ranges": {str(i): [0, 1] for i in range(10**4)}, **LOST},
            "int8.ranges: must have at most 2000 values",
        ),
        ("runtimes", {"x" * 10**5: {}}, "must have at most 4000 characters"),
        ("x" * 10**5, 1, "no such field"),
        ("labels.classes", [f"c{i}" for i in range(1000)], "1000 classes; 1 to 255"),
        ("labels.colors", [[0, 0, 10**6], [0, 0, 0]], "a colour outside 0..255"),
    ],
)
def test_hostile_values_are_refused_in_a_short_sentence(path: str, value: Any, message: str):
    if path.startswith("labels."):
        labels = {"name": "x", "classes": ["a", "b"], "colors": [[0, 0, 0]] * 2, "background": 0, "foreground": [1]}
        path, value = "labels", labels | {path.removeprefix("labels."): value}
    with pytest.raises(ManifestError) as caught:
        ModelInfo.from_dict("unet-carvana", changed(path, value))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 10**5, "nested too deeply"),
        ('{"name": ' + "[" * 500 + "]" * 500 + "}", "nested at most 8 deep"),
        ('{"name": ["x"]}', "name: must be text, got ['x']"),
        ('{"name": "x", "data": ' + '{"a":' * 500 + "1" + "}" * 501, "nested at most 8 deep"),
        (json.dumps({"name": "x", "data": [[0] * 1000] * 100}), "at most 10000 values"),
        (" " * (1 << 20) + "{}", "it has more than 1048576 bytes"),
        ('{"name": "x", "bytes": ' + "9" * 10**4 + "}", "cannot be read"),
        ('{"name": "x", "bytes": NaN}', "missing"),
        ("\x00", "cannot be read"),
    ],
)
def test_a_hostile_config_is_refused_in_a_short_sentence(tmp_path: Path, content: str, message: str):
    sentence = refusal(read_config, tmp_path / "config.json", content)
    assert message in sentence
    assert len(sentence) < 1000


def test_other_weights_come_with_no_package():
    info = dataclasses.replace(ModelInfo.from_dict("x", example()), embedded=True)
    assert not info.unmeasured().embedded


def test_a_config_is_whole_or_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "config.json"
    write_config(path, ModelInfo.from_dict("x", example()))
    before, write = path.read_text(), Path.write_text

    def fail(self: Path, text: str, *arguments: Any) -> int:
        write(self, text[:100], *arguments)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="No space left"):
        write_config(path, ModelInfo.from_dict("y", example()))
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]
