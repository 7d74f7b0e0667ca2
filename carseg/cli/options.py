"""Options that several commands have, and what they stand for."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carseg.cli.terminal import ProgressBar, err

if TYPE_CHECKING:
    from carseg.hub import ResolvedWeights
    from carseg.inference import Segmenter


class Format(StrEnum):
    """Formats of printed data."""

    table = "table"
    json = "json"


WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights", exists=True, metavar="FILE", help="Load this safetensors file, or the one in this folder, instead."
    ),
]
HubOption = Annotated[
    str | None,
    typer.Option(
        "--hub",
        metavar="PLACE",
        help="Look for weights here first: a folder, http(s)://..., hf://ORG/REPO. Also set by CARSEG_HUB.",
        show_default=False,
    ),
]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="Name of a model, folder of a fine-tuned one, or hf://ORG/REPO.")
]
CarsOption = Annotated[
    str | None,
    typer.Option(
        "--cars",
        metavar="MODEL",
        help="Find whole cars with this second model, such as car, in addition to the parts.",
        show_default=False,
    ),
]
TileOption = Annotated[
    int | None, typer.Option(help="Split large images into windows of this many pixels, for more detail.")
]
SidesOption = Annotated[
    str, typer.Option(help="Left and right: consistent with the view of the car, or raw as the network predicts them.")
]
ThresholdOption = Annotated[
    float | None, typer.Option(help="Set pixels with a probability below this, 0..1, to background.")
]
MinAreaOption = Annotated[
    float | None,
    typer.Option(
        help="Remove pieces smaller than this share, 0..1, of the largest of their class; 0 keeps all. The default "
        "depends on the label set.",
        show_default=False,
    ),
]
BatchSizeOption = Annotated[int | None, typer.Option(help="Number of images computed together.")]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        help="Number of images read, finished and written at the same time. Default: one per processor, at most 16.",
        show_default=False,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="table, or json with one document per line.")]
DeviceOption = Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:N, mps.")]
RuntimeOption = Annotated[str, typer.Option(help="What runs the network: auto, torch, openvino, onnx.")]
PrecisionOption = Annotated[str, typer.Option(help="Number format: auto, float32, bfloat16, int8.")]
CalibrationOption = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        dir_okay=False,
        metavar="FILE",
        help="Calibration for int8, written by `carseg export --calib`.",
    ),
]
ThreadsOption = Annotated[int | None, typer.Option(help="Number of CPU threads.")]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Refuse images with more pixels. Default: 179 million. Also set by CARSEG_MAX_PIXELS.",
        show_default=False,
    ),
]
SkipExistingOption = Annotated[
    bool,
    typer.Option(
        "--skip-existing",
        help="Skip images whose files are all in --out, complete, and made from the same image with the same model and "
        "settings.",
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="OLD=NEW", help="Rename or merge a class; OLD= ignores it. Can be repeated."),
]
DataFormatOption = Annotated[
    str,
    typer.Option(
        "--data-format",
        metavar="FORMAT",
        help="Format of the data: cityscapes, voc, bdd100k, carvana, supervisely, yolo, labelme, coco, cvat, "
        "label_studio, camvid, masks, arrays; auto recognises it.",
    ),
]
BackgroundImagesOption = Annotated[
    bool, typer.Option("--background-images", help="Treat images without a label file as background.")
]
LineWidthOption = Annotated[
    float | None,
    typer.Option(
        "--line-width",
        metavar="PIXELS",
        min=0,
        help="Width of lines and points among the labels; 0 leaves them out.",
        show_default=False,
    ),
]
LabelsOption = Annotated[
    str | None,
    typer.Option("--labels", metavar="SET", help="Label set to use, such as carparts; classes are matched by name."),
]


def network_size(text: str | None) -> tuple[int, int] | None:
    """Return the (height, width) of a network's images that ``--size`` gives."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text.lower())
    if not match:
        raise typer.BadParameter(
            f"{text!r} is not a size; write 320, or HEIGHTxWIDTH such as 256x512", param_hint="--size"
        )
    return int(match[1]), int(match[2] or match[1])


def resolve_with_progress(
    name: str | os.PathLike[str], weights: Path | None = None, hub: str | None = None
) -> ResolvedWeights:
    """Return weights on this machine, downloaded under a progress bar if need be; print their licence notice."""
    from carseg.hub import licence_notice, resolve

    with ProgressBar(f"downloading {name}") as bar:
        resolved = resolve(name, weights=weights, hub=hub, progress=bar.bytes)
    if notice := licence_notice(resolved.info):
        err(f"carseg: {notice}")
    return resolved


def load_with_progress(
    model: str, weights: Path | None = None, hub: str | None = None, cars: str | None = None, **how: Any
) -> Segmenter:
    """Return a network, with that of whole cars if one is named, downloaded like ``resolve_with_progress``.

    Args:
        model: its name, like ``cars`` that of the second one.
        weights: as for ``carseg.load``, like ``hub`` and whatever says ``how`` it is run.
    """
    from carseg.inference import load

    resolve_with_progress(model, weights, hub)
    if cars is not None:
        resolve_with_progress(cars, hub=hub)
    return load(model, weights=weights, hub=hub, cars=cars, **how)
