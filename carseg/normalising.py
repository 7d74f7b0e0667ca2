"""What ``image.to_input`` does to the values of one picture, for a batch that is on a device already."""

from __future__ import annotations

import torch
from torch import Tensor

from carseg.manifest import InputSpec


def normalise(pictures: Tensor, spec: InputSpec) -> Tensor:
    """Pictures float32 (N, 3, H, W) in 0..255 as a network wants them, channels last."""
    scale = pictures.amax((1, 2, 3), keepdim=True).clamp(min=1) if spec.scale == "max" else 255.0
    mean, std = (torch.tensor(v, device=pictures.device)[:, None, None] for v in (spec.mean, spec.std))
    return ((pictures / scale - mean) / std).contiguous(memory_format=torch.channels_last)
