"""Learning from a trained network beside the labels (Hinton et al. 2015, https://arxiv.org/abs/1503.02531).

The teacher sees the very image that the learner sees, changed alike, and for as long as training goes on, as Beyer et
al. 2022 (https://arxiv.org/abs/2106.05237) found it to work best; only larger, where the learner's is smaller than
those it was made for. Images without a label teach too.
"""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import Tensor

from carseg.errors import OptionError
from carseg.hub import resolve
from carseg.inference import normalize_batch
from carseg.labels import LabelSet, plain_name
from carseg.runtimes import fuse_conv_bn, prepare_for_processor, read_network

# How much larger at most. On images that it was trained on fpn-mobilenetv2-carparts has a mIoU of 0.52 at 128x128, of
# 0.86 on the same ones enlarged to 256x256, and of 0.90 at its own 352x352, which would cost twice as much again.
ENLARGED = 2.0


class Teacher:
    """A trained network whose probabilities another one learns from.

    Args:
        model: a model's name, or a run folder.
        labels: the classes of the one that learns.
        device: where it runs.
        precision: what it is called to compute in.
        hub: where to look for it first.

    Raises:
        OptionError: the model has other classes.
        UnknownNameError, HubError: there is no such model, or its weights cannot be had.
    """

    def __init__(
        self,
        model: str,
        labels: LabelSet,
        device: torch.device,
        precision: torch.dtype,
        *,
        hub: str | os.PathLike[str] | None = None,
    ) -> None:
        resolved = resolve(model, hub=hub)
        theirs = resolved.info.labels.classes
        if [plain_name(name) for name in theirs] != [plain_name(name) for name in labels.classes]:
            raise OptionError(f"teacher {model} has the classes of {resolved.info.labels.name!r}, not {labels.name!r}")
        self.spec = resolved.info.input
        network = read_network(resolved)
        fuse_conv_bn(network)
        prepare_for_processor(network, device, precision)
        self.network = network.to(device).to(memory_format=torch.channels_last).requires_grad_(False)

    def __call__(self, images: Tensor) -> Tensor:
        """Return probabilities float32 (N, C, h, w) for images float32 (N, 3, H, W) in 0..255."""
        height, width = images.shape[-2:]
        scale = min(ENLARGED, self.spec.size[0] / height, self.spec.size[1] / width)
        if scale > 1:
            size = (round(height * scale), round(width * scale))
            images = F.interpolate(images, size, mode="bilinear", align_corners=False)
        logits: Tensor = self.network(normalize_batch(images, self.spec))
        return logits.float().softmax(1)
