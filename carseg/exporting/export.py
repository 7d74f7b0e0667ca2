"""Networks as files for other programs: ONNX, OpenVINO IR, torch.export.

Every file takes images (N, 3, h, w) of any number and size unless one is asked for, carries what has to be known to use
it, and was compared with torch float32 before it got its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from carseg._arrays import Float32Array
from carseg._files import placing, scratch_folder, to_json
from carseg._version import __version__
from carseg.errors import OptionError, require_extra
from carseg.exporting.acceptance import compare, comparison_images, decoded, published_agreement, reference
from carseg.exporting.anylabeling import anylabeling_config
from carseg.exporting.older import with_fixed_size, with_opset
from carseg.hub import ModelInfo, resolve, to_plain
from carseg.inference import Preprocessor, Segmenter
from carseg.runtimes import Calibration, Runtime, calibrate, int8_ranges, onnx_model

if TYPE_CHECKING:
    from carseg.data import Dataset
    from carseg.hub import ResolvedWeights

_SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch-export": ".pt2"}  # of the main file
PRECISIONS = {"onnx": ("float32", "int8"), "openvino": ("float32", "bfloat16", "int8"), "torch-export": ("float32",)}


@dataclass(frozen=True)
class Exported:
    """The files that ``export`` made, and how they compare with torch float32.

    Attributes:
        files: the written files: the model first, and last the calibration, if one was written.
        figure: what was compared: "agreement" (share of equal labels) or "mIoU lost".
        value: the figure's value, 0..1.
        images: number of images that it was measured on.
        generated: whether these images were generated because none were given.
    """

    files: tuple[Path, ...]
    figure: str
    value: float
    images: int
    generated: bool


def export(
    name: str | os.PathLike[str],
    out: str | os.PathLike[str] = ".",
    *,
    format: str = "onnx",
    precision: str = "float32",
    images: str | os.PathLike[str] | None = None,
    calib: str | os.PathLike[str] | None = None,
    calibration: str | os.PathLike[str] | None = None,
    data: Dataset | None = None,
    opset: int | None = None,
    size: tuple[int, int] | None = None,
    weights: str | os.PathLike[str] | None = None,
    hub: str | os.PathLike[str] | None = None,
) -> Exported:
    """Write a network as a file for another program, provided that the file predicts the same labels.

    Files that belong together are written together or not at all.

    Args:
        name: as for ``carseg.load``, like ``weights`` and ``hub``.
        out: folder for the files: NAME.onnx and NAME.yaml (for X-AnyLabeling), NAME.xml and NAME.bin, or NAME.pt2.
        format: "onnx", "openvino" or "torch-export".
        precision: "float32", "int8" (not torch-export) or "bfloat16" (openvino only, and compared in bfloat16).
        images: a folder or pattern of images on which at least 99.9 % of the labels (int8: 99 %) have to agree with
            torch in float32. None uses the images of ``calib``, else generated ones. Published int8 is not compared.
        calib: a folder or pattern of images to calibrate int8 with. None uses the ranges in ``calibration``, else
            those published with the weights.
        calibration: JSON file with the ranges, for ``carseg.load``: written if ``calib`` is given, else read.
        data: labelled images; int8 may then lose at most half a point of mIoU on them, whatever the agreement.
        opset: write ONNX in float32 with this version of the operators, for older programs.
        size: write ONNX in float32 for single images of this (height, width); labels are compared at that size.

    Raises:
        ExportError: the labels differ too much; nothing is written.
        OptionError: ``format``, ``precision``, ``opset`` or ``size`` is not allowed; int8 has no ranges and neither
            ``calib`` nor ``calibration`` is given; or ``calibration`` belongs to other weights.
        ImageError: none of the images can be read.
        DataError: ``data`` has other classes than the network, no labels, or images that cannot be used.
        MissingExtraError: a package that the format needs is not installed.
        OSError: ``out`` cannot be written; the files in it are unchanged.
    """
    _check(format, precision, data, calibration, older=opset is not None or size is not None)
    resolved = _sized(resolve(name, weights=weights, hub=hub), size)
    published = precision == "int8" and not (images or calib or calibration) and data is None
    stated = published_agreement(resolved.info) if published else None
    compared = [] if stated else comparison_images(images or calib)
    with _scratch(Path(out), resolved.info.name + _SUFFIXES[format]) as folder:
        made, ranges = None, None
        if precision == "int8":
            made = None if calib is None else _calibrate(resolved, calib)
            ranges = made.ranges if made else int8_ranges(resolved.info, calibration)
        model = b"" if format == "torch-export" else onnx_model(resolved, precision, format, ranges, load=bytes)
        model = _older(model, opset, size)
        files, runtime = _WRITERS[format](resolved, precision, model, folder / resolved.info.name)
        candidate = Segmenter(resolved.info, runtime)
        result = stated or compare(reference(resolved), candidate, precision, compared, data)
        with placing(files, Path(out)) as placed:
            written = [made.save(calibration)] if made and calibration is not None else []
    return Exported((*placed, *written), *result, generated=result[0] == "agreement" and not (images or calib))


def _sized(resolved: ResolvedWeights, size: tuple[int, int] | None) -> ResolvedWeights:
    """Return weights whose images have a fixed size."""
    if size is None:
        return resolved
    spec = replace(resolved.info.input, size=size, resize="stretch")
    return replace(resolved, info=replace(resolved.info, input=spec))


def _older(model: bytes, opset: int | None, size: tuple[int, int] | None) -> bytes:
    """Return an ONNX file as older programs want it; as it is where they want nothing."""
    if opset is None and size is None:
        return model
    import onnx

    proto = onnx.load_from_string(model)
    proto = proto if size is None else with_fixed_size(proto, size)
    proto = proto if opset is None else with_opset(proto, opset)
    content: bytes = proto.SerializeToString()
    return content


@contextmanager
def _scratch(out: Path, main: str) -> Iterator[Path]:
    """Give a folder inside ``out``, which goes with it if it had to be made and nothing was moved there."""
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with scratch_folder(out / main) as folder:
            yield folder
    finally:
        if made:
            with suppress(OSError):  # not empty: the export went well
                out.rmdir()


def _calibrate(resolved: ResolvedWeights, calib: str | os.PathLike[str]) -> Calibration:
    return calibrate(resolved, map(Preprocessor(resolved.info.input), decoded(comparison_images(calib))))


def facts(info: ModelInfo) -> dict[str, str]:
    """Return the metadata of a file, JSON where it is no plain text: how to make an input, what the output means."""
    labels = info.labels
    channels = "RGB" if info.input.channels == 3 else "RGB, then the probability of the car by another network"
    rule = {**to_plain(info.input), "channels": channels, "layout": "NCHW"}
    described = {"name": labels.name, "classes": labels.classes, "colors": labels.colors}
    return {
        "name": info.name,
        "architecture": info.architecture,
        "input": to_json(rule),
        "output": "logits; upsample bilinearly to the image's size (align_corners false), then argmax",
        "labels": to_json({**described, "background": labels.background}),
        "licence": info.licence,
        "commercial_use": info.commercial_use,
        "weights_sha256": info.sha256,
        "made_by": f"carseg {__version__}",
    }


def _check(
    format: str, precision: str, data: Dataset | None, calibration: str | os.PathLike[str] | None, *, older: bool
) -> None:
    if format not in PRECISIONS:
        raise OptionError(f"no format {format!r}; known: {', '.join(PRECISIONS)}")
    if precision not in PRECISIONS[format]:
        raise OptionError(f"{format} cannot be exported in {precision}; use {', '.join(PRECISIONS[format])}")
    if data is not None and precision != "int8":
        raise OptionError(f"data is for int8; {precision} is compared on images")
    if calibration is not None and precision != "int8":
        raise OptionError(
            f"a calibration is for int8, not for precision {precision}: use int8, or leave the calibration out"
        )
    if older and (format, precision) != ("onnx", "float32"):
        raise OptionError("opset and size are for ONNX in float32: leave them out, or the format and the precision")
    needed = {"onnx": ["onnxruntime"], "openvino": ["openvino"], "torch-export": []}[format]
    for package in [*needed, *(["onnxruntime"] if precision == "int8" else [])]:
        require_extra(package, format, f"exporting to {format}")  # formats that need one are called like their extra


def _write_onnx(resolved: ResolvedWeights, precision: str, model: bytes, stem: Path) -> tuple[list[Path], Runtime]:
    import onnx

    from carseg.runtimes import OnnxRuntime

    proto = onnx.load_from_string(model)
    onnx.helper.set_model_props(proto, facts(resolved.info))
    file, config = stem.with_name(f"{stem.name}.onnx"), stem.with_name(f"{stem.name}.yaml")
    onnx.save(proto, str(file))
    runtime = OnnxRuntime(file.read_bytes(), precision)
    if resolved.info.input.channels > 3:  # nothing that X-AnyLabeling could show an image to
        return [file], runtime
    config.write_text(anylabeling_config(resolved.info, file.name), "utf-8")
    return [file, config], runtime


def _write_openvino(resolved: ResolvedWeights, precision: str, model: bytes, stem: Path) -> tuple[list[Path], Runtime]:
    from carseg.runtimes import from_model, library, read

    openvino = library()
    core = openvino.Core()
    converted = read(core, model, precision)
    for key, value in facts(resolved.info).items():
        converted.set_rt_info(value, ["carseg", key])
    file = stem.with_name(f"{stem.name}.xml")
    openvino.save_model(converted, str(file), compress_to_fp16=False)
    weights = openvino.Tensor(np.fromfile(file.with_suffix(".bin"), np.uint8))
    model_read = core.read_model(file.read_bytes(), weights)  # not from the files: Windows moves none that is mapped
    return [file, file.with_suffix(".bin")], from_model(model_read, precision)


def _write_program(resolved: ResolvedWeights, precision: str, model: bytes, stem: Path) -> tuple[list[Path], Any]:
    import torch

    from carseg.runtimes import read_network, to_program

    file = stem.with_name(f"{stem.name}.pt2")
    extra = {"carseg.json": to_json(facts(resolved.info))}
    torch.export.save(
        to_program(read_network(resolved), channels=resolved.info.input.channels), str(file), extra_files=extra
    )
    module = torch.export.load(str(file)).module()

    def run(batch: Float32Array) -> Float32Array:
        with torch.no_grad():
            logits: Float32Array = module(torch.from_numpy(batch)).numpy()
        return logits

    return [file], run


_WRITERS: dict[str, Callable[[ResolvedWeights, str, bytes, Path], tuple[list[Path], Any]]] = {
    "onnx": _write_onnx,
    "openvino": _write_openvino,
    "torch-export": _write_program,
}
