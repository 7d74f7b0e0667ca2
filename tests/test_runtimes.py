"""Every runtime gives what torch float32 gives; what is compiled is cached; "auto" takes what is known to agree."""

from __future__ import annotations

import importlib.util
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import carseg
from carseg import MissingExtraError, OptionError
from carseg.hub.model_info import ModelInfo
from carseg.runtimes import cpu
from carseg.runtimes.choose import choose
from carseg.runtimes.fuse import fuse_conv_bn

from color_hub import SIDE, blocks, photo, write_model
from entries import info_of, start
from modules import module
from networks import randomized

FAST = ("openvino", "onnx")
PAIRS = [("torch", "bfloat16"), ("openvino", "float32"), ("openvino", "bfloat16"), ("onnx", "float32")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a hub that has ``blocks`` and a cache that the tests share, so that it is converted once."""
    folder = tmp_path_factory.mktemp("runtimes")
    write_model(folder / "hub")
    return folder


@pytest.fixture(autouse=True)
def environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARSEG_HUB", str(folder / "hub"))
    monkeypatch.setenv("CARSEG_CACHE", str(folder / "cache"))


def needs(runtime: str) -> None:
    for package in {"torch": (), "openvino": ("openvino", "onnxscript"), "onnx": ("onnxruntime", "onnxscript")}[
        runtime
    ]:
        pytest.importorskip(package)


def images(number: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((number, 3, height, width), np.float32)


@pytest.mark.parametrize(("runtime", "precision"), PAIRS)
def test_logits_are_those_of_torch(runtime: str, precision: str):
    needs(runtime)
    reference = carseg.load("blocks", runtime="torch", device="cpu").runtime
    fast = carseg.load("blocks", runtime=runtime, precision=precision, device="cpu").runtime
    assert (fast.name, fast.precision, fast.device) == (runtime, precision, "cpu")
    for shape in ((1, SIDE, SIDE), (3, SIDE, SIDE), (2, 17, 45)):
        x = images(*shape)
        logits, wanted = fast(x), reference(x)
        assert logits.dtype == np.float32
        scale = abs(wanted).max() * (1e-5 if precision == "float32" else 0.02)
        np.testing.assert_allclose(logits, wanted, rtol=0, atol=scale)


@pytest.mark.parametrize("runtime", ["torch", *FAST])
def test_threads_that_share_a_network_get_what_each_would_get_alone(runtime: str):
    needs(runtime)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (30 + 9 * i, 70 - 4 * i, 3), np.uint8) for i in range(8)]
    with carseg.load("blocks", runtime=runtime, device="cpu") as model, ThreadPoolExecutor(4) as threads:
        alone = [model.predict(image) for image in images] * 5
        together = list(threads.map(model.predict, images * 5))
        streams = list(threads.map(lambda some: list(model.stream(some)), [images[:4], images[4:]]))
    for result, wanted in zip([*together, *streams[0], *streams[1]], [*alone, *alone[:8]], strict=True):
        assert np.array_equal(result.mask, wanted.mask)
        assert result.scores == wanted.scores


@pytest.mark.parametrize("runtime", FAST)
def test_predictions_are_the_same_object_with_the_same_content(runtime: str):
    needs(runtime)
    one = carseg.load("blocks", runtime="torch", device="cpu").predict(blocks())
    other = carseg.load("blocks", runtime=runtime).predict(blocks())
    assert np.array_equal(one.mask, other.mask)
    assert [part.name for part in one.parts] == [part.name for part in other.parts]


@pytest.mark.parametrize("runtime", FAST)
def test_a_second_process_starts_without_torch(runtime: str, folder: Path):
    needs(runtime)
    carseg.load("blocks", runtime=runtime)
    code = f"""
import sys, carseg
result = carseg.load("blocks", runtime={runtime!r}).predict({str(photo(folder / "img.png"))!r})
assert [part.name for part in result.parts] == ["left_door", "wheel"], result.parts
assert "torch" not in sys.modules and "onnx" not in sys.modules
"""
    process = start(code)
    assert process.communicate()[1] == ""
    assert process.returncode == 0


def test_openvino_reports_nothing_to_its_makers(tmp_path: Path):
    needs("openvino")
    code = """
import sys, time
sys.addaudithook(lambda event, arguments: event.startswith("socket.") and print(event, arguments, flush=True))
from carseg.runtimes.openvino import library
library()
time.sleep(1)  # it would be a process of its own
"""
    unset = {name: "" for name in ("CI", "TF_BUILD", "JENKINS_URL")}  # where there is none anyway
    output, errors = start(code, HOME=str(tmp_path), **unset).communicate()
    assert (output, errors, list(tmp_path.iterdir())) == ("", "", [])


def test_what_takes_its_time_the_first_time_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    needs("onnx")
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path / "cache"))
    caplog.set_level("INFO", "carseg")
    for _ in range(2):
        carseg.load("blocks", runtime="onnx")
    assert [record.message for record in caplog.records if record.name == "carseg"] == [
        "blocks is converted to ONNX first, which takes a while"
    ]


def test_a_command_shows_what_is_logged():
    code = "import logging; from carseg.cli import process; process.prepare(); logging.getLogger('carseg').info('told')"
    process = start(code)
    assert process.communicate()[1] == "carseg: told\n"


@pytest.mark.parametrize(
    ("name", "left", "last"),
    [
        ("fpn-mobilenetv2", 0, "classifier"),
        ("u2netp", 0, "outconv"),
        ("unet", 0, "outc.conv"),
        ("segformer-b0", 1, "decode_head.linear_pred"),  # its batch norm follows a sum
    ],
)
@torch.no_grad()
def test_fusing_leaves_the_logits_as_they_are(name: str, left: int, last: str):
    network = randomized(name)
    x = torch.randn(1, 3, 64, 96)
    before = network(x)
    assert fuse_conv_bn(network) is network.get_submodule(last)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) == left
    torch.testing.assert_close(network(x), before, rtol=1e-4, atol=1e-4)


class Odd(nn.Module):
    """Batch norms that must not be fused: after a ReLU in place, after what is read twice, after what runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 3, 1) for _ in range(4))
        self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norms[0](self.convs[0](x).relu_())
        y = self.convs[1](x)
        x = y + self.norms[1](y)
        x = self.norms[2](self.convs[2](self.convs[2](x)))
        return self.convs[3](x)


def test_only_what_may_be_fused_is():
    network = Odd().eval()
    for norm in network.norms:
        nn.init.constant_(norm.running_mean, 0.3)
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        before = network(x)
        fuse_conv_bn(network)
        assert torch.equal(network(x), before)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the runtimes of a CPU with bfloat16 and no GPU; tests add and remove some."""
    installed = {"torch", "openvino", "onnx"}
    monkeypatch.setattr(cpu, "native_bfloat16", lambda: True)
    monkeypatch.setattr(cpu, "may_have_accelerator", lambda: False)
    monkeypatch.setattr(module("runtimes.choose"), "installed", installed.__contains__)
    return installed


def measured(**agreement: dict[str, float]) -> ModelInfo:
    return replace(info_of(), runtimes=agreement)


def test_auto_is_torch_where_nothing_was_measured(machine: set[str]):
    assert choose(measured(), "auto", "auto", "auto") == ("torch", "float32")


def test_auto_is_the_fastest_that_agrees_and_is_installed(machine: set[str], monkeypatch: pytest.MonkeyPatch):
    every = {"bfloat16": 0.9995, "float32": 1.0}
    info = measured(openvino=every, torch=every, onnx={"float32": 1.0})
    assert choose(info, "auto", "auto", "auto") == ("openvino", "bfloat16")
    assert choose(info, "auto", "cpu", "float32") == ("openvino", "float32")
    assert choose(info, "torch", "cpu", "auto") == ("torch", "bfloat16")
    assert choose(info, "auto", "cuda", "auto") == ("torch", "float32")
    assert choose(measured(openvino={"bfloat16": 0.99, "float32": 1.0}), "auto", "auto", "auto")[1] == "float32"
    machine.remove("openvino")
    assert choose(info, "auto", "auto", "auto") == ("torch", "bfloat16")
    monkeypatch.setattr(cpu, "native_bfloat16", lambda: False)
    assert choose(info, "auto", "auto", "auto") == ("onnx", "float32")
    machine.remove("onnx")
    assert choose(info, "auto", "auto", "auto") == ("torch", "float32")


def test_int8_only_when_asked_for(machine: set[str]):
    assert choose(measured(openvino={"int8": 1.0}), "auto", "auto", "auto") == ("torch", "float32")
    assert choose(measured(), "auto", "auto", "int8") == ("openvino", "int8")
    machine.remove("openvino")
    assert choose(measured(), "auto", "auto", "int8") == ("onnx", "int8")


def test_a_machine_with_a_gpu_uses_torch(machine: set[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cpu, "may_have_accelerator", lambda: True)
    info = measured(openvino={"float32": 1.0})
    assert choose(info, "auto", "auto", "auto") == ("torch", "float32")
    assert choose(info, "auto", "cpu", "auto") == ("openvino", "float32")
    assert choose(info, "auto", "auto", "int8") == ("openvino", "int8")  # which torch cannot run at all


def test_bfloat16_is_not_native_where_onednn_may_not_use_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cpu, "_features", lambda: frozenset({"avx512_bf16"}))
    for cap, native in {"": True, "avx2": False, "AVX512_CORE": False, "AVX512_CORE_BF16": True}.items():
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
        assert cpu.native_bfloat16() is native and not cpu.has_amx()
    monkeypatch.setattr(cpu, "_features", lambda: frozenset({"avx512_bf16", "amx_bf16"}))
    for cap, amx in {"": True, "AVX512_CORE_BF16": False, "AVX512_CORE_AMX": True}.items():
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
        assert cpu.native_bfloat16() and cpu.has_amx() is amx
    capped = cpu.fingerprint()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert cpu.fingerprint() != capped


def test_nvidias_gpus_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_NVIDIA", tmp_path)
    assert cpu.gpus() == []
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    (tmp_path / "gpus" / "0000:01:00.0" / "information").write_text("Model: \t\t NVIDIA H200\nIRQ:   \t\t 16\n")
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.1\nGCC version:  gcc 13\n")
    assert cpu.gpus() == ["NVIDIA H200", "NVIDIA UNIX x86_64 Kernel Module  570.1"]


@pytest.mark.parametrize(
    ("runtime", "missing", "line"),
    [
        ("openvino", "openvino", "pip install 'carseg[openvino]'"),
        ("onnx", "onnxruntime", "pip install 'carseg[onnx]'"),
    ],
)
def test_the_error_of_a_missing_runtime_states_how_to_get_it(runtime: str, missing: str, line: str, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == missing else find(name, *rest))
    with pytest.raises(MissingExtraError) as caught:
        carseg.load("blocks", runtime=runtime)
    assert line in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # as a worker process sends it


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "torch", "device": "meta"}, "torch finds no such device"),
        ({"runtime": "openvino", "device": "cuda"}, "runs on the CPU, not on cuda"),
        ({"runtime": "onnx", "device": "cuda"}, "runs on the CPU, not on cuda"),
        ({"runtime": "onnx", "precision": "bfloat16"}, "float32 or int8"),
        ({"runtime": "openvino", "precision": "int8"}, "carseg export blocks --format onnx --precision int8 --calib"),
        ({"runtime": "torch", "precision": "int8"}, "int8 runs through OpenVINO or ONNX Runtime"),
    ],
)
def test_what_is_not_available_is_an_error(options: dict[str, str], message: str):
    needs(options["runtime"])
    with pytest.raises(OptionError, match=message):
        carseg.load("blocks", **options)
