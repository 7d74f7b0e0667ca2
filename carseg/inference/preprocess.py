"""An image as its network wants it, by the weights' ``InputSpec``, and the way back to the image's own pixels.

numpy and Pillow only, so that a prediction through ONNX Runtime or OpenVINO never imports torch; ``normalize_batch``
does to a batch in training what ``Preprocessor`` does to the values of one image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from carseg._arrays import Float32Array, Uint8Array
from carseg.hub import InputSpec
from carseg.images import LoadedImage

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Prepared:
    """An image and the network's input for it.

    Attributes:
        image: the image, and where it came from; ``image.rgb`` is uint8 (H, W, 3), upright.
        x: float32 (3, h, w), resized and normalised.
    """

    image: LoadedImage
    x: Float32Array


class Taps(NamedTuple):
    """Where the pixels of an image lie between those of a coarser grid, along one axis.

    Attributes:
        first: for each of the image's positions the one before it on the grid.
        second: the one after it.
        weight: that of the second, float32 in 0..1.
    """

    first: npt.NDArray[np.intp]
    second: npt.NDArray[np.intp]
    weight: Float32Array


class Upsampling(NamedTuple):
    """Where the pixels of an image lie on the grid of a network's logits."""

    rows: Taps
    columns: Taps


class Preprocessor:
    """Makes the network's input of an image, and finds the image's pixels again on the logits that come of it.

    Both ways are in one object, as in segment-anything's ``ResizeLongestSide``, so that they cannot come apart.

    Args:
        spec: the input that the weights expect.
    """

    def __init__(self, spec: InputSpec) -> None:
        self.spec = spec

    def __call__(self, image: LoadedImage | Uint8Array) -> Float32Array:
        """Return the network's input for an image: resized and normalised, float32 (3, h, w).

        Of a network that refines the answer of another one the fourth channel is zero: that answer is not known.

        Args:
            image: the image, or its pixels, RGB uint8 (H, W, 3).
        """
        loaded = image if isinstance(image, LoadedImage) else LoadedImage(image)
        x = self._normalize(loaded.resized(self.input_size(loaded.size)))
        return x if self.spec.channels == 3 else np.concatenate([x, np.zeros_like(x[:1])])

    def input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the (height, width) at which the network sees an image of ``size`` (height, width)."""
        spec = self.spec
        if spec.resize == "stretch":
            return spec.size
        scale = max(spec.size) / max(size)
        height, width = (max(round(side * scale / spec.multiple), 1) * spec.multiple for side in size)
        return height, width

    def inverse(self, grid: tuple[int, int], size: tuple[int, int]) -> Upsampling:
        """Return where the pixels of an image lie on the logits of its input.

        The input shows the whole image and nothing else, whichever way it was resized; so the logits are stretched over
        the whole image, each axis by itself, as torch does it bilinearly with align_corners False.

        Args:
            grid: height and width of the logits.
            size: height and width of the image.
        """
        return stretch(grid, size)

    def _normalize(self, rgb: Uint8Array) -> Float32Array:
        """Return uint8 (h, w, 3) as float32 (3, h, w): scaled, minus the mean, over the deviation, in one pass."""
        scale = float(max(rgb.max(), 1)) if self.spec.scale == "max" else 255.0
        mean, std = (np.array(values[:3], np.float32) for values in (self.spec.mean, self.spec.std))
        x = np.multiply(rgb.transpose(2, 0, 1), (1 / (scale * std))[:, None, None], dtype=np.float32)
        x -= (mean / std)[:, None, None]
        return np.ascontiguousarray(x)


def stretch(grid: tuple[int, int], size: tuple[int, int]) -> Upsampling:
    """Return where the pixels of an image of ``size`` (height, width) lie on a grid that is stretched over it."""
    return Upsampling(_taps(grid[0], size[0]), _taps(grid[1], size[1]))


def _taps(inputs: int, outputs: int) -> Taps:
    position = ((np.arange(outputs) + 0.5) * (inputs / outputs) - 0.5).clip(0, inputs - 1)  # a pixel's centre is at .5
    first = np.floor(position).astype(np.intp)
    return Taps(first, np.minimum(first + 1, inputs - 1), (position - first).astype(np.float32))


def normalize_batch(images: Tensor, spec: InputSpec) -> Tensor:
    """Return images, float32 (N, 3, H, W) in 0..255, normalised for a network, channels last in memory."""
    import torch

    scale = images.amax((1, 2, 3), keepdim=True).clamp(min=1) if spec.scale == "max" else 255.0
    mean, std = (torch.tensor(v, device=images.device)[:, None, None] for v in (spec.mean, spec.std))
    return ((images / scale - mean) / std).contiguous(memory_format=torch.channels_last)
