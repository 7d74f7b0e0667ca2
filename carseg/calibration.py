"""Static int8 networks: how large activations get is seen on pictures, weights have one scale an output channel."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

# What multiplies, and the sums between; the rest costs little in float32, and accuracy in int8.
_QUANTIZED = ["Add", "Conv", "ConvTranspose", "Gemm", "MatMul"]


def quantize(model: bytes, inputs: Iterable[npt.NDArray[np.float32]]) -> bytes:
    """An int8 ONNX file (QDQ, which OpenVINO reads too) of a float32 one; its last layer stays float32.

    Args:
        model: the ONNX file's content.
        inputs: what the network is to see, float32 (1, 3, h, w) each.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rest = iter(inputs)

        def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
            x = next(self.rest, None)
            return None if x is None else {name: x}

    with tempfile.TemporaryDirectory() as folder:
        before, prepared, after = (Path(folder, name) for name in ("before.onnx", "prepared.onnx", "after.onnx"))
        before.write_bytes(model)
        root, level = logging.getLogger(), logging.getLogger().level
        root.setLevel(logging.ERROR)  # it logs advice that was followed
        try:
            quant_pre_process(str(before), str(prepared), skip_symbolic_shape=True)
            graph = onnx.load(str(prepared)).graph
            name = graph.input[0].name
            *_, last = (node.name for node in graph.node if node.op_type == "Conv")
            quantize_static(
                str(prepared),
                str(after),
                Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_QUANTIZED,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=[last],
            )
        finally:
            root.setLevel(level)
        return after.read_bytes()
