"""Conversion of the public reference implementations' checkpoints to the names that carseg's networks use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from carseg.architectures.registry import find_conversion

_WRAPPERS = ("state_dict", "model_state", "model")  # keys of the weights, beside an optimizer's state and the like


def convert_public_state_dict(name: str, checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights in a public checkpoint, ready for a strict ``create_model(name, ...).load_state_dict()``.

    Checkpoints that hold more than weights are unpacked, the ``module.`` of data-parallel training is removed, tensors
    that the reference names differently are renamed, and those that the network never uses are left out.

    Args:
        name: the architecture, one of ``list_architectures()``.
        checkpoint: the result of ``torch.load(path, weights_only=True)`` or ``safetensors.torch.load_file(path)``.

    Raises:
        UnknownNameError: no such architecture.

    Example:
        >>> checkpoint = torch.load("unet_carvana_scale1.0_epoch2.pth", weights_only=True)
        >>> model = carseg.create_model("unet", num_classes=2)
        >>> model.load_state_dict(convert_public_state_dict("unet", checkpoint))
    """
    for wrapper in _WRAPPERS:
        checkpoint = checkpoint.get(wrapper, checkpoint)
    state = {key.removeprefix("module."): value for key, value in checkpoint.items()}
    return find_conversion(name)(state)
