"""The calibration of int8 is a file: written where the user says, loaded when the user says, for its weights alone."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import carseg
import carseg.benchmarking
from carseg import OptionError
from carseg.cli.main import main
from carseg.errors import OutputError
from carseg.hub.manifest import write_config
from carseg.hub.model_info import Int8
from carseg.hub.resolve import resolve
from carseg.runtimes import installed, read_calibration

from color_hub import photo, write_model
from modules import module

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

RUNTIMES = [name for name in ("onnx", "openvino") if installed(name)]
Ranges = dict[str, tuple[float, float]]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a hub that has ``blocks``, without ranges, a cache that the tests share, and some images."""
    hub = tmp_path_factory.mktemp("calibration")
    write_model(hub)
    for number in range(3):
        photo(hub / "images" / f"{number}.png", 96 + 7 * number)
    return hub


@pytest.fixture(autouse=True)
def environment(blocks_hub: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with that hub."""
    monkeypatch.setenv("CARSEG_HUB", str(hub))
    monkeypatch.setenv("CARSEG_CACHE", str(hub / "cache"))


def calibrated(hub: Path, file: Path = Path("calibration.json")) -> Path:
    """Export ``blocks`` in int8 and return the calibration that came of it."""
    made = carseg.export("blocks", "out", precision="int8", calib=hub / "images", calibration=file)
    assert made.files[-1] == file
    return file


def changed(file: Path, **fields: Any) -> Path:
    """Write the file anew with other fields, without those that are None."""
    data = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))
    return file


def narrow(ranges: Ranges) -> Ranges:
    """Return ranges that clip, so that other labels come out."""
    return {place: (0.05 * low, 0.4 * high) for place, (low, high) in ranges.items()}


def shades() -> Image.Image:
    """Return an image of all mixtures of red and green, on which labels depend on ranges."""
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    red, green = np.meshgrid(ramp, ramp)
    return Image.fromarray(np.stack([red, green, red // 2], -1))


def mask(runtime: str, name: str = "blocks", **options: Any) -> bytes:
    model = carseg.load(name, runtime=runtime, device="cpu", precision="int8", **options)
    return model.predict(shades()).mask.tobytes()


def test_the_file_states_what_it_is_for(hub: Path) -> None:
    data = json.loads(calibrated(hub, Path("new", "folder", "mine.json")).read_text())
    assert (data["schema"], data["images"]) == (1, 3)
    assert data["weights_sha256"] == resolve("blocks").info.sha256
    assert data["method"] and all(low <= high for low, high in data["ranges"].values())
    assert "pictures" in data["ranges"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_export_changes_nothing_that_load_computes_afterwards(
    runtime: str, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges = read_calibration(calibrated(hub), resolve("blocks").info).ranges
    info = write_model(tmp_path / "hub", "stated")
    write_config(tmp_path / "hub" / "stated" / "config.json", replace(info, int8=Int8(narrow(ranges), 0.0, 0.0)))
    monkeypatch.setenv("CARSEG_HUB", str(tmp_path / "hub"))
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path / "cache"))
    before = mask(runtime, "stated")
    file = tmp_path / "calibration.json"
    carseg.export("stated", "out", precision="int8", calib=hub / "images", calibration=file)
    own = mask(runtime, "stated", calibration=file)
    assert own != before  # else nothing could be seen here
    assert mask(runtime, "stated") == before
    carseg.export("stated", "out", precision="int8", calibration=file)
    assert mask(runtime, "stated") == before
    assert mask(runtime, "stated", calibration=file) == own


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_it_is_used_where_it_is_named_only(runtime: str, hub: Path) -> None:
    carseg.export("blocks", "out", precision="int8", calib=hub / "images")
    with pytest.raises(OptionError, match=r"published without int8.*--calib DIR --calibration FILE"):
        mask(runtime)
    with pytest.raises(OptionError, match="published without int8"):
        carseg.export("blocks", "out", precision="int8")
    assert [path.name for path in Path().iterdir()] == ["out"]  # it was written nowhere
    file = calibrated(hub)
    assert mask(runtime, calibration=file) == mask(runtime, calibration=str(file))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_is_in_the_file_is_what_runs(runtime: str, hub: Path) -> None:
    file = calibrated(hub)
    before = mask(runtime, calibration=file)
    ranges = read_calibration(file, resolve("blocks").info).ranges
    assert mask(runtime, calibration=changed(file, ranges=narrow(ranges))) != before
    assert mask(runtime, calibration=changed(file, ranges=ranges)) == before


def test_an_exported_file_is_the_same_from_images_and_from_their_calibration(hub: Path) -> None:
    onnx = Path("out", "blocks.onnx")
    file = calibrated(hub)
    from_images = onnx.read_bytes()
    kept = file.read_bytes()
    carseg.export("blocks", "out", precision="int8", calibration=file, images=hub / "images")
    assert (onnx.read_bytes(), file.read_bytes()) == (from_images, kept)


def test_a_calibration_of_other_weights_is_refused(hub: Path, tmp_path: Path) -> None:
    file = changed(calibrated(hub), weights_sha256="ab" * 32)
    message = r"calibration calibration\.json belongs to other weights \(sha256 abababababab.*blocks.*--calib DIR"
    for use in (lambda: mask(RUNTIMES[0], calibration=file), lambda: export_from(file)):
        with pytest.raises(OptionError, match=message):
            use()
    assert not Path("exported").exists()


def export_from(file: Path) -> None:
    carseg.export("blocks", "exported", precision="int8", calibration=file)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": 2}, "schema: must be 1, got 2"),
        ({"schema": None}, "schema: missing"),
        ({"images": 0}, "images: must be at least 1"),
        ({"weights_sha256": 7}, "weights_sha256: must be text"),
        ({"ranges": {}}, "ranges: must not be empty"),
        ({"ranges": {"a:Conv": [1, 0]}}, r"ranges\.a:Conv: must be \(low, high\)"),
        ({"ranges": {"a:Conv": [0]}}, r"ranges\.a:Conv: must have 2 values"),
        ({"ranges": {"a:Conv": [0, float("nan")]}}, r"ranges\.a:Conv\.1: must be a number"),
        ({"ranges": {"elsewhere:Conv": [0, 1]}}, "lacks elsewhere:Conv"),
        ({"colour": "red"}, "colour: no such field"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], message: str, hub: Path) -> None:
    file = changed(calibrated(hub), **fields)
    with pytest.raises(OptionError, match=message):
        mask(RUNTIMES[0], calibration=file)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000, None])
def test_what_is_no_calibration_is_refused_by_name(content: bytes | None) -> None:
    file = Path("wrong.json")
    file.mkdir() if content is None else file.write_bytes(content)
    for path, reason in ((file, "calibration wrong.json"), (Path("nowhere.json"), "nowhere.json cannot be read")):
        with pytest.raises(OptionError, match=reason):
            mask(RUNTIMES[0], calibration=path)


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_it_is_for_int8_alone(precision: str, hub: Path) -> None:
    file = calibrated(hub)
    with pytest.raises(OptionError, match=f"for int8, not for precision {precision}"):
        carseg.load("blocks", precision=precision, calibration=file)
    with pytest.raises(OptionError, match=f"for int8, not for precision {precision}"):
        carseg.benchmarking.benchmark("blocks", precision=precision, calibration=file)


def test_one_that_cannot_be_written_is_an_error_and_nothing_is_exported(hub: Path) -> None:
    Path("file").touch()
    with pytest.raises(OutputError, match=r"calibration file.calibration\.json cannot be written"):
        calibrated(hub, Path("file", "calibration.json"))
    assert not Path("out").exists()


def test_commands_write_and_take_it(hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, images = "calibration.json", str(hub / "images")
    assert main(["export", "blocks", "-o", "out", "--precision", "int8", "--calib", images, "--calibration", file]) == 0
    assert capsys.readouterr().out.split()[-1] == file
    assert main(["export", "blocks", "-o", "out", "--precision", "int8", "--calibration", file]) == 0
    predict = ["predict", str(hub / "images" / "0.png"), "-m", "blocks", "--precision", "int8"]
    assert main([*predict, "--calibration", file]) == 0
    capsys.readouterr()
    assert main(predict) == 2
    assert "--calibration FILE" in capsys.readouterr().err
    changed(Path(file), weights_sha256="ab" * 32)
    assert main([*predict, "--calibration", file]) == 2
    assert "belongs to other weights" in capsys.readouterr().err


def test_a_benchmark_measures_with_it(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[dict[str, Any]] = []

    def measure(job: dict[str, Any], report: None) -> tuple[dict[str, Any], None]:
        jobs.append(job)
        return {}, None

    monkeypatch.setattr(module("benchmarking.benchmark"), "_measure", measure)
    options = {"runtime": RUNTIMES[0], "precision": "int8", "device": "cpu"}
    file = calibrated(hub)
    rows = carseg.benchmarking.benchmark("blocks", calibration=file, **options)
    worker = module("benchmarking.worker")._Worker(jobs[0] | {"began": 0.0}, io.StringIO())
    assert worker._start().runtime.precision == "int8"
    rows += carseg.benchmarking.benchmark("blocks", calibration=changed(file, images=4), **options)
    assert rows[0]["environment"]["key"] != rows[1]["environment"]["key"]  # the rows of other ranges are not taken
    with pytest.raises(OptionError, match=r"nowhere\.json cannot be read"):
        carseg.benchmarking.benchmark("blocks", calibration="nowhere.json", **options)
