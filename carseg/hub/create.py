"""Networks by the name of their architecture, with random, ImageNet's or trained weights."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from carseg.architectures import find_builder
from carseg.errors import OptionError, UnknownNameError, WeightsError
from carseg.hub.licence import licence_notice
from carseg.hub.resolve import resolve

if TYPE_CHECKING:
    from carseg.architectures import Network, State

_log = logging.getLogger("carseg")


def create_model(
    name: str,
    num_classes: int | None = None,
    *,
    weights: str | os.PathLike[str] | None = None,
    hub: str | os.PathLike[str] | None = None,
    in_channels: int = 3,
) -> Network:
    """Return a network of an architecture: a plain ``torch.nn.Module`` in training mode, for your own code.

    It takes float32 images (N, in_channels, H, W). With the weights of a model these must be normalized as
    ``carseg.info(NAME).input`` says. See ``Network`` for what it returns.

    Args:
        name: one of ``list_architectures()``.
        num_classes: number of output channels, background included; None uses the number of the weights.
        weights: None for random weights; "imagenet" for random weights with an encoder trained on ImageNet, which timm
            downloads; or a model's name, the folder of a training run or a safetensors file, for trained weights of
            this architecture. If these have another number of classes, the head is random. Published weights leave
            out the heads that only training uses; these are random, and ``drop_training_heads`` removes them.
        hub: where to look for a model first, as for ``carseg.load``.
        in_channels: number of channels of the images; ImageNet weights and published weights need 3.

    Raises:
        UnknownNameError: the architecture or model does not exist.
        OptionError: a number is below 1, ``num_classes`` is missing without trained weights, or the network has no
            ImageNet weights.
        HubError: the weights cannot be found or downloaded.
        WeightsError: the weights are damaged, or belong to another architecture.
    """
    build = find_builder(name)
    if min(in_channels, 1 if num_classes is None else num_classes) < 1:
        raise OptionError(f"num_classes and in_channels must be at least 1, got {num_classes} and {in_channels}")
    if weights is None or weights == "imagenet":
        if num_classes is None:
            raise OptionError(f"num_classes is missing: say how many classes {name} is for, or give trained weights")
        model = build(num_classes, in_channels)
        if weights is not None:
            from carseg.hub.pretrained import load_imagenet_encoder

            load_imagenet_encoder(model)
        return model

    from carseg.hub.checkpoint import count_classes, replace_head

    state = _read_trained(name, weights, hub)
    model = build(num_classes or count_classes(state, name, os.fspath(weights)), in_channels)
    replace_head(model, state, name, os.fspath(weights))
    return model


def _read_trained(architecture: str, weights: str | os.PathLike[str], hub: str | os.PathLike[str] | None) -> State:
    """Return the state dict of a model, a run folder or a file; of a bare file nothing is known but its tensors."""
    from carseg.hub.checkpoint import read_state

    path = Path(weights)
    if path.suffix == ".safetensors" or path.is_file():
        try:
            resolved = resolve(architecture, weights=path)
        except UnknownNameError:  # no config.json says what the file is
            return read_state(path)
    else:
        resolved = resolve(weights, hub=hub)
    if resolved.info.architecture != architecture:
        raise WeightsError(
            f"the weights {weights} are those of {resolved.info.architecture}, not of {architecture}: "
            f"create_model({resolved.info.architecture!r}, weights=...) takes them"
        )
    if notice := licence_notice(resolved.info):
        _log.warning(notice)
    return read_state(resolved.path)
