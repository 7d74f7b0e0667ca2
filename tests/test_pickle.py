"""A model in a pickle: it is loaded anew where it is read, as it was where it was written, or says why it is not."""

from __future__ import annotations

import copy
import importlib.util
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import carseg
from carseg import ClosedError, Segmenter, WeightsError
from carseg.hub import resolve
from carseg.runtimes import TorchRuntime, calibrate

from color_hub import SIDE, blocks, mask_of, replace_weights, write_model
from modules import module

RUNTIMES = {"torch": "torch", "openvino": "openvino", "onnx": "onnxruntime"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a hub that has ``blocks``, with a cache that the tests share, so that it is converted once."""
    hub = tmp_path_factory.mktemp("pickle")
    write_model(hub)
    return hub


@pytest.fixture(autouse=True)
def environment(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with that hub."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARSEG_HUB", str(hub))
    monkeypatch.setenv("CARSEG_CACHE", str(hub / "cache"))


def settings_of(model: Segmenter) -> tuple[Any, ...]:
    runtime = model.runtime
    return type(model), model.info, model.labels, runtime.name, runtime.precision, runtime.device, runtime.threads


def in_another_process(content: bytes, folder: Path, variables: dict[str, str]) -> tuple[Any, ...]:
    """Return what a pickled model is and gives in a process that works in another folder under other variables."""
    os.chdir(folder)
    os.environ |= variables
    for name in os.environ.keys() - variables.keys():
        if name.startswith("CARSEG_"):
            del os.environ[name]
    model = pickle.loads(content)
    return *settings_of(model), mask_of(model)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_it_is_the_same_model(runtime: str) -> None:
    pytest.importorskip(RUNTIMES[runtime])
    model = carseg.load("blocks", runtime=runtime, precision="float32", threads=1)
    others = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)]
    if importlib.util.find_spec("cloudpickle"):
        cloudpickle = importlib.import_module("cloudpickle")
        others.append(cloudpickle.loads(cloudpickle.dumps(model)))
    expected, settings = mask_of(model), settings_of(model)
    model.close()
    for other in others:
        assert settings_of(other) == settings
        assert np.array_equal(mask_of(other), expected)


def test_another_process_in_another_folder(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(Path("hub"))
    monkeypatch.setenv("CARSEG_HUB", "hub")  # what it says goes with the model
    runtimes = [runtime for runtime, package in RUNTIMES.items() if importlib.util.find_spec(package)]
    models = [carseg.load("blocks", runtime=runtime, precision="float32", threads=1) for runtime in runtimes]
    variables = {"CARSEG_CACHE": os.environ["CARSEG_CACHE"]}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        found = [pool.submit(in_another_process, pickle.dumps(model), elsewhere, variables) for model in models]
        for model, future in zip(models, found, strict=True):
            *settings, mask = future.result()
            assert tuple(settings) == settings_of(model)
            assert np.array_equal(mask, mask_of(model))


@pytest.mark.parametrize("kind", ["run", "run/best", "run/best/model.safetensors", "weights", "hub"])
def test_a_path_is_found_from_another_folder(kind: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(Path("run"), "best")
    write_model(Path("hub"))
    monkeypatch.delenv("CARSEG_HUB")
    given = {"weights": ("blocks", {"weights": "run/best"}), "hub": ("blocks", {"hub": "hub"})}
    name, options = given.get(kind, (kind, {}))
    model = carseg.load(name, runtime="torch", **options)
    content = pickle.dumps(model)
    monkeypatch.chdir(elsewhere)
    assert np.array_equal(mask_of(pickle.loads(content)), mask_of(model))


@pytest.mark.parametrize("options", [{}, {"weights": "hub/blocks"}, {"weights": "hub/blocks/model.safetensors"}])
def test_another_file_of_the_same_name_is_refused(options: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(Path("hub"))
    monkeypatch.setenv("CARSEG_HUB", str(Path("hub").absolute()))
    content = pickle.dumps(carseg.load("blocks", runtime="torch", **options))
    replace_weights(Path("hub/blocks"))
    with pytest.raises(WeightsError, match=r"blocks.* is another file here .* than the one that was pickled .* load"):
        pickle.loads(content)
    Path("hub/blocks/model.safetensors").write_bytes(b"broken")
    with pytest.raises(carseg.CarsegError, match="sha256 differs"):
        pickle.loads(content)
    Path("hub/blocks/model.safetensors").unlink()
    with pytest.raises(carseg.CarsegError, match=r"blocks"):
        pickle.loads(content)


def test_what_was_chosen_is_not_chosen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = carseg.load("blocks")
    content = pickle.dumps(model)
    monkeypatch.setattr(module("runtimes.choose"), "choose", lambda *_: pytest.fail("chosen again"))
    assert settings_of(pickle.loads(content)) == settings_of(model)


def test_the_number_of_torchs_threads_goes_with_it() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        content = pickle.dumps(carseg.load("blocks", runtime="torch"))
        torch.set_num_threads(1)
        assert pickle.loads(content).runtime.threads == torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_calibration_goes_with_it() -> None:
    pytest.importorskip("onnxruntime")
    x = np.random.default_rng(0).uniform(-1, 1, (3, SIDE, SIDE)).astype(np.float32)
    calibrate(resolve("blocks"), [x]).save("ranges.json")
    model = carseg.load("blocks", runtime="onnx", precision="int8", calibration="ranges.json", threads=1)
    content = pickle.dumps(model)
    Path("ranges.json").unlink()
    other = pickle.loads(content)
    assert settings_of(other) == settings_of(model)
    assert np.array_equal(other.runtime(x[None]), model.runtime(x[None]))


class Named(Segmenter):
    """A model with something of its own."""

    note = ""


def test_a_subclass_keeps_what_is_its_own_and_a_shared_network_stays_shared() -> None:
    model = carseg.load("blocks", runtime="torch")
    own = Named(model.info, model.runtime)
    own.note = "mine"
    other, second = pickle.loads(pickle.dumps((own, model)))
    assert isinstance(other, Named) and other.note == "mine"
    assert other.runtime is second.runtime is not model.runtime


def test_a_closed_model_stays_closed() -> None:
    model = carseg.load("blocks", runtime="torch")
    model.close()
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        with pytest.raises(ClosedError, match="blocks was closed"):
            other.predict(blocks())


def test_a_network_of_ones_own_is_pickled_as_python_does_that() -> None:
    model = carseg.load("blocks", runtime="torch", precision="float32")
    runtime = TorchRuntime(model.runtime.network, torch.device("cpu"), "float32")
    x = np.zeros((1, 3, SIDE, SIDE), np.float32)
    assert np.array_equal(pickle.loads(pickle.dumps(runtime))(x), runtime(x))
