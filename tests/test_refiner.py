"""The weights that refine edges: found, checked and handed on like a model's, and asked through a model alone."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg
from carseg.cli.main import main
from carseg.errors import OptionError
from carseg.hub import ROOT, copies, load_manifest, mirror, resolve
from carseg.inference import REFINER, refine_outline
from carseg.runtimes import installed, start_runtime

from predicting import read, written

INFO = load_manifest().refiners.get(REFINER)
pytestmark = pytest.mark.skipif(INFO is None or not copies(INFO), reason=f"{REFINER} is not in this checkout")
CAR = ROOT / "examples" / "car.jpg"


@pytest.fixture(scope="module")
def model() -> carseg.Segmenter:
    return carseg.load("car", device="cpu", runtime="torch", precision="float32")


def test_it_comes_with_the_package_and_is_no_model() -> None:
    assert INFO is not None and INFO.embedded and INFO.bytes < 1_000_000 and INFO.input.channels == 4
    assert REFINER not in carseg.list_models() and carseg.info(REFINER) == INFO
    assert {source.name for source in INFO.data} == {"Carvana Image Masking Challenge", "Intelec Car Segmentation"}
    with pytest.raises(OptionError, match=r"refines the masks of other networks.*edges='refined'"):
        carseg.load(REFINER)


def test_it_is_shown_verified_and_mirrored_like_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", REFINER]) == 0 and main(["verify"]) == 0
    assert f"ok      {REFINER}" in capsys.readouterr().out
    mirror(tmp_path / "hub", [REFINER])
    assert resolve(REFINER, hub=tmp_path / "hub").info == INFO
    assert {path.name for path in (tmp_path / "hub" / REFINER).iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
    }


def test_a_drawn_edge_is_found() -> None:
    """A car of one colour before a wall of another, and an answer that is four pixels off."""
    truth = np.hypot(
        *(np.indices((300, 400)) - np.array([150, 200])[:, None, None]) / np.array([90, 150])[:, None, None]
    )
    truth = truth < 1
    rgb = np.where(truth[..., None], np.uint8([150, 30, 40]), np.uint8([190, 190, 185]))
    off = np.roll(truth, (3, 3), (0, 1))
    runtime = start_runtime(resolve(REFINER), "torch", "cpu", "float32", None)
    found = refine_outline(rgb, off, off.astype(np.float32), 96, runtime) > 127
    assert np.count_nonzero(found != truth) < 0.3 * np.count_nonzero(off != truth)


def test_a_model_that_is_copied_refines_as_before(model: carseg.Segmenter) -> None:
    result = model.predict(CAR, edges="refined")
    assert 0 < np.count_nonzero((result.alpha > 0) & (result.alpha < 255)) < 0.1 * result.alpha.size
    assert np.array_equal(result.alpha > 127, result.mask == 1)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(again.predict(CAR, edges="refined").alpha, result.alpha)


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_it_runs_where_the_model_runs(model: carseg.Segmenter, runtime: str) -> None:
    if not installed(runtime):
        pytest.skip(f"{runtime} is not installed")
    other = carseg.load("car", device="cpu", runtime=runtime, precision="float32")
    found = other.predict(CAR, edges="refined")
    assert other.refiner.runtime.name == runtime
    expected = model.predict(CAR, edges="refined")
    assert np.mean(found.mask == expected.mask) > 0.9999
    assert np.abs(found.alpha.astype(int) - expected.alpha).mean() < 0.1


def test_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["predict", str(CAR), "-m", "car", "--runtime", "torch", "--save", "cutout,mask"]
    assert main([*command, "--out", "plain"]) == 0
    assert main([*command, "--out", "out", "--edges", "refined"]) == 0
    assert written("out") == ["car.cutout.png", "car.mask.png"]
    opacity = read("out/car.cutout.png")[..., 3]
    assert not np.array_equal(read("plain/car.cutout.png")[..., 3], opacity)
    assert np.array_equal(opacity > 127, read("out/car.mask.png") == 1)
    capsys.readouterr()
    assert main([*command, "--out", "out", "--edges", "refined", "--skip-existing"]) == 0
    assert "left out" in capsys.readouterr().err
    assert main([*command, "--out", "plain", "--edges", "refined", "--skip-existing"]) == 0
    assert "left out" not in capsys.readouterr().err
    assert Image.open("plain/car.cutout.png").tobytes() == Image.open("out/car.cutout.png").tobytes()
    assert main(["predict", str(CAR), "-m", "parts", "--edges", "refined"]) == 2
    assert "edges='refined' needs a model that finds whole cars" in capsys.readouterr().err


def test_it_is_exported_like_a_model(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    exported = carseg.export(REFINER, tmp_path)
    [file] = exported.files
    session = onnxruntime.InferenceSession(str(file))
    assert session.get_inputs()[0].shape[1] == 4
    windows = np.random.default_rng(0).uniform(-1, 1, (2, 4, 96, 96)).astype(np.float32)
    [logits] = session.run(None, {session.get_inputs()[0].name: windows})
    expected = start_runtime(resolve(REFINER), "torch", "cpu", "float32", None)(windows)
    np.testing.assert_allclose(logits, expected, atol=1e-3)
