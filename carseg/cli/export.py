"""``carseg export``: a network as a file for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from carseg.cli.options import (
    BackgroundImagesOption,
    HubOption,
    LineWidthOption,
    WeightsOption,
    network_size,
    resolve_with_progress,
)
from carseg.cli.terminal import echo, err


class Kind(StrEnum):
    """File formats of networks."""

    onnx = "onnx"
    openvino = "openvino"
    torch_export = "torch-export"


_Calib = Annotated[str | None, typer.Option(metavar="DIR", help="Images to calibrate int8 with; else as published.")]
_Calibration = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False, metavar="FILE", help="The calibration of int8: written with --calib, else taken from here."
    ),
]
_Opset = Annotated[
    int | None, typer.Option(min=1, help="Set of ONNX's operators, for older programs: 17. Default: torch's own.")
]
_Size = Annotated[
    str | None,
    typer.Option(metavar="HxW", help="Write ONNX for one image of this height and width at a time: 384x384."),
]
_Data = Annotated[
    Path | None, typer.Option(exists=True, help="Labelled images that int8 may lose half a point of mIoU on.")
]


def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, a fine-tuned one's folder, or hf://ORG/REPO.")],
    format: Annotated[Kind, typer.Option("--format", "-f", help="What is written.")] = Kind.onnx,
    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="Folder for the files.")] = Path("."),
    precision: Annotated[str, typer.Option(help="float32, int8, or bfloat16 (openvino).")] = "float32",
    images: Annotated[
        str | None,
        typer.Option("--pictures", metavar="DIR", help="Images to compare the labels on; else generated ones."),
    ] = None,
    calib: _Calib = None,
    calibration: _Calibration = None,
    opset: _Opset = None,
    size: _Size = None,
    data: _Data = None,
    split: Annotated[str | None, typer.Option(help="Part of the data.")] = None,
    background_images: BackgroundImagesOption = False,
    line_width: LineWidthOption = None,
    weights: WeightsOption = None,
    hub: HubOption = None,
) -> None:
    """Write a network as ONNX, OpenVINO IR or torch.export.

    The file takes any number and size of images unless --size is given, and carries its classes and how to prepare
    images. It is written only if its labels agree with PyTorch's: 99.9 % of them, 99 % in int8. Prints the files.
    """
    from carseg.cli.process import prepare
    from carseg.exporting import export as write

    if data is None and (split is not None or background_images or line_width is not None):
        raise typer.BadParameter("--split, --background-images and --line-width are about --data, which is missing")
    prepare()
    info = resolve_with_progress(name, weights, hub).info
    labelled = None
    if data is not None:
        from carseg.data import load as open_data

        labelled = open_data(
            data, labels=info.labels, split=split, background_images=background_images, line_width=line_width
        )
    made = write(
        name,
        out,
        format=format,
        precision=precision,
        images=images,
        calib=calib,
        calibration=calibration,
        data=labelled,
        opset=opset,
        size=network_size(size),
        weights=weights,
        hub=hub,
    )
    for file in made.files:
        echo(str(file))
    kind = "generated images (--pictures DIR takes real ones)" if made.generated else "images"
    figure = f"{made.value:.4f}" if made.figure == "mIoU lost" else f"{made.value:.3%}"
    err(f"carseg: {made.figure} {figure} against PyTorch in float32, on {made.images} {kind}")
