"""Pieces of an ONNX file as bytes, so that tensors are put into one without the package onnx.

An ONNX file is a protocol buffer: fields that may repeat are simply written one after another, and a message written in
two parts is one (https://protobuf.dev/programming-guides/encoding/, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from carseg._arrays import Float32Array

_ELEMENTS = {"float32": 1, "int64": 7}  # ONNX's numbers of data types


def additions(tensors: dict[str, Any], inputs: Iterable[bytes], outputs: Iterable[bytes]) -> bytes:
    """Return what adds tensors, inputs and outputs to the graph of the ONNX file that it is appended to.

    Args:
        tensors: arrays, float32 or int64, by name.
        inputs: results of ``declaration``.
        outputs: results of ``declaration``.
    """
    fields = [*((5, _tensor(name, value)) for name, value in tensors.items())]
    fields += [(11, declared) for declared in inputs] + [(12, declared) for declared in outputs]
    return _field(7, b"".join(_field(number, content) for number, content in fields))


def declaration(name: str, shape: Sequence[int | str]) -> bytes:
    """Return the declaration of a float32 input or output; a size that is free has a name."""
    sizes = (_field(2, size.encode()) if isinstance(size, str) else _number(1, size) for size in shape)
    dimensions = b"".join(_field(1, size) for size in sizes)
    kind = _field(1, _number(1, _ELEMENTS["float32"]) + _field(2, dimensions))
    return _field(1, name.encode()) + _field(2, kind)


def _tensor(name: str, value: Float32Array | Any) -> bytes:
    sizes = b"".join(_number(1, size) for size in value.shape)
    content = np.ascontiguousarray(value, value.dtype.newbyteorder("<")).tobytes()
    return sizes + _number(2, _ELEMENTS[value.dtype.name]) + _field(8, name.encode()) + _field(9, content)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    """Return a whole number, 7 bits a byte, the lowest first; a set eighth bit says that more follow."""
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*content, value])
