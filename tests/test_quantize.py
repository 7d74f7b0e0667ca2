"""int8 from ranges stored with the weights: without images, with errors that cancel, also on older processors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import carseg
from carseg import OptionError
from carseg.hub.create import create_model
from carseg.hub.model_info import Int8
from carseg.hub.save import save_model
from carseg.runtimes import cpu
from carseg.runtimes.choose import installed
from carseg.runtimes.convert import to_onnx
from carseg.runtimes.graph import GRAPHS, read_graph
from carseg.runtimes.onnx import OnnxRuntime
from carseg.runtimes.quantize import observe, quantize

from entries import info_of
from modules import module
from small_network import SMALL

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


NETWORKS = ("fpn-mobilenetv2", "unet")  # ReLU6 and sums; concatenations and transposed convolutions
SIDES = 64, 96


def images(number: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    coarse = rng.standard_normal((number, 1, 3, 4, 6), np.float32)
    return list(coarse.repeat(16, 3).repeat(16, 4) + rng.standard_normal((number, 1, 3, *SIDES), np.float32) / 4)


@pytest.fixture(scope="module", params=NETWORKS)
def made(request: pytest.FixtureRequest) -> tuple[str, bytes, dict[str, tuple[float, float]]]:
    """Return an architecture, the ONNX file of its random weights, and their ranges."""
    torch.manual_seed(0)
    if request.param == "unet":
        with pytest.MonkeyPatch.context() as patch:  # rounding all of its 31 million weights would show no more
            patch.setattr(module("architectures.unet"), "_WIDTHS", (16, 32, 64, 128, 256))
            model = to_onnx(create_model("unet", 5))
    else:  # from its graph in the package: converting it takes half a minute
        weights = {name: value.numpy() for name, value in create_model(request.param, 5).state_dict().items()}
        model = read_graph(GRAPHS / request.param).fill(weights, 5, Path("weights"))
    return request.param, model, observe(model, images(4))


@pytest.fixture(scope="module")
def quantized(made) -> dict[bool, bytes]:
    """Return the file in int8, by whether a bit of the activations is left unused."""
    _, model, ranges = made
    return {seven_bits: quantize(model, ranges, seven_bits=seven_bits) for seven_bits in (False, True)}


def run(model: bytes, x: np.ndarray, *, exact: bool = False) -> np.ndarray:
    return OnnxRuntime(model, "int8", exact=exact)(x)


def constants(model: bytes) -> dict[str, np.ndarray]:
    graph = onnx.load_from_string(model).graph
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}


@pytest.mark.parametrize("seven_bits", [False, True])
def test_logits_stay_close(made, quantized: dict[bool, bytes], seven_bits: bool) -> None:
    _, model, _ = made
    x = images(5)[-1]
    wanted, found = run(model, x), run(quantized[seven_bits], x, exact=True)
    assert np.abs(found - wanted).mean() < 0.05 * wanted.std()
    assert len(quantized[seven_bits]) < 0.4 * len(model)  # the weights have a quarter of the bytes


def test_this_processor_computes_what_is_made_for_it(quantized: dict[bool, bytes]) -> None:
    model, x = quantized[not cpu.native_int8()], images(5)[-1]
    exact, found = run(model, x, exact=True), run(model, x)
    assert np.abs(found - exact).mean() < 0.02 * exact.std()


def test_the_ranges_name_places_of_the_network(made) -> None:
    name, _, ranges = made
    names = {name for name, _ in create_model(name, 5).named_modules()}
    assert len(ranges) > 10
    assert {place.partition(":")[0] for place in ranges if place != "pictures"} <= names
    assert all(low < high for low, high in ranges.values())


def test_rounding_errors_of_a_weight_cancel(made, quantized: dict[bool, bytes]) -> None:
    _, model, _ = made
    exact, stored = constants(model), constants(quantized[False])
    checked = 0
    for name, weight in exact.items():
        if f"{name}_quantized" in stored and weight.ndim == 4 and stored[f"{name}_scale"].size == weight.shape[0]:
            steps = weight / stored[f"{name}_scale"].reshape(-1, 1, 1, 1) - stored[f"{name}_quantized"]
            runs = -(-steps[0].size // 32)
            assert np.abs(steps.sum((1, 2, 3))).max() <= 0.51 * runs + 1
            assert np.abs(steps).max() <= 1.01
            checked += 1
    assert checked > 10


def test_a_bit_of_the_activations_can_be_left_unused(quantized: dict[bool, bytes]) -> None:
    full, fewer = (constants(quantized[seven_bits]) for seven_bits in (False, True))
    scales = [name for name in full if name.endswith("_scale") and full[name].size == 1]
    assert len(scales) > 10
    np.testing.assert_allclose([fewer[name] for name in scales], [2 * full[name] for name in scales], rtol=1e-5)


def test_ranges_of_another_network_are_refused(made) -> None:
    _, model, ranges = made
    with pytest.raises(OptionError, match="not those of this network, which lacks elsewhere:Conv"):
        quantize(model, {**ranges, "elsewhere:Conv": (0.0, 1.0)})


def test_stored_ranges_make_int8_without_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    network = create_model(SMALL, 2)
    ranges = observe(to_onnx(create_model(SMALL, 2).eval()), images(2))
    info = replace(info_of(), name="new", architecture=SMALL, metrics=())
    save_model(tmp_path / "new", network, info, storage="int8", int8=Int8(ranges, 0.0, 0.0))
    save_model(tmp_path / "without", network, info, storage="int8")
    for runtime in filter(installed, ("onnx", "openvino")):
        segmenter = carseg.load(tmp_path / "new", runtime=runtime, precision="int8", device="cpu")
        assert (segmenter.runtime.name, segmenter.runtime.precision) == (runtime, "int8")
        assert segmenter.predict(np.zeros((40, 60, 3), np.uint8)).mask.shape == (40, 60)
        with pytest.raises(OptionError, match="published without int8"):
            carseg.load(tmp_path / "without", runtime=runtime, precision="int8", device="cpu")


def test_older_processors_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(cpu, "_features", lambda: frozenset({"avx2", "avx512_vnni"}))
    for cap, native in {"": True, "AVX2": False, "AVX512_CORE": False, "AVX512_CORE_VNNI": True}.items():
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
        assert cpu.native_int8() is native
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    monkeypatch.setattr(cpu, "_features", lambda: frozenset({"avx2"}))
    assert not cpu.native_int8()
    monkeypatch.setattr(cpu.platform, "machine", lambda: "aarch64")
    assert cpu.native_int8()
