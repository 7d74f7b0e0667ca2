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


_Calib = Annotated[
    str | None, typer.Option(metavar="DIR", help="Images to calibrate int8 with. Default: the published calibration.")
]
_Calibration = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False,
        metavar="FILE",
        help="File with the calibration for int8: written with --calib, read without it.",
    ),
]
_Opset = Annotated[
    int | None,
    typer.Option(min=1, help="Version of ONNX's operators, such as 17 for older programs. Default: that of torch."),
]
_Size = Annotated[
    str | None,
    typer.Option(metavar="HxW", help="Write ONNX for single images of this height and width, such as 384x384."),
]
_Data = Annotated[
    Path | None, typer.Option(exists=True, help="Labelled images on which int8 may lose at most half a point of mIoU.")
]


def export(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of a model, folder of a fine-tuned one, or hf://ORG/REPO.")
    ],
    format: Annotated[Kind, typer.Option("--format", "-f", help="Format to write.")] = Kind.onnx,
    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="Folder for the files.")] = Path("."),
    precision: Annotated[str, typer.Option(help="float32, int8, or bfloat16 (openvino).")] = "float32",
    images: Annotated[
        str | None,
        typer.Option("--pictures", metavar="DIR", help="Images to compare the labels on. Default: generated ones."),
    ] = None,
    calib: _Calib = None,
    calibration: _Calibration = None,
    opset: _Opset = None,
    size: _Size = None,
    data: _Data = None,
    split: Annotated[str | None, typer.Option(help="Split of the data.")] = None,
    background_images: BackgroundImagesOption = False,
    line_width: LineWidthOption = None,
    weights: WeightsOption = None,
    hub: HubOption = None,
) -> None:
    """Write a network as ONNX, OpenVINO IR or torch.export.

    The file takes images of any number and size unless --size is given, and describes its classes and how to prepare
    images. It is written only if at least 99.9 % of its labels, 99 % in int8, agree with PyTorch. Prints the files.
    """
    from carseg.cli.process import prepare
    from carseg.exporting import export as write

    if data is None and (split is not None or background_images or line_width is not None):
        raise typer.BadParameter("--split, --background-images and --line-width need --data")
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
