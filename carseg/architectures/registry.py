"""Registry of architectures by name. Listing them imports nothing; building one imports its own file only."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from carseg.errors import OptionError, unknown_name

if TYPE_CHECKING:
    from carseg.architectures.network import Network, State

Builder = Callable[[int, int], "Network"]  # (num_classes, in_channels) -> network with random weights

# Name to the file of this folder and the function in it.
_BUILT_IN = {
    "fpn-mobilenetv2": ("fpn", "fpn_mobilenetv2"),
    "fpn-efficientnet-lite1": ("fpn", "fpn_efficientnet_lite1"),
    "unet-mobilenetv2": ("unet_mobilenetv2", "unet_mobilenetv2"),
    "lraspp-mobilenetv2": ("lraspp_mobilenetv2", "lraspp_mobilenetv2"),
    "unet": ("unet", "unet"),
    "unet-noskip": ("unet", "unet_noskip"),
    "refinement-unet": ("refinement_unet", "RefinementUNet"),
    "u2net": ("u2net", "u2net"),
    "u2netp": ("u2net", "u2netp"),
    "resnest50-unet": ("resnest_unet", "resnest50_unet"),
    "resnest101-unet": ("resnest_unet", "resnest101_unet"),
    "resnest200-unet": ("resnest_unet", "resnest200_unet"),
    "fcn-resnet50": ("fcn", "build"),
    "deeplabv3-resnet50": ("deeplabv3", "build"),
    "deeplabv3plus-resnet50": ("deeplabv3plus", "DeepLabV3Plus"),
    "pspnet-resnet50": ("pspnet", "PSPNet"),
    "segformer-b0": ("segformer", "segformer_b0"),
    "segformer-b1": ("segformer", "segformer_b1"),
    "segformer-b2": ("segformer", "segformer_b2"),
    "segformer-b3": ("segformer", "segformer_b3"),
    "segformer-b4": ("segformer", "segformer_b4"),
    "segformer-b5": ("segformer", "segformer_b5"),
}
_registered: dict[str, Builder] = {}


def register(name: str) -> Callable[[Builder], Builder]:
    """Return a decorator that makes ``builder(num_classes, in_channels)`` available as ``create_model(name)``."""

    def add(builder: Builder) -> Builder:
        if name in _BUILT_IN or name in _registered:
            raise OptionError(f"architecture {name!r} is registered twice")
        _registered[name] = builder
        return builder

    return add


def list_architectures() -> list[str]:
    """Return all names that ``create_model`` knows, sorted."""
    return sorted(_BUILT_IN.keys() | _registered.keys())


def find_builder(name: str) -> Builder:
    """Return the function that builds an architecture, and import its file.

    Raises:
        UnknownNameError: no such architecture.
    """
    if name in _registered:
        return _registered[name]
    if name not in _BUILT_IN:
        raise unknown_name("architecture", name, list_architectures())
    file, function = _BUILT_IN[name]
    builder: Builder = getattr(importlib.import_module(f"carseg.architectures.{file}"), function)
    return builder


def find_conversion(name: str) -> Callable[[State], State]:
    """Return the function that renames the reference implementation's weights to carseg's; most need only a copy.

    Raises:
        UnknownNameError: no such architecture.
    """
    find_builder(name)
    if name in _registered:
        return dict
    convert: Callable[[State], State] = getattr(
        importlib.import_module(f"carseg.architectures.{_BUILT_IN[name][0]}"), "convert_public", dict
    )
    return convert
