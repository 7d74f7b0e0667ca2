"""Runtime of OpenVINO on the CPU. Compiled networks are cached, so that a later process starts at once."""

from __future__ import annotations

import importlib
import io
import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from carseg._arrays import Float32Array
from carseg._env import environment_variable
from carseg.errors import require_extra
from carseg.hub import cached
from carseg.runtimes.artifacts import onnx_key, onnx_model
from carseg.runtimes.processor import cpu
from carseg.runtimes.runtime import Restartable, require_cpu

if TYPE_CHECKING:
    from carseg.hub import Range, ResolvedWeights

Size = tuple[int, int]
Compile = Callable[[Size | None], Any]


def start(
    resolved: ResolvedWeights,
    device: str,
    precision: str,
    threads: int | None,
    ranges: dict[str, Range] | None = None,
) -> OpenVinoRuntime:
    """Return the OpenVINO runtime of resolved weights; for ``carseg.runtimes.start_runtime``."""
    require_extra("openvino", "openvino", "runtime 'openvino'")
    require_cpu("openvino", device)
    openvino = library()
    core = openvino.Core()
    options = settings(precision, threads)

    def compiled(size: Size | None) -> Any:
        def build() -> bytes:
            model = onnx_model(resolved, precision, "openvino", ranges, load=lambda file: read(core, file, precision))
            blob = io.BytesIO()
            _compile(core, model, size, options).export_model(blob)
            return blob.getvalue()

        versions = openvino.get_version(), cpu.fingerprint()
        key = ("openvino", *versions, *onnx_key(precision, ranges), json.dumps(options), str(size))
        return cached(resolved.info, key, build, lambda blob: core.import_model(blob, "CPU", options))

    spec = resolved.info.input
    # A network compiled for one size is a quarter faster; images resized with their aspect come in many sizes.
    runtime = OpenVinoRuntime(compiled, precision, one_size=spec.resize == "stretch")
    runtime.prepare(spec.size)
    return runtime


def library() -> Any:
    """Return the package openvino, imported without the telemetry that it would send."""
    with environment_variable("CI", "true"):  # where it sends none
        return importlib.import_module("openvino")


def settings(precision: str, threads: int | None) -> dict[str, Any]:
    """Return OpenVINO's options for a precision and a number of threads.

    Between its int8 layers a network computes in bfloat16 where the processor does so natively, which is faster.
    """
    bfloat16 = precision == "bfloat16" or (precision == "int8" and cpu.native_bfloat16())
    hint = "bf16" if bfloat16 else "f32"
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    return options


def read(core: Any, content: bytes, precision: str) -> Any:
    """Return OpenVINO's model of the content of an ONNX file made for a precision; see ``onnx_model``."""
    model = core.read_model(content)
    if precision != "bfloat16":
        return model
    from carseg.runtimes.processor import mark_float32_ends  # imported only where a network is compiled

    return mark_float32_ends(library(), core, model)


def from_model(model: Any, precision: str, threads: int | None = None) -> OpenVinoRuntime:
    """Return a runtime of a model from ``openvino.Core.read_model``; its compiled network is not cached."""
    core = library().Core()
    return OpenVinoRuntime(lambda size: _compile(core, model, size, settings(precision, threads)), precision)


def _compile(core: Any, model: Any, size: Size | None, options: dict[str, Any]) -> Any:
    """Return the network compiled for one image at a time, of a size (height, width) or of any size."""
    channels = model.inputs[0].get_partial_shape()[1]
    model.reshape([1, channels, *(size or (-1, -1))])
    return core.compile_model(model, "CPU", options)


class OpenVinoRuntime(Restartable):
    """Compiled network as a function on arrays; see ``carseg.runtimes.Runtime``. Images go through one by one.

    Args:
        compiled: returns the network compiled for a (height, width), or for any size given None.
        precision: the precision it was compiled for.
        one_size: compile for every size that occurs, rather than once for any size.
    """

    name, device, batch_size = "openvino", "cpu", 1

    def __init__(self, compiled: Compile, precision: str, *, one_size: bool = False) -> None:
        self.precision = precision
        self._compiled, self._one_size = compiled, one_size
        self._requests: dict[Size | None, Any] = {}
        self._lock = threading.Lock()  # a request computes one image at a time

    def prepare(self, size: Size) -> Any:
        """Return the request that computes images of a size (height, width), made when it is first needed."""
        key = size if self._one_size else None
        if key not in self._requests:
            self._requests[key] = self._compiled(key).create_infer_request()
        return self._requests[key]

    def __call__(self, batch: Float32Array) -> Float32Array:
        with self._lock:
            request = self.prepare(batch.shape[2:])
            return np.concatenate([request.infer([image[None]], share_inputs=True)[0] for image in batch])
