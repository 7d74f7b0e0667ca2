"""Names to architectures. Listing them imports nothing; building one imports its own file only."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from carseg.errors import OptionError, UnknownNameError

if TYPE_CHECKING:
    from carseg.architectures.network import Network

Builder = Callable[[int, int], "Network"]  # (num_classes, in_channels) -> network with random weights

# The file of `carseg.architectures` that registers each name: it is imported when the name is first built.
_HOMES = {
    "fpn-mobilenetv2": "fpn",
    "fpn-efficientnet-lite1": "fpn",
    "unet-mobilenetv2": "unet_mobilenetv2",
    "lraspp-mobilenetv2": "lraspp_mobilenetv2",
    "unet": "unet",
    "unet-noskip": "unet",
    "u2net": "u2net",
    "u2netp": "u2net",
    "resnest50-unet": "resnest_unet",
    "resnest101-unet": "resnest_unet",
    "resnest200-unet": "resnest_unet",
    "fcn-resnet50": "fcn",
    "deeplabv3-resnet50": "deeplabv3",
    "deeplabv3plus-resnet50": "deeplabv3plus",
    "pspnet-resnet50": "pspnet",
    "segformer-b0": "segformer",
    "segformer-b1": "segformer",
    "segformer-b2": "segformer",
    "segformer-b3": "segformer",
    "segformer-b4": "segformer",
    "segformer-b5": "segformer",
}
_BUILDERS: dict[str, Builder] = {}


def register(name: str) -> Callable[[Builder], Builder]:
    """Decorator: makes ``builder(num_classes, in_channels)`` available as ``create_model(name)``."""

    def add(builder: Builder) -> Builder:
        if name in _BUILDERS:
            raise OptionError(f"architecture {name!r} is registered twice")
        _BUILDERS[name] = builder
        return builder

    return add


def list_architectures() -> list[str]:
    """All names ``create_model`` knows, sorted."""
    return sorted(_HOMES.keys() | _BUILDERS.keys())


def create_model(name: str, num_classes: int, *, in_channels: int = 3, imagenet: bool = False) -> Network:
    """Builds an architecture with random weights (``load`` gives a trained one).

    Args:
        name: one of ``list_architectures()``.
        num_classes: number of output channels, background included.
        in_channels: number of channels of the pictures it takes.
        imagenet: load ImageNet weights into the encoder through timm, which downloads them; needs ``in_channels=3``.

    Raises:
        UnknownNameError: no such architecture.
        OptionError: a number below 1, or ImageNet weights for a network that has none.
    """
    if num_classes < 1 or in_channels < 1:
        raise OptionError(f"num_classes and in_channels must be at least 1, got {num_classes} and {in_channels}")
    model = find_builder(name)(num_classes, in_channels)
    if imagenet:
        from carseg.architectures.imagenet import load_imagenet_encoder

        load_imagenet_encoder(model)
    return model


def find_builder(name: str) -> Builder:
    """The function registered under ``name``; imports the file it is in."""
    if name not in _BUILDERS and name in _HOMES:
        importlib.import_module(f"carseg.architectures.{_HOMES[name]}")
    if name not in _BUILDERS:
        raise unknown("architecture", name, list_architectures())
    return _BUILDERS[name]


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that does not exist: the nearest ones, or all where none is near."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
    return UnknownNameError(f"no {kind} {name!r}; {hint}")
