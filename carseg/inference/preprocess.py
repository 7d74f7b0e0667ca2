"""An image as its network wants it: resized and normalised by the weights' ``InputSpec``.

numpy and Pillow only, so that a prediction through ONNX Runtime or OpenVINO never imports torch; ``normalize_batch``
does to a batch in training what ``preprocess`` does to the values of one image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from carseg._arrays import Float32Array, Uint8Array
from carseg.hub import InputSpec
from carseg.images import resize

if TYPE_CHECKING:
    from torch import Tensor


def input_size(size: tuple[int, int], spec: InputSpec) -> tuple[int, int]:
    """Return the (height, width) at which the network sees an image of ``size`` (height, width)."""
    if spec.resize == "stretch":
        return spec.size
    scale = max(spec.size) / max(size)
    height, width = (max(round(side * scale / spec.multiple), 1) * spec.multiple for side in size)
    return height, width


def preprocess(rgb: Uint8Array, spec: InputSpec) -> Float32Array:
    """Return the network's input for an image, RGB uint8 (H, W, 3): resized and normalised, float32 (3, h, w)."""
    return normalize(resize(rgb, input_size(rgb.shape[:2], spec)), spec)


def normalize(rgb: Uint8Array, spec: InputSpec) -> Float32Array:
    """Return uint8 (h, w, 3) as float32 (3, h, w): scaled, minus the mean, over the standard deviation, in one pass."""
    scale = float(max(rgb.max(), 1)) if spec.scale == "max" else 255.0
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    x = np.multiply(rgb.transpose(2, 0, 1), (1 / (scale * std))[:, None, None], dtype=np.float32)
    x -= (mean / std)[:, None, None]
    return np.ascontiguousarray(x)


def normalize_batch(images: Tensor, spec: InputSpec) -> Tensor:
    """Return images, float32 (N, 3, H, W) in 0..255, normalised for a network, channels last in memory."""
    import torch

    scale = images.amax((1, 2, 3), keepdim=True).clamp(min=1) if spec.scale == "max" else 255.0
    mean, std = (torch.tensor(v, device=images.device)[:, None, None] for v in (spec.mean, spec.std))
    return ((images / scale - mean) / std).contiguous(memory_format=torch.channels_last)
