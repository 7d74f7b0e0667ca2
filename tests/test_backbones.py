"""Encoders out of other projects' packages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from carseg import WeightsError
from recipes import backbones

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
