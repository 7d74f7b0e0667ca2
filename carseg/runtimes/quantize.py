"""Quantization of networks to int8 with fixed ranges of activations, which were seen on images.

Activations have one scale per tensor, weights one per output channel. Ranges are stored by place, the point in the
network at which a tensor arises, such as "encoder.blocks.2:Add", since names in an ONNX file change with its exporter.
So ranges can be published with the weights, and users need no images.
"""

from __future__ import annotations

import ast
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from carseg._arrays import Float32Array
from carseg.errors import OptionError
from carseg.hub import Range
from carseg.runtimes.processor import leave_a_bit_unused
from carseg.runtimes.rounding import pass_on

_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_ACTIVATIONS = ("Clip", "Relu")
_KINDS = [*_WEIGHTED, *_ACTIVATIONS, "Add"]  # the rest costs little in float32, and accuracy in int8
INPUT_PLACE = "pictures"  # the place of the network's input; fixed: manifests have this name
_SCOPES = "pkg.torch.onnx.name_scopes"  # metadata of a node: the modules it is in


def observe(model: bytes, inputs: Iterable[Float32Array]) -> dict[str, Range]:
    """Return the (lowest, highest) value of every tensor that int8 needs, by its place; averaged over the images.

    Args:
        model: the ONNX file's content, as ``carseg.runtimes.convert.to_onnx`` makes it.
        inputs: normalized images, float32 (1, 3, h, w) each.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, create_calibrator

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rest = iter(inputs)

        def get_next(self) -> dict[str, Float32Array] | None:
            x = next(self.rest, None)
            return None if x is None else {name: x}

    loaded = _load(model)
    name = loaded.graph.input[0].name
    with tempfile.TemporaryDirectory() as folder:
        given, augmented = (str(Path(folder, file)) for file in ("given.onnx", "augmented.onnx"))
        onnx.save(loaded, given)
        mean = {"moving_average": True}  # so that no single image stretches a scale
        calibrator = create_calibrator(given, _KINDS, augmented, CalibrationMethod.MinMax, extra_options=mean)
        calibrator.collect_data(Reader())
        found = {tensor: data.range_value for tensor, data in calibrator.compute_data().data.items()}
    places = _places(loaded.graph)
    ranges = {places[tensor]: (_short(low), _short(high)) for tensor, (low, high) in found.items() if tensor in places}
    used = {tensor.name.removesuffix("_scale") for tensor in _quantized(loaded, ranges, False).graph.initializer}
    return {place: ranges[place] for tensor, place in places.items() if tensor in used}


def quantize(model: bytes, ranges: Mapping[str, Range], *, seven_bits: bool = False) -> bytes:
    """Return an int8 ONNX file (QDQ, which OpenVINO reads too) of a float32 one; its last layer stays float32.

    Args:
        model: the ONNX file's content, as ``carseg.runtimes.convert.to_onnx`` makes it.
        ranges: the result of ``observe``.
        seven_bits: leave a bit of the activations unused, for processors that add two products in 16 bits.

    Raises:
        OptionError: the ranges are those of another network.
    """
    loaded = _load(model)
    missing = sorted(ranges.keys() - _places(loaded.graph).values())
    if missing:
        raise OptionError(f"the int8 ranges are not those of this network, which lacks {', '.join(missing)}")
    if seven_bits:
        ranges = leave_a_bit_unused(ranges)
    quantized = _quantized(loaded, ranges, seven_bits)
    _round_weights(quantized, loaded)
    content: bytes = quantized.SerializeToString()
    return content


def _short(value: Float32Array) -> float:
    return float(f"{value.item():.4g}")  # more digits than 256 steps can tell apart


def _load(model: bytes) -> Any:
    import onnx

    return onnx.shape_inference.infer_shapes(onnx.load_from_string(model))


def _places(graph: Any) -> dict[str, str]:
    """Return the place of each tensor: module, kind of operation, and a number for all but the first of that kind."""
    count: Counter[str] = Counter()
    places = {graph.input[0].name: INPUT_PLACE}
    for node in graph.node:
        scopes = next((prop.value for prop in node.metadata_props if prop.key == _SCOPES), "['', '']")
        place = f"{ast.literal_eval(scopes)[-2]}:{node.op_type}"
        count[place] += 1
        places[node.output[0]] = place if count[place] == 1 else f"{place}#{count[place]}"
    return places


def _quantized(loaded: Any, ranges: Mapping[str, Range], keep_activations: bool) -> Any:
    """Return the model with every tensor of known range quantized by ONNX Runtime.

    An activation function becomes part of the quantized range, which ends where it clips, unless ``keep_activations``.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType, TensorData, TensorsData

    model = onnx.ModelProto()
    model.CopyFrom(loaded)  # the quantizer works in place
    known = {tensor: ranges[place] for tensor, place in _places(model.graph).items() if place in ranges}
    constant = {tensor.name for tensor in model.graph.initializer}
    weighted, between = [], []
    for node in model.graph.node:
        if node.op_type in _WEIGHTED and node.input[1] in constant:
            weighted.append(node.name)
        elif node.op_type in _ACTIVATIONS and node.output[0] in known:
            known.setdefault(node.input[0], known[node.output[0]])
            between.append(node.name)
        elif node.op_type == "Add" and known.keys() >= {*node.input, *node.output}:
            between.append(node.name)
    data = {
        tensor: TensorData(lowest=np.float32(low), highest=np.float32(high)) for tensor, (low, high) in known.items()
    }
    quantizer = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=weighted[:-1] + between,
        nodes_to_exclude=[],
        op_types_to_quantize=_KINDS,
        extra_options={"QDQKeepRemovableActivations": keep_activations},
    )
    return quantizer.quantize_model()


def _round_weights(quantized: Any, loaded: Any) -> None:
    """Round the weights of ``quantized`` anew, in place, with the scales they have, so that errors cancel."""
    from onnx.numpy_helper import from_array, to_array

    exact = {tensor.name: tensor for tensor in loaded.graph.initializer}
    stored = {tensor.name: tensor for tensor in quantized.graph.initializer}
    for node in quantized.graph.node:
        axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
        name = node.input[0].removesuffix("_quantized") if node.op_type == "DequantizeLinear" else ""
        if name in exact and axes and len(exact[name].dims) > 1:  # biases have 32 bits
            weight, scale = to_array(exact[name]), to_array(stored[node.input[1]])
            steps = np.moveaxis(np.moveaxis(weight, axes[0], -1) / scale, -1, 0)
            rounded = np.moveaxis(pass_on(steps, np.round).clip(-127, 127), 0, axes[0])
            stored[node.input[0]].CopyFrom(from_array(np.ascontiguousarray(rounded, np.int8), node.input[0]))
