"""The small U^2-Net of another project's package, which tells what stands out in an image, as a network of the zoo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import nn

from carseg.hub import InputSpec, Provenance, create_model, save_model
from carseg.labels import LABEL_SETS

Arrays = dict[str, npt.NDArray[np.float32]]

INPUT = InputSpec(size=(320, 320), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), scale="max")
_EPS = 1e-5  # of the batch norms


def read_folded(graph: Path) -> Arrays:
    """Return the weights, for one class, of the ONNX graph of a u2netp; its batch norms went into the convolutions.

    Here the norms do nothing. What had a norm has lost its name in the graph, but not its order.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(graph).graph
    arrays = {each.name: numpy_helper.to_array(each) for each in model.initializer}
    network = create_model("u2netp", 1)
    state = {key: arrays.get(key, value.numpy()) for key, value in network.state_dict().items()}
    folded = [node.input for node in model.node if node.op_type == "Conv" and node.input[1] not in state]
    for name, (_, weight, bias) in zip(_normed(network), folded, strict=True):
        state[f"{name}.weight"], state[f"{name}.bias"] = arrays[weight], arrays[bias]
    for key in state:
        if key.endswith("running_var"):
            state[key] = np.full_like(state[key], 1 - _EPS)
    return state


def _normed(network: nn.Module) -> list[str]:
    """Return the names of a U^2-Net's convolutions that a batch norm follows, in the order in which it runs them."""
    names: list[str] = []
    for name, module in network.named_modules():
        if name.endswith("conv_s1"):
            module.register_forward_hook(lambda *_, name=name: names.append(name))
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, 64, 64))
    return names


def to_two_classes(state: Arrays) -> Arrays:
    """Return weights for background and object that compute what those for the logit of the object alone do.

    Half of that logit is the object's, half of its negative the background's.
    """
    halves = {key: np.concatenate([value / -2, value / 2]) for key, value in state.items() if key.startswith("side")}
    each = state["outconv.weight"][0]  # (6, 1, 1), one number per side, which has two outputs now
    fused = np.zeros((2, 12, 1, 1), np.float32)
    fused[0, 0::2], fused[1, 1::2] = each, each
    bias = state["outconv.bias"] / 2
    return {**state, **halves, "outconv.weight": fused, "outconv.bias": np.concatenate([-bias, bias])}


def save(weights: Path, folder: Path) -> Path:
    """Return a file that ``carseg.load`` takes, in its folder, of the weights as ``recipes.backbones`` has them."""
    network = create_model("u2netp", 2)
    network.load_state_dict(load_file(weights))
    provenance = Provenance(
        name="u2netp-salient",
        architecture="u2netp",
        labels=LABEL_SETS["carvana"],
        input=INPUT,
        licence="Apache-2.0",
        commercial_use="unclear",
        recipe="",
        code_commit="",
        paper="https://arxiv.org/abs/2005.09007",
        made_by="the authors of U^2-Net",
        data=(),
    )
    return folder / save_model(folder, network, provenance).file
