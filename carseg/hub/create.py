"""Networks by the name of their architecture, with random or ImageNet weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg.architectures import find_builder
from carseg.errors import OptionError

if TYPE_CHECKING:
    from carseg.architectures import Network


def create_model(name: str, num_classes: int, *, in_channels: int = 3, imagenet: bool = False) -> Network:
    """Return a network of an architecture with random weights (``carseg.load`` gives a trained one).

    Args:
        name: one of ``list_architectures()``.
        num_classes: number of output channels, background included.
        in_channels: number of channels of the images it takes.
        imagenet: load ImageNet weights into the encoder through timm, which downloads them; needs ``in_channels=3``.

    Raises:
        UnknownNameError: no such architecture.
        OptionError: a number below 1, or ImageNet weights for a network that has none.
    """
    if num_classes < 1 or in_channels < 1:
        raise OptionError(f"num_classes and in_channels must be at least 1, got {num_classes} and {in_channels}")
    model = find_builder(name)(num_classes, in_channels)
    if imagenet:
        from carseg.hub.pretrained import load_imagenet_encoder

        load_imagenet_encoder(model)
    return model
