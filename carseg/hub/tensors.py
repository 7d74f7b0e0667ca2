"""Tensors of a safetensors file as numpy arrays, and whether they are those of a network. Knows nothing of torch.

How a file stores them is described in ``carseg.hub.checkpoint``, which writes it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from carseg.errors import WeightsError, excerpt
from carseg.hub.verify import refuse_pickle

Array = NDArray[Any]
Arrays = dict[str, Array]

SCALE = ".int8_scale"  # ends the key of an int8 tensor's scale
_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_TYPES = {**_FLOATS, "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?"}  # numpy's names


class Kind(NamedTuple):
    """What has to agree for a tensor to take another one's place."""

    shape: tuple[int, ...]
    floating: bool = True


def read_tensors(path: Path) -> Arrays:
    """Return the tensors in a weights file by name, decoded: every floating one as float32.

    Raises:
        WeightsError: the file is missing, not a safetensors file, truncated, or a pickle, or holds NaN or infinity.
    """
    import safetensors

    refuse_pickle(path)
    try:
        return decode({key: _array(**stored) for key, stored in safetensors.deserialize(path.read_bytes())})
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except Exception as error:  # SafetensorError, OSError, and what a header of other types than usual leads to
        reason = excerpt(str(error)) or type(error).__name__
        raise WeightsError(f"{path} is not a whole safetensors file ({reason}); download or copy it again") from None


def _array(dtype: str, shape: list[int], data: bytearray) -> Array:
    if dtype == "BF16":  # the upper half of a float32, which numpy has no type for
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    if dtype not in _TYPES:
        raise WeightsError(f"it holds tensors of type {dtype}: store them as float32, float16 or int8")
    return np.frombuffer(data, _TYPES[dtype]).reshape(shape)


def decode(stored: Mapping[str, Array]) -> Arrays:
    """Return the inverse of ``carseg.hub.checkpoint.encode``: every floating tensor as float32.

    Raises:
        WeightsError: an int8 tensor has no scale, a scale has no tensor of a shape that it fits, or a value is NaN or
            infinite.
    """
    decoded: Arrays = {}
    for key, value in stored.items():
        if key.endswith(SCALE):
            if key.removesuffix(SCALE) not in stored:
                raise WeightsError(f"scale {excerpt(key)!r} has no tensor")
        elif value.dtype == np.int8:
            scale = stored.get(key + SCALE)
            if scale is None:
                raise WeightsError(f"int8 tensor {excerpt(key)!r} has no scale")
            if scale.ndim != value.ndim or any(s not in (1, n) for s, n in zip(scale.shape, value.shape, strict=True)):
                raise WeightsError(f"scale {excerpt(key + SCALE)!r} does not fit its tensor")
            decoded[key] = np.multiply(value, scale, dtype=np.float32)
        else:
            decoded[key] = value.astype(np.float32, copy=False) if value.dtype.kind == "f" else value
    for key, value in decoded.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise WeightsError(f"tensor {excerpt(key)!r} holds NaN or infinity: get the file again, or train anew")
    return decoded


def check_fit(
    wanted: Mapping[str, Kind], given: Mapping[str, Kind], source: str | Path, *, but: Collection[str] = ()
) -> None:
    """Raise WeightsError unless a file has a network's tensors in their shapes.

    Args:
        wanted: the network's tensors.
        given: those of the file.
        source: the file's name in an error.
        but: tensors that are not looked at.
    """
    shared = [key for key in given if key in wanted]
    misfits = [key for key in shared if key not in but and given[key].shape != wanted[key].shape]
    problems = (
        ("lacks", [key for key in wanted if key not in given and key not in but]),
        ("has, but should not,", [key for key in given if key not in wanted]),
        ("has in another shape", [f"{key} {given[key].shape} instead of {wanted[key].shape}" for key in misfits]),
        ("has as numbers of another kind", [key for key in shared if given[key].floating != wanted[key].floating]),
    )
    reasons = [f"{verb} {_some(names)}" for verb, names in problems if names]
    if reasons:
        raise WeightsError(f"{source} was made for another network: it {'; it '.join(reasons)}")


def kinds(arrays: Mapping[str, Array]) -> dict[str, Kind]:
    """Return what has to agree with a network's tensors."""
    return {key: Kind(value.shape, value.dtype.kind == "f") for key, value in arrays.items()}


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(excerpt, names[:3])) + more
