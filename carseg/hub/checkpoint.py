"""Networks <-> safetensors files: small storage encodings, strict loading, another head for other classes.

A file holds the state dict for prediction: the heads that only training uses are left out. What has two or more
dimensions is stored as

    int8      one symmetric scale per output channel in a sibling "KEY.int8_scale", float32, which broadcasts over it
    float16   where int8 would cost accuracy
    float32   exact

and what has fewer is stored as it is. Reading gives float32 again, and whole numbers (batch norm's counters) untouched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from carseg._files import replacing
from carseg.architectures import Network, State, find_builder
from carseg.errors import OptionError, WeightsError
from carseg.hub.model_info import ModelInfo
from carseg.hub.tensors import SCALE, Kind, check_fit, read_tensors
from carseg.labels import LabelSet, plain_name

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def encode(model: Network, storage: str, keep_float16: Iterable[str] = ()) -> State:
    """Return the tensors that a file stores for the model's weights.

    Args:
        model: any network; it stays as it is.
        storage: "int8", "float16" or "float32".
        keep_float16: keys, or patterns with ``*``, that "int8" stores as float16 instead.

    Raises:
        OptionError: no such storage, or a pattern that matches no key.
        WeightsError: a tensor holds NaN or infinity, or values too large for float16.
    """
    if storage not in ("int8", "float16", "float32"):
        raise OptionError(f"unknown storage {storage!r}; use int8, float16 or float32")
    heads = _head_prefixes(model)
    state = {key: value.detach().cpu() for key, value in model.state_dict().items() if not key.startswith(heads)}
    halves = set()
    for pattern in keep_float16:
        found = {key for key in state if fnmatchcase(key, pattern)}
        if not found:
            raise OptionError(f"keep_float16: no tensor is called {pattern!r}")
        halves |= found
    # A transposed convolution has its output channels in the second dimension.
    second = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, _TRANSPOSED)}
    encoded: State = {}
    for key, value in state.items():
        if value.ndim < 2 or not value.is_floating_point() or storage == "float32":
            encoded[key] = value
        elif storage == "float16" or key in halves:
            encoded[key] = value.half()
        else:
            encoded[key], encoded[key + SCALE] = _to_int8(value.float(), axis=int(key in second))
    for key, value in encoded.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise WeightsError(
                f"tensor {key.removesuffix(SCALE)!r} holds NaN, infinity or values too large for {value.dtype}"
            )
    return encoded


def save_state(
    path: Path,
    model: Network,
    *,
    storage: str = "int8",
    keep_float16: Iterable[str] = (),
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the model's weights; ``path`` is replaced only once all is written.

    Args:
        path: ends in ``.safetensors``.
        model: any network; it stays as it is.
        storage: "int8", "float16" or "float32".
        keep_float16: keys, or patterns with ``*``, that "int8" stores as float16 instead.
        metadata: text stored beside the tensors.

    Raises:
        OptionError, WeightsError: as ``encode``.
        OSError: the disk is full or read-only; nothing half-written stays behind.
    """
    tensors = {key: value.contiguous() for key, value in encode(model, storage, keep_float16).items()}
    content = safetensors.torch.save(tensors, {"format": "pt", **(metadata or {})})
    with replacing(path) as partial:
        partial.write_bytes(content)


def read_state(path: Path) -> State:
    """Return the state dict in a weights file, float32; errors are those of ``read_tensors``."""
    return {key: torch.from_numpy(np.require(value, requirements="W")) for key, value in read_tensors(path).items()}


def load_into(model: Network, path: Path) -> None:
    """Load a file's weights into a network, which must be exactly the one they were made for.

    Heads for training that the file leaves out are removed from the model. A model on the "meta" device, which takes no
    time to build, gets the file's tensors on the CPU.

    Raises:
        WeightsError: the file cannot be read, or lacks a tensor, has one too many or one of another shape.
    """
    state = read_state(path)
    heads = _head_prefixes(model)
    if heads and not any(key.startswith(heads) for key in state):
        model.drop_training_heads()
    own = model.state_dict()
    check_fit(_kinds(own), _kinds(state), path)
    model.load_state_dict(state, assign=any(value.is_meta for value in own.values()))


def replace_head(model: Network, state: Mapping[str, Tensor], architecture: str, source: str | Path) -> list[str]:
    """Load all weights but the head's where those are for another number of classes.

    Args:
        model: a network of the architecture; its tensors that are not loaded keep their initial values.
        state: trained weights of the same architecture.
        architecture: its name.
        source: name of the weights in an error.

    Returns:
        The names of the tensors that keep their initial values: of the head, and of heads for training that ``state``
        leaves out.

    Raises:
        WeightsError: the weights are those of another network; nothing is loaded then.
    """
    own = model.state_dict()
    other = {key for key in state if _misfits(key, state, own)}
    new = other & _head_axes(architecture).keys() if other else other
    new |= {key for key in own if key not in state and key.startswith(_head_prefixes(model))}
    check_fit(_kinds(own), _kinds(state), source, but=new)
    model.load_state_dict({key: value for key, value in state.items() if key not in new}, strict=False)
    return [key for key in own if key in new]


def count_classes(state: Mapping[str, Tensor], architecture: str, source: str | Path) -> int:
    """Return the number of classes that trained weights of an architecture are for, by the shapes of their head.

    Raises:
        WeightsError: they have no head of this architecture; ``source`` is their name.
    """
    for key, axes in _head_axes(architecture).items():
        if key in state:
            axis, per_class = next(iter(axes.items()))
            if state[key].ndim > axis:
                return state[key].shape[axis] // per_class
    raise WeightsError(f"{source} holds no weights of {architecture}: it has none of the tensors of its head")


def _to_int8(value: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    others = [dimension for dimension in range(value.ndim) if dimension != axis]
    scale = value.abs().amax(others, keepdim=True) / 127
    scale = scale.clamp(min=torch.finfo(torch.float32).tiny)  # a channel of zeros stays all zeros
    return (value / scale).round().to(torch.int8), scale


def _head_prefixes(model: Network) -> tuple[str, ...]:
    return tuple(f"{name}." for name in model.training_only)


def _misfits(key: str, state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> bool:
    return key in own and own[key].shape != state[key].shape


def _kinds(state: Mapping[str, Tensor]) -> dict[str, Kind]:
    return {key: Kind(tuple(value.shape), value.is_floating_point()) for key, value in state.items()}


def rename_classes(state: State, network: Network, info: ModelInfo, labels: LabelSet) -> list[str]:
    """Adapt the head in ``state``, in place, to other classes by name.

    Rows of classes that both label sets name stay, those of the other classes come from ``network``.

    Args:
        state: the trained state dict, for the classes of ``info``; changed in place.
        network: a network of the same architecture for ``labels``, with initial values.
        info: the trained weights.
        labels: the new classes.

    Returns:
        The names of the tensors with rows from ``network``.
    """
    fresh = network.state_dict()
    mine, old = ([plain_name(name) for name in each.classes] for each in (labels, info.labels))
    shared = [name for name in mine if name in old]
    head = {key: axes for key, axes in _head_axes(info.architecture).items() if key in state}
    for key, axes in head.items():
        value = fresh[key].clone()
        value[_class_rows(value, axes, mine, shared)] = state[key][_class_rows(state[key], axes, old, shared)]
        state[key] = value
    return list(head) if len(shared) < len(mine) else []


def _class_rows(tensor: Tensor, axes: Collection[int], classes: list[str], names: list[str]) -> tuple[Any, ...]:
    """Return the index of the elements that belong to the classes ``names`` in a tensor of the head."""
    ids, count = [classes.index(name) for name in names], len(classes)
    return np.ix_(
        # An axis holds several blocks of classes where a layer takes the logits of others, as U^2-Net's last one does.
        *(
            [start + i for start in range(0, size, count) for i in ids] if axis in axes else range(size)
            for axis, size in enumerate(tensor.shape)
        )
    )


def _head_axes(architecture: str) -> dict[str, dict[int, int]]:
    """Return the tensors whose shape depends on the number of classes: each such axis and its size per class."""
    with torch.device("meta"):
        two, three = (find_builder(architecture)(classes, 3).state_dict() for classes in (2, 3))
    growth = {key: [b - a for a, b in zip(two[key].shape, three[key].shape, strict=True)] for key in two}
    axes = {key: {i: size for i, size in enumerate(sizes) if size} for key, sizes in growth.items()}
    return {key: found for key, found in axes.items() if found}
