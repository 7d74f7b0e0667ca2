"""Runtime of ONNX Runtime on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._arrays import Float32Array
from carseg.errors import OptionError, require_extra
from carseg.runtimes.artifacts import onnx_model
from carseg.runtimes.runtime import Restartable, require_cpu

if TYPE_CHECKING:
    from carseg.hub import Range, ResolvedWeights


def start(
    resolved: ResolvedWeights,
    device: str,
    precision: str,
    threads: int | None,
    ranges: dict[str, Range] | None = None,
) -> OnnxRuntime:
    """Return the ONNX runtime of resolved weights; for ``carseg.runtimes.start_runtime``."""
    require_extra("onnxruntime", "onnx", "runtime 'onnx'")
    require_cpu("onnx", device)
    if precision == "bfloat16":
        raise OptionError("ONNX Runtime computes in float32 or int8 on a CPU; bfloat16 is for openvino and torch")
    return onnx_model(resolved, precision, "onnx", ranges, load=lambda file: OnnxRuntime(file, precision, threads))


class OnnxRuntime(Restartable):
    """Network of an ONNX file as a function on arrays; see ``carseg.runtimes.Runtime``.

    Args:
        model: the file's content.
        precision: that of the file.
        threads: None for one per core.
        exact: compute int8 in float32, slowly but exactly as the file says: processors without VNNI saturate sums of
            products.
    """

    name, device, batch_size = "onnx", "cpu", 1

    def __init__(self, model: bytes, precision: str, threads: int | None = None, *, exact: bool = False) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3  # errors only
        if exact:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        [source] = self.session.get_inputs()
        self.input = source.name
        self.precision = precision

    def __call__(self, batch: Float32Array) -> Float32Array:
        [logits] = self.session.run(None, {self.input: batch})
        return logits
