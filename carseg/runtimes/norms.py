"""Arithmetic of fusing batch norms into convolutions, on arrays.

In evaluation mode a batch norm multiplies and adds constants per channel, which the weight and the bias of the
convolution before it can do as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Norm(NamedTuple):
    """A batch norm that follows a convolution.

    Attributes:
        name: of its submodule.
        eps: what is added to its variances.
    """

    name: str
    eps: float


def fuse_norms(tensors: Mapping[str, Any], norms: Mapping[str, Norm]) -> dict[str, Any]:
    """Return a network's tensors by name, float32 arrays, without batch norms and with new weights and biases.

    Args:
        tensors: the network's; the mapping and its arrays stay as they are.
        norms: the batch norms to fuse, by the name of the convolution before each.
    """
    fused = dict(tensors)
    for conv, norm in norms.items():
        gamma, beta, mean, variance = (
            fused.pop(f"{norm.name}.{kind}") for kind in ("weight", "bias", "running_mean", "running_var")
        )
        fused.pop(f"{norm.name}.num_batches_tracked", None)
        scale = gamma / np.sqrt(variance + np.float32(norm.eps))
        weight, bias = fused[f"{conv}.weight"], fused.get(f"{conv}.bias", np.float32(0))
        fused[f"{conv}.weight"] = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        fused[f"{conv}.bias"] = (bias - mean) * scale + beta
    return fused
