"""Rounding of weights to fewer bits so that the errors cancel.

A rounded weight's error is passed on to the next weight of the same output, as dithering does with pixels (Floyd and
Steinberg 1976). Activations are mostly positive and neighbouring ones alike, so that mainly the sum of the errors
changes a result. It stays below half a step in each run of weights that pass errors on to one another; rounding each
weight by itself lets it grow with the number of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from carseg._arrays import Float32Array

_RUN = 32  # weights that pass errors on to one another; runs are computed side by side


def pass_on(weight: Float32Array, rounding: Callable[[Float32Array], Float32Array]) -> Float32Array:
    """Return a weight, rounded so that errors cancel, as float32 of the same shape.

    Args:
        weight: float32 (outputs, ...).
        rounding: returns an array with each element rounded to the nearest representable value.
    """
    flat = weight.reshape(len(weight), -1)
    padded = np.pad(flat, ((0, 0), (0, -flat.shape[1] % _RUN)))
    runs = np.ascontiguousarray(np.moveaxis(padded.reshape(len(weight), -1, _RUN), 2, 0))
    error = np.zeros_like(runs[0])
    for values in runs:
        wanted = values + error
        values[:] = rounding(wanted)
        error = wanted - values
    return np.moveaxis(runs, 0, 2).reshape(padded.shape)[:, : flat.shape[1]].reshape(weight.shape)


def to_bfloat16(values: Float32Array) -> Float32Array:
    """Return finite numbers rounded to the nearest that bfloat16 has, ties to even, as float32."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return (bits + 0x7FFF + (bits >> 16 & 1) & 0xFFFF0000).view(np.float32)


def round_weights(tensors: Mapping[str, Any], outputs: Mapping[str, int]) -> dict[str, Any]:
    """Return a network's tensors by name, with float32 weights rounded to numbers that bfloat16 has.

    Args:
        tensors: float32 arrays; the mapping stays as it is.
        outputs: which of them to round, and the axis of each one's output channels.
    """
    rounded = {
        name: np.moveaxis(pass_on(np.moveaxis(tensors[name], axis, 0), to_bfloat16), 0, axis)
        for name, axis in outputs.items()
    }
    return {**tensors, **rounded}
