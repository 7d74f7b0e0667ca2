"""A hub with a network that can be predicted: every pixel becomes the class whose colour is nearest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from carseg.architectures.network import Network
from carseg.architectures.registry import register
from carseg.hub.create import create_model
from carseg.hub.manifest import CONFIG, read_config
from carseg.hub.model_info import InputSpec, ModelInfo
from carseg.hub.save import save_model
from carseg.inference import Segmenter
from carseg.labels import Color, LabelSet, label_set

LABELS = label_set("blocks", ("background", "left_door", "right_door", "wheel"))
COLORS = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))
SIDE = 32


class NearestColor(Network):
    def __init__(self, num_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        self.body = nn.Conv2d(in_channels, 3, 1)
        self.head = nn.Conv2d(3, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        logits = self.head(self.body(x))
        return (logits,) if self.training else logits


register("nearest-color")(NearestColor)


def write_model(
    hub: Path,
    name: str = "blocks",
    commercial_use: str = "yes",
    *,
    labels: LabelSet = LABELS,
    colors: Sequence[Color] = COLORS,
    side: int = SIDE,
) -> ModelInfo:
    """Write ``hub/name``; distances to the colours are linear in a pixel, but for a term all classes share."""
    network = NearestColor(len(labels))
    scaled = torch.tensor(colors) / 255 * 2 - 1
    with torch.no_grad():
        network.body.weight.copy_(torch.eye(3)[:, :, None, None])
        network.body.bias.zero_()
        network.head.weight.copy_(20 * scaled[:, :, None, None])
        network.head.bias.copy_(-10 * scaled.square().sum(1))
    info = ModelInfo(
        name=name,
        architecture="nearest-color",
        labels=labels,
        file="model.safetensors",
        sha256="0" * 64,
        bytes=1,
        parameters=1,
        storage="float32",
        input=InputSpec(size=(side, side), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        licence="drawn by hand",
        commercial_use=commercial_use,
        recipe="tests/color_hub.py",
        code_commit="0" * 40,
        paper="none",
        made_by="the tests",
        data=(),
    )
    return save_model(hub / name, network, info)


def replace_weights(folder: Path) -> None:
    """Put other weights under the same name."""
    network = create_model("nearest-color", weights=folder)
    with torch.no_grad():
        network.head.bias.add_(1)
    save_model(folder, network, read_config(folder / CONFIG))


def blocks(width: int = 96, height: int = 64) -> Image.Image:
    """Return an image whose left third is a left door, middle background and right third a wheel."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 3] = COLORS[1]
    pixels[:, -(width // 3) :] = COLORS[3]
    return Image.fromarray(pixels)


def mask_of(model: Segmenter) -> np.ndarray:
    """Return what a model makes of ``blocks``."""
    return model.predict(blocks()).mask


def photo(path: Path, width: int = 96, height: int = 64, **options: object) -> Path:
    """Save ``blocks`` at ``path``, with its folder, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks(width, height).save(path, **options)
    return path
