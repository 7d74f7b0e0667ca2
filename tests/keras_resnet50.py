"""A ResNet-50 as Keras stores it, with random weights, and the first layers of it as Keras computes them."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Arrays = dict[str, np.ndarray]

EPS = 1e-3
MEAN_BGR = (103.939, 116.779, 123.68)
BLOCKS = {2: "abc", 3: "abcd", 4: "abcdef", 5: "abc"}


def keras_resnet50() -> Arrays:
    """Return float32 arrays by name; kernels are (height, width, inputs, outputs)."""
    random = np.random.default_rng(0)
    arrays: Arrays = {}

    def conv_bn(conv: str, norm: str, side: int, inputs: int, outputs: int) -> None:
        arrays[f"{conv}/kernel"] = random.normal(0, (side * side * inputs) ** -0.5, (side, side, inputs, outputs))
        arrays[f"{conv}/bias"] = random.normal(0, 0.1, outputs)
        for name in ("gamma", "moving_variance"):
            arrays[f"{norm}/{name}"] = random.uniform(0.5, 1.5, outputs)
        for name in ("beta", "moving_mean"):
            arrays[f"{norm}/{name}"] = random.normal(0, 0.1, outputs)

    conv_bn("conv1", "bn_conv1", 7, 3, 64)
    inputs = 64
    for stage, blocks in BLOCKS.items():
        width = 64 * 2 ** (stage - 2)
        for block in blocks:
            place = f"{stage}{block}_branch"
            for letter, side, taken, given in (
                ("a", 1, inputs, width),
                ("b", 3, width, width),
                ("c", 1, width, 4 * width),
            ):
                conv_bn(f"res{place}2{letter}", f"bn{place}2{letter}", side, taken, given)
            if block == "a":
                conv_bn(f"res{place}1", f"bn{place}1", 1, inputs, 4 * width)
            inputs = 4 * width
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def first_layers(keras: Arrays, rgb: Tensor) -> Tensor:
    """Return the output of the first stage's first block for images, float32 (N, 3, H, W) in 0..255."""
    x = rgb.flip(1) - torch.tensor(MEAN_BGR)[:, None, None]
    x = F.relu(_conv_bn(keras, x, "conv1", "bn_conv1", stride=2, padding=3))
    x = F.max_pool2d(x, 3, 2, 1)
    y = F.relu(_conv_bn(keras, x, "res2a_branch2a", "bn2a_branch2a"))
    y = F.relu(_conv_bn(keras, y, "res2a_branch2b", "bn2a_branch2b", padding=1))
    y = _conv_bn(keras, y, "res2a_branch2c", "bn2a_branch2c")
    return F.relu(y + _conv_bn(keras, x, "res2a_branch1", "bn2a_branch1"))


def _conv_bn(keras: Arrays, x: Tensor, conv: str, norm: str, stride: int = 1, padding: int = 0) -> Tensor:
    kernel = torch.from_numpy(keras[f"{conv}/kernel"]).permute(3, 2, 0, 1)
    x = F.conv2d(x, kernel, torch.from_numpy(keras[f"{conv}/bias"]), stride, padding)
    mean, variance, gamma, beta = (
        torch.from_numpy(keras[f"{norm}/{name}"]) for name in ("moving_mean", "moving_variance", "gamma", "beta")
    )
    return F.batch_norm(x, mean, variance, gamma, beta, eps=EPS)
