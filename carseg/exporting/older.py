"""An ONNX file for older programs: with an earlier set of operators, and for images of one size.

Where sizes are fixed, all that computes sizes is computed now. What is left are operators that ONNX Runtime 1.17 and
OpenCV 4 have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg.errors import OptionError

if TYPE_CHECKING:
    from onnx import ModelProto

OLDEST_OPSET = 13  # before it, operators take as attributes what networks give them as inputs


def with_fixed_size(model: ModelProto, size: tuple[int, int]) -> ModelProto:
    """Return the model for one image of a (height, width) at a time, without what computes sizes."""
    from onnxscript import optimizer

    [source] = model.graph.input
    batch, _, height, width = source.type.tensor_type.shape.dim
    for side, value in ((batch, 1), (height, size[0]), (width, size[1])):
        side.dim_value = value
    del model.graph.value_info[:]  # of any size; they are inferred anew
    fixed: ModelProto = optimizer.optimize(model)
    return fixed


def with_opset(model: ModelProto, opset: int) -> ModelProto:
    """Return the model with another set of operators, and in the oldest version of the file format that has it.

    Raises:
        OptionError: the set is older than ``OLDEST_OPSET`` or newer than the model's, or lacks an operator.
    """
    import onnx

    own = next(each.version for each in model.opset_import if not each.domain)
    if not OLDEST_OPSET <= opset <= own:
        raise OptionError(f"opset must lie in {OLDEST_OPSET}..{own}, got {opset}")
    try:
        converted = onnx.version_converter.convert_version(model, opset)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        advice = "give a size, of which it then computes none, or choose a newer one"
        raise OptionError(f"the network cannot be written with opset {opset} ({reason}): {advice}") from None
    for node in converted.graph.node:  # the converter leaves attributes that the older operator has not
        known = onnx.defs.get_schema(node.op_type, opset, node.domain).attributes
        for attribute in [each for each in node.attribute if each.name not in known]:
            node.attribute.remove(attribute)
    converted.ir_version = onnx.helper.find_min_ir_version_for(list(converted.opset_import))
    onnx.checker.check_model(converted)
    return converted
