"""Loading of trained encoder weights: timm's for ImageNet, which timm downloads and caches itself, or any others."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from carseg._env import is_on
from carseg.architectures import Network
from carseg.errors import HubError, OfflineError, OptionError, WeightsError


def load_encoder(model: Network, state: Mapping[str, Tensor], source: str) -> None:
    """Load a state dict under timm's names into the encoder of ``model``; the rest stays as it is.

    Args:
        model: the network to change.
        state: the encoder's tensors, and possibly others.
        source: name of the weights in an error.

    Raises:
        OptionError: the network has no encoder, or it does not take three channels.
        WeightsError: the tensors do not fit the encoder; nothing is loaded then.
    """
    encoder = _encoder(model, source)
    found = {key: state.get(model.timm_key(key)) for key in encoder}
    wrong = [
        key
        for key, value in found.items()
        if (value is None and not key.endswith("num_batches_tracked"))  # a counter that only some files have
        or (value is not None and value.shape != encoder[key].shape)
    ]
    if wrong:
        raise WeightsError(
            f"{source} does not fit {type(model).__name__}: {len(wrong)} tensors, the first is {wrong[0]}"
        )
    filled = {key: value for key, value in found.items() if value is not None}
    model.load_state_dict(filled, strict=False)  # strict above: every tensor of the encoder is there


def copy_encoder(model: Network, trained: Network, source: str) -> None:
    """Copy the encoder of a trained network into ``model``; see ``load_encoder``."""
    load_encoder(model, trained.timm_state(), source)


def load_imagenet_encoder(model: Network) -> None:
    """Load timm's default ImageNet weights into the encoder of ``model``.

    Raises:
        OptionError: timm has no weights for this network, or it does not take three channels.
        OfflineError: ``CARSEG_OFFLINE`` is set.
        HubError: timm could not get the weights.
        WeightsError: the weights do not fit the encoder, as after a change in timm; nothing is loaded then.
    """
    if not model.timm_encoder:
        kind = type(model).__name__
        raise OptionError(f"{kind} has no encoder that timm has ImageNet weights for: start it without them")
    if is_on("CARSEG_OFFLINE"):
        raise OfflineError(
            f"timm would download {model.timm_encoder}, but CARSEG_OFFLINE is set: "
            "unset it, or set HF_HUB_OFFLINE=1 instead to use what timm has in its cache"
        )

    source = f"timm's {model.timm_encoder}"
    _encoder(model, source)  # before anything is downloaded

    import timm

    try:
        pretrained = timm.create_model(model.timm_encoder, pretrained=True).state_dict()
    except Exception as error:  # timm's download libraries raise all kinds of errors
        raise HubError(f"timm could not get the ImageNet weights of {model.timm_encoder}: {error}") from error
    load_encoder(model, pretrained, source)


def _encoder(model: Network, source: str) -> dict[str, Tensor]:
    """Return the encoder's part of the state dict; raise OptionError where ``source`` cannot fill it."""
    kind, prefix = type(model).__name__, model.encoder_prefix
    encoder = {k: v for k, v in model.state_dict().items() if prefix and k.startswith(prefix)}
    if not encoder:
        raise OptionError(f"{kind} has no encoder to load weights into")
    channels = next(v.shape[1] for v in encoder.values() if v.ndim == 4)
    if channels != 3:
        raise OptionError(f"{source} takes 3 channels, this {kind} takes {channels}: start it from random weights")
    return encoder
