"""Conversion of networks to torch.export and ONNX, with batch size, height and width free."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch.export import Dim, ExportedProgram

from carseg.architectures import Network
from carseg.runtimes.fuse import fuse_conv_bn
from carseg.runtimes.graph import INPUT_NAME, OUTPUT_NAME
from carseg.runtimes.processor import FLOAT32_UNTIL, prepare_for_processor

if TYPE_CHECKING:
    from onnx import ModelProto

_SCOPES = "pkg.torch.onnx.name_scopes"  # metadata of a node: the modules it is in, by which int8 knows its place
_EXAMPLE = (72, 104)  # any size without two equal sides


def to_program(network: Network, *, channels: int = 3, bfloat16: bool = False) -> ExportedProgram:
    """Return the network as torch.export has it; batch norms are fused into its convolutions, in place.

    Args:
        network: the network, which is changed and put into evaluation mode.
        channels: those of its images.
        bfloat16: round the float32 weights to numbers that bfloat16 has, except those of the first stage and the last
            convolution.
    """
    network.eval()
    last = fuse_conv_bn(network, channels)
    precision = torch.bfloat16 if bfloat16 else torch.float32
    prepare_for_processor(network, torch.device("cpu"), precision, last=last)
    return _trace(network, channels)


def to_onnx(network: Network, *, channels: int = 3, bfloat16: bool = False) -> bytes:
    """Return the network as the content of a float32 ONNX file; the arguments are those of ``to_program``."""
    program = to_program(network, channels=channels, bfloat16=bfloat16)
    content: bytes = _translate(program, network).SerializeToString()
    return content


def export_prepared(network: Network, channels: int) -> ModelProto:
    """Return a network whose batch norms were fused as ONNX has it."""
    return _translate(_trace(network, channels), network)


def _trace(network: Network, channels: int) -> ExportedProgram:
    free = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about its own internals
        # strict=False traces by running the network, as later versions do by default: torch 2.6 would compile it, which
        # fails on get_submodule.
        return torch.export.export(
            network, (torch.zeros(2, channels, *_EXAMPLE),), dynamic_shapes={"x": free}, strict=False
        )


def _translate(program: ExportedProgram, network: Network) -> ModelProto:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = torch.onnx.export(
            program, dynamo=True, verbose=False, optimize=True, input_names=[INPUT_NAME], output_names=[OUTPUT_NAME]
        )
    assert converted is not None
    model = converted.model_proto
    if network.first_stage:
        model.metadata_props.add(key=FLOAT32_UNTIL, value=_last_node(model, network.first_stage[-1]))
    for node in model.graph.node:  # the rest only describes it, with paths of this machine
        kept = [prop for prop in node.metadata_props if prop.key == _SCOPES]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    return model


def _last_node(model: ModelProto, module: str) -> str:
    """Return the name of the node that computes a submodule's result."""
    scopes = {node.name: p.value for node in model.graph.node for p in node.metadata_props if p.key == _SCOPES}
    return [name for name, scope in scopes.items() if repr(module) in scope][-1]
