"""Checkpoints of the public reference implementations, under the names that carseg's networks use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from carseg.architectures.registry import find_conversion

_WRAPPERS = ("state_dict", "model_state", "model")  # where the weights lie beside an optimiser's state and the like


def convert_public_state_dict(name: str, checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights in a public checkpoint, ready for ``create_model(name, ...).load_state_dict()``, which stays strict.

    Unpacks checkpoints that hold more than weights, takes off the ``module.`` of data-parallel training, renames where
    the reference has other names, and leaves out what the network never runs.

    Args:
        name: the architecture, one of ``list_architectures()``.
        checkpoint: what ``torch.load(path, weights_only=True)`` or ``safetensors.torch.load_file(path)`` returned.

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
