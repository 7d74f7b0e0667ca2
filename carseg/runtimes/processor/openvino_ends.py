"""First stage and last convolution of a network in float32, while OpenVINO computes the rest in bfloat16.

OpenVINO has no call for that, but its file format does: its CPU plugin keeps the precision of layers with the attribute
``precise``, version 0.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, parse, tostring

import numpy as np

FLOAT32_UNTIL = "float32_until"  # metadata of an ONNX file for bfloat16: the last node of the first stage, if any
_PLACE = ["framework", FLOAT32_UNTIL]  # path of that metadata in OpenVINO's model
_NO_LAYERS = ("Const", "Parameter", "Result")
_WITH_WEIGHTS = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "MatMul")


def mark_float32_ends(openvino: Any, core: Any, model: Any) -> Any:
    """Return a copy of a model whose first stage and last convolution are marked to compute in float32.

    Args:
        openvino: the package.
        core: an ``openvino.Core``.
        model: OpenVINO's model of an ONNX file for bfloat16.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.xml")
        openvino.save_model(model, file, compress_to_fp16=False)
        weights = openvino.Tensor(np.fromfile(file.with_suffix(".bin"), np.uint8))
        root = parse(file).getroot()
    stage = model.get_rt_info(_PLACE).astype(str) if model.has_rt_info(_PLACE) else None
    for layer in _ends(root, stage):
        _mark(layer)
    return core.read_model(tostring(root), weights)


def _ends(network: Element, stage: str | None) -> Iterator[Element]:
    """Return the layers up to the one named ``stage``, and those from the last convolutions on."""
    layers = {layer.get("id"): layer for layer in network.iterfind("layers/layer")}
    inputs = defaultdict(list)
    for edge in network.iterfind("edges/edge"):
        inputs[edge.get("to-layer")].append(edge.get("from-layer"))

    def upstream(todo: list[str | None], until: tuple[str, ...] = ()) -> set[str | None]:
        found = set(todo)
        while todo:
            ident = todo.pop()
            if layers[ident].get("type") not in until:
                todo += set(inputs[ident]) - found
                found.update(inputs[ident])
        return found

    first = upstream([ident for ident, layer in layers.items() if layer.get("name") == stage])
    results = [ident for ident, layer in layers.items() if layer.get("type") == "Result"]
    last = upstream(results, until=(*_WITH_WEIGHTS, "ShapeOf"))
    return (layers[ident] for ident in first | last if layers[ident].get("type") not in _NO_LAYERS)


def _mark(layer: Element) -> None:
    if layer.get("type") == "MaxPool":  # OpenVINO replaces later versions by the first one, and loses their marks
        layer.set("version", "opset1")
        for output in layer.iterfind("output"):
            for indices in output.findall("port")[1:]:
                output.remove(indices)
    about = layer.find("rt_info")
    if about is None:
        about = Element("rt_info")
        layer.insert(int(layer.find("data") is not None), about)
    SubElement(about, "attribute", name="precise", version="0")
