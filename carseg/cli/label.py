"""``carseg label``: images in; a folder of images and labels out, for the tool in which people correct them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from carseg.cli.options import (
    BatchSizeOption,
    DeviceOption,
    HubOption,
    JobsOption,
    MaxPixelsOption,
    MinAreaOption,
    ModelOption,
    PrecisionOption,
    RuntimeOption,
    ThreadsOption,
    ThresholdOption,
    TileOption,
    WeightsOption,
    load_with_progress,
)
from carseg.cli.terminal import ProgressBar, echo, err, fail
from carseg.hub import DEFAULT_MODEL


class LabelFormat(StrEnum):
    """Formats that are written."""

    labelme = "labelme"
    yolo = "yolo"
    coco = "coco"
    cvat = "cvat"
    label_studio = "label-studio"
    voc = "voc"
    masks = "masks"


ToleranceOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="PIXELS",
        help="How much outlines are simplified, without gaps between parts; 0 keeps every corner. Default: each piece "
        "keeps 98 % of its pixels.",
        show_default=False,
    ),
]

_SkipExistingOption = Annotated[
    bool,
    typer.Option("--skip-existing", help="Leave images that have labels in --out as they are, and add the others."),
]


def label(
    images: Annotated[str, typer.Argument(metavar="DIR", help="A folder with its subfolders, a pattern, or a video.")],
    to: Annotated[LabelFormat, typer.Option(help="The tool or format to write labels for.")],
    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="The new folder.")] = Path("carseg-labels"),
    model: ModelOption = DEFAULT_MODEL,
    tolerance: ToleranceOption = None,
    weights: WeightsOption = None,
    hub: HubOption = None,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    tile: TileOption = None,
    threshold: ThresholdOption = None,
    min_area: MinAreaOption = None,
    batch_size: BatchSizeOption = None,
    jobs: JobsOption = None,
    max_pixels: MaxPixelsOption = None,
    skip_existing: _SkipExistingOption = False,
) -> None:
    """Label images for a tool in which people correct the labels.

    Writes the images and their labels into a new folder. `carseg finetune` reads this folder, and also what the tools
    write. An image that cannot be read is named and left out. `--skip-existing` continues a killed run.
    """
    from carseg.cli.process import prepare
    from carseg.inference import find_images
    from carseg.workflows import label as write

    prepare()
    count = len(list(find_images(images)))
    how: dict[str, Any] = {"device": device, "runtime": runtime, "precision": precision, "threads": threads}
    settings: dict[str, Any] = {"tile": tile, "threshold": threshold, "min_area": min_area}
    settings |= {"batch_size": batch_size, "jobs": jobs, "max_pixels": max_pixels}
    settings["skip_existing"] = skip_existing
    network = load_with_progress(model, weights, hub, **how)
    with ProgressBar("labelling") as bar:
        settings["progress"] = lambda number: bar.count(number, max(number, count))  # a video has many
        done = write(images, out, to.value, model=network, tolerance=tolerance, **settings)
    if done.skipped:
        err(f"carseg: {done.skipped} images have their labels in {out} and are left out")
    for reason in done.broken.values():
        fail(reason)
    echo(f"{out}: {done.images} images, {done.pieces} pieces, {len(done.classes)} classes")
    raise typer.Exit(int(bool(done.broken)))
