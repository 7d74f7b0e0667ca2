"""``carseg cutout``: photographs in; cars on a background of their own out."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any

import typer

from carseg.cli.options import (
    CalibrationOption,
    DeviceOption,
    HubOption,
    JobsOption,
    MaxPixelsOption,
    PrecisionOption,
    RuntimeOption,
    SkipExistingOption,
    ThreadsOption,
    WeightsOption,
    load_with_progress,
)

_Background = Annotated[
    str, typer.Option(metavar="WHAT", help="transparent, a colour (white, '#1e90ff'), or an image file.")
]
_Margin = Annotated[
    str | None,
    typer.Option(
        metavar="PERCENT",
        help="Share of the canvas that stays free on each side of the car; the wheels stand on the lower margin. "
        "Default with --size: 8%.",
        show_default=False,
    ),
]
_Edges = Annotated[
    str | None,
    typer.Option(
        help="refined at the image's own size, or network. Default: refined, except for models free for commercial "
        "use.",
        show_default=False,
    ),
]
_Size = Annotated[
    str | None,
    typer.Option(
        metavar="WxH", help="Size of the canvas, such as 1920x1080. Default: that of the image, or what --margin needs."
    ),
]


def cutout(
    inputs: Annotated[list[str], typer.Argument(metavar="IMAGE", help="Files, folders, patterns, URLs, data URIs.")],
    background: _Background = "transparent",
    shadow: Annotated[bool, typer.Option("--shadow", help="Draw a shadow on the ground.")] = False,
    margin: _Margin = None,
    size: _Size = None,
    format: Annotated[str, typer.Option("--format", "-f", help="png, jpg, webp.")] = "png",
    glass: Annotated[str, typer.Option(help="keep what is seen through the windows, or tint them.")] = "keep",
    car: Annotated[
        int | None, typer.Option(help="Which car, by size. Default: 1, the largest.", show_default=False)
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="Cut out all cars together.")] = False,
    feather: Annotated[float, typer.Option(help="Fade the edge inwards over this many pixels.")] = 0,
    edges: _Edges = None,
    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="Folder of the results.")] = Path(
        "carseg-out"
    ),
    model: Annotated[str, typer.Option("--model", "-m", help="A model that finds whole cars.")] = "car",
    weights: WeightsOption = None,
    hub: HubOption = None,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    calibration: CalibrationOption = None,
    threads: ThreadsOption = None,
    jobs: JobsOption = None,
    max_pixels: MaxPixelsOption = None,
    skip_existing: SkipExistingOption = False,
) -> None:
    """Cut cars out of photographs.

    Writes IMAGE.cutout.png (jpg, webp) below --out, with the subfolders of a given folder, and prints the paths.
    Colours become sRGB. Number plates and faces are not hidden.
    """
    from carseg.cli.printing import print_documents
    from carseg.cli.process import prepare
    from carseg.cli.saving import CutoutSaving, find_jobs
    from carseg.inference import CutoutOptions, best_edges, origin_of
    from carseg.workflows import CutoutFiles

    prepare()
    options = CutoutOptions(background, shadow, margin, size, car, all, glass, feather)
    files = CutoutFiles(options, format)
    images, missing = find_jobs(inputs, out, [files.kind])
    how: dict[str, Any] = {"device": device, "runtime": runtime, "precision": precision, "threads": threads}
    segmenter = load_with_progress(model, weights, hub, calibration=calibration, **how)
    files.check(segmenter)
    edges = edges or best_edges(segmenter.info)
    how = {"precision": segmenter.runtime.precision, "calibration": calibration, "edges": edges}
    saving = CutoutSaving(out, files, functools.partial(origin_of, info=segmenter.info, **how), jobs)
    todo = saving.begin(images, skip_existing=skip_existing)
    results = segmenter.stream(saving.sources(todo), edges=edges, jobs=jobs, max_pixels=max_pixels, on_error="yield")
    cutouts = saving.write(results)
    failed = missing + print_documents(cutouts, len(todo), lambda each: each["files"]["cutout"], doing="cutting out")
    raise typer.Exit(saving.finish(len(todo) + missing, failed, segmenter.name))
