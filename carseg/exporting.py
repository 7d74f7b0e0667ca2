"""Networks as files for other programs: ONNX, OpenVINO IR, torch.export.

Every file takes pictures (N, 3, h, w) of any number and size, carries what has to be known to use it, and was compared
with torch float32 before it got its name.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from carseg import __version__, image
from carseg import hub as hubs
from carseg.errors import ExportError, OptionError, PictureError
from carseg.extras import require
from carseg.manifest import Entry, Range
from carseg.records import to_plain
from carseg.runtimes import AGREEMENT, Runtime, cpu
from carseg.runtimes.kept import int8_model, int8_ranges, onnx_model, put_int8_ranges
from carseg.segmenter import Segmenter, find_pictures

if TYPE_CHECKING:
    from carseg.data.dataset import Dataset
    from carseg.hub import Located

FORMATS = {"onnx": ("float32", "int8"), "openvino": ("float32", "bfloat16", "int8"), "torch-export": ("float32",)}
INT8_AGREEMENT = 0.99
INT8_LOSS = 0.005  # of mIoU
_MOST_PICTURES = 64  # to compare on or calibrate with, spread over those that are given
_GENERATED = 8
_BACKGROUND = "_background_"  # X-AnyLabeling's name of the class that gets no polygon


@dataclass(frozen=True)
class Exported:
    """What ``export`` made.

    Attributes:
        files: the model first.
        figure: what was compared with torch float32: "agreement" (share of equal labels) or "mIoU lost".
        value: how it came out.
        pictures: on how many pictures.
        generated: whether those were made up, because none were given.
    """

    files: tuple[Path, ...]
    figure: str
    value: float
    pictures: int
    generated: bool


def export(
    name: str | os.PathLike[str],
    out: str | os.PathLike[str] = ".",
    *,
    format: str = "onnx",
    precision: str = "float32",
    pictures: str | os.PathLike[str] | None = None,
    calib: str | os.PathLike[str] | None = None,
    data: Dataset | None = None,
    weights: str | os.PathLike[str] | None = None,
    hub: str | os.PathLike[str] | None = None,
) -> Exported:
    """Writes a network as a file for another program, if it gives the same labels there.

    Args:
        name: as for ``carseg.load``, like ``weights`` and ``hub``.
        out: folder for NAME.onnx with NAME.yaml (for X-AnyLabeling), NAME.xml with NAME.bin, or NAME.pt2.
        format: "onnx", "openvino" or "torch-export".
        precision: "float32"; "int8" (not torch-export); "bfloat16" (openvino: weights that bfloat16 has too, compared
            in that precision).
        pictures: a folder or pattern of pictures on which at least 99.9 % of the labels have to agree with torch
            float32 (99 % for int8); None: those of ``calib``, else generated ones, but for int8 as it was published,
            whose loss of mIoU was measured then.
        calib: a folder or pattern of pictures to calibrate int8 with; None takes the ranges stored with the weights.
            How it was calibrated is from then on how ``carseg.load(name, precision="int8")`` runs.
        data: labelled pictures; int8 then may lose half a point of mIoU on them, whatever the agreement.

    Raises:
        ExportError: the labels differ too much; nothing is written.
        OptionError: no such format, or not in this precision; int8 of weights without ranges, without ``calib``.
        PictureError: none of the pictures can be read.
        MissingExtraError: a package that the format needs is not installed.
    """
    _check(format, precision)
    if data is not None and precision != "int8":
        raise OptionError(f"data is for int8; {precision} is compared on pictures")
    located = hubs.locate(name, weights=weights, hub=hub)
    published = precision == "int8" and not (pictures or calib) and data is None
    stated = _stated(located.entry) if published else None
    compared = [] if stated else _find(pictures or calib)
    out = Path(out)
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".export-", dir=out) as folder:
            stem = Path(folder, located.entry.name)
            ranges = None if precision != "int8" or calib is None else calibrate(located, _decoded(_find(calib)))
            model = b""
            if format != "torch-export":
                model = onnx_model(located, precision, format) if not ranges else int8_model(located, ranges, format)
            files, runtime = _WRITERS[format](located, precision, model, stem)
            candidate = Segmenter(located.entry, runtime)
            result = stated or _compare(reference(located), candidate, precision, compared, data)
            if ranges is not None:
                with suppress(OSError):  # a cache that cannot be written
                    put_int8_ranges(located.entry, ranges)
            moved = tuple(file.replace(out / file.name) for file in files)
        return Exported(moved, *result, generated=result[0] == "agreement" and not (pictures or calib))
    finally:
        if made:
            with suppress(OSError):  # not empty: the export went well
                out.rmdir()


def calibrate(located: Located, pictures: Iterable[image.Array8]) -> dict[str, Range]:
    """The ranges of a network's activations on pictures, RGB uint8 (H, W, 3), for int8."""
    from carseg.calibration import observe

    spec = located.entry.input
    return observe(onnx_model(located, "float32", "onnx"), (image.to_input(rgb, spec)[None] for rgb in pictures))


def facts(entry: Entry) -> dict[str, str]:
    """What a file carries, JSON where it is no plain text: how to make an input, what the output means."""
    labels = entry.labels
    rule = {**to_plain(entry.input), "channels": "RGB", "layout": "NCHW"}
    described = {"name": labels.name, "classes": labels.classes, "colors": labels.colors}
    return {
        "name": entry.name,
        "architecture": entry.architecture,
        "input": json.dumps(rule),
        "output": "logits; upsample bilinearly to the picture's size (align_corners false), then argmax",
        "labels": json.dumps({**described, "background": labels.background}),
        "licence": entry.licence,
        "commercial_use": entry.commercial_use,
        "weights_sha256": entry.sha256,
        "made_by": f"carseg {__version__}",
    }


def agreement(masks: Iterable[tuple[image.Array8, image.Array8]]) -> tuple[float, int]:
    """Share of pixels that have the same label in two masks of the same picture, and the number of pictures."""
    equal, total = [], []
    for one, other in masks:
        equal.append(int(np.count_nonzero(one == other)))
        total.append(one.size)
    return sum(equal) / sum(total), len(total)


def reference(located: Located) -> Segmenter:
    """The network as it was trained: torch in float32, nothing folded."""
    import torch

    from carseg.runtimes.torch_ import TorchRuntime, read_network

    return Segmenter(located.entry, TorchRuntime(read_network(located), torch.device("cpu"), "float32"))


def _check(format: str, precision: str) -> None:
    if format not in FORMATS:
        raise OptionError(f"no format {format!r}; known: {', '.join(FORMATS)}")
    if precision not in FORMATS[format]:
        raise OptionError(f"{format} cannot be exported as {precision}; it can as {', '.join(FORMATS[format])}")
    needed = {"onnx": ["onnxruntime"], "openvino": ["openvino"], "torch-export": []}[format]
    for package in [*needed, *(["onnxruntime"] if precision == "int8" else [])]:
        require(package, format, f"exporting to {format}")  # the formats that need any are called like their extras


def _find(source: Any) -> list[Any]:
    """Some of the pictures of a folder or pattern, spread over it; generated ones of None."""
    if source is None:
        from carseg.measuring import generated_pictures

        return list(generated_pictures(_GENERATED))
    found = list(find_pictures(source))
    return found[:: -(-len(found) // _MOST_PICTURES)]


def _decoded(pictures: list[Any]) -> Iterator[image.Array8]:
    """Those that can be read; PictureError if none can."""
    broken: list[PictureError] = []
    for picture in pictures:
        try:
            rgb = image.decode(picture).rgb
        except PictureError as error:
            broken.append(error)
        else:
            yield rgb
    if len(broken) == len(pictures):
        raise PictureError(f"there is no picture to compare or calibrate with: {broken[0]}")


def _write_onnx(located: Located, precision: str, model: bytes, stem: Path) -> tuple[list[Path], Runtime]:
    import onnx

    from carseg.runtimes.onnx_ import OnnxRuntime

    proto = onnx.load_from_string(model)
    onnx.helper.set_model_props(proto, facts(located.entry))
    file, config = stem.with_name(f"{stem.name}.onnx"), stem.with_name(f"{stem.name}.yaml")
    onnx.save(proto, str(file))
    config.write_text(_anylabeling(located.entry, file.name), "utf-8")
    return [file, config], OnnxRuntime(file.read_bytes(), precision)


def _write_openvino(located: Located, precision: str, model: bytes, stem: Path) -> tuple[list[Path], Runtime]:
    from carseg.runtimes.openvino_ import from_model, library, read

    openvino = library()
    core = openvino.Core()
    converted = read(core, model, precision)
    for key, value in facts(located.entry).items():
        converted.set_rt_info(value, ["carseg", key])
    file = stem.with_name(f"{stem.name}.xml")
    openvino.save_model(converted, str(file), compress_to_fp16=False)
    weights = openvino.Tensor(np.fromfile(file.with_suffix(".bin"), np.uint8))
    model_read = core.read_model(file.read_bytes(), weights)  # not from the files: Windows moves none that is mapped
    return [file, file.with_suffix(".bin")], from_model(model_read, precision)


def _write_program(located: Located, precision: str, model: bytes, stem: Path) -> tuple[list[Path], Any]:
    import torch

    from carseg.runtimes.conversion import to_program
    from carseg.runtimes.torch_ import read_network

    file = stem.with_name(f"{stem.name}.pt2")
    extra = {"carseg.json": json.dumps(facts(located.entry))}
    torch.export.save(to_program(read_network(located)), str(file), extra_files=extra)
    module = torch.export.load(str(file)).module()

    def run(batch: image.Array32) -> image.Array32:
        with torch.no_grad():
            logits: image.Array32 = module(torch.from_numpy(batch)).numpy()
        return logits

    return [file], run


_WRITERS: dict[str, Callable[[Located, str, bytes, Path], tuple[list[Path], Any]]] = {
    "onnx": _write_onnx,
    "openvino": _write_openvino,
    "torch-export": _write_program,
}


def _stated(entry: Entry) -> tuple[str, float, int] | None:
    """What int8 costs as it was published, as ``_compare`` would say it; None where it was calibrated otherwise."""
    if entry.int8 is None or not entry.metrics or int8_ranges(entry) != entry.int8.ranges:
        return None
    lost = entry.int8.miou_lost if cpu.native_int8() else entry.int8.miou_lost_seven_bits
    if lost > INT8_LOSS:
        raise ExportError(f"int8 loses {lost:.4f} of mIoU; at most {INT8_LOSS} may be lost: export float32")
    return "mIoU lost", lost, entry.metrics[0].images


def _compare(
    exact: Segmenter, candidate: Segmenter, precision: str, pictures: list[Any], data: Dataset | None
) -> tuple[str, float, int]:
    """The figure, its value, on how many pictures; raises ExportError if it is bad."""
    if precision == "int8" and data is not None:
        before, after = (_miou(segmenter, data) for segmenter in (exact, candidate))
        if before - after > INT8_LOSS:
            raise ExportError(
                f"int8 has mIoU {after:.4f} on {len(data)} pictures where float32 has {before:.4f}; at most "
                f"{INT8_LOSS} may be lost: calibrate with more pictures like these, or export float32"
            )
        return "mIoU lost", before - after, len(data)
    masks = ((exact.predict(rgb).mask, candidate.predict(rgb).mask) for rgb in _decoded(pictures))
    share, count = agreement(masks)
    least = INT8_AGREEMENT if precision == "int8" else AGREEMENT
    if share < least:
        raise ExportError(
            f"only {share:.3%} of the labels on {count} pictures agree with torch float32, {least:.1%} "
            "must: nothing was exported"
        )
    return "agreement", share, count


def _miou(segmenter: Segmenter, data: Dataset) -> float:
    from carseg.metrics import Evaluation

    evaluation = Evaluation(segmenter.labels, boundary=False)
    for sample in data:
        rgb, truth = sample.load()
        evaluation.add(segmenter.predict(rgb).mask, truth)
    return evaluation.scores().miou


def _anylabeling(entry: Entry, model: str) -> str:
    """An X-AnyLabeling configuration, as its guide to models of one's own has it for a U-Net."""
    classes = [_BACKGROUND if i == entry.labels.background else name for i, name in enumerate(entry.labels.classes)]
    height, width = entry.input.size
    settings = {
        "type": "unet",
        "name": f"carseg-{entry.name}",
        "display_name": entry.name,
        "provider": "carseg",
        "model_path": model,
        "input_height": height,
        "input_width": width,
        "mean": entry.input.mean,
        "std": entry.input.std,
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join([*lines, "classes:", *(f"  - {json.dumps(name)}" for name in classes), ""])
