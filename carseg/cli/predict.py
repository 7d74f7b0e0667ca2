"""``carseg predict``: images and videos in; masks, overlays, cutouts, JSON and tables of parts out."""

from __future__ import annotations

import base64
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carseg.cli.options import (
    BatchSizeOption,
    CalibrationOption,
    CarsOption,
    DeviceOption,
    Format,
    FormatOption,
    HubOption,
    JobsOption,
    MaxPixelsOption,
    MinAreaOption,
    ModelOption,
    PrecisionOption,
    RuntimeOption,
    SidesOption,
    SkipExistingOption,
    ThreadsOption,
    ThresholdOption,
    TileOption,
    WeightsOption,
    load_with_progress,
)
from carseg.cli.terminal import err
from carseg.errors import ImageError
from carseg.hub import DEFAULT_MODEL

if TYPE_CHECKING:
    from carseg.cli.outputs import Job
    from carseg.inference import Segmenter

_Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGE",
        help="Images, videos, folders, patterns, URLs (also rtsp://), data URIs, camera numbers; - reads stdin.",
    ),
]
_Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        help="Folder of the results. For one image and one kind of --save also a .png, .jpg or .json file, for one "
        "video also an .mp4, .mkv or .webm file.",
    ),
]
_Save = Annotated[
    str | None,
    typer.Option(
        help="What to write: mask, overlay, cutout, json, gray, coco, joined by commas, or '' for nothing. Default: "
        "mask,overlay; for a video, a video with overlays.",
        show_default=False,
    ),
]


def _can_be_written(table: Path | None) -> Path | None:
    """Return the table as it is given; raise before anything is computed if it cannot be written."""
    from carseg.inference import check_table

    if table is not None:
        check_table(table)
    return table


_Table = Annotated[
    Path | None,
    typer.Option(
        "--table",
        dir_okay=False,
        metavar="FILE",
        callback=_can_be_written,
        help="Also write a table with one row per piece: .csv, .jsonl or .parquet.",
    ),
]
_Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="With several images, print the parts of each instead of one line.")
]
_Edges = Annotated[
    str, typer.Option(help="Outline of cars: network, or refined at the image's own size. Applies to cut-outs too.")
]
_Every = Annotated[int, typer.Option(min=1, help="Video: use only every Nth frame.")]
_Start = Annotated[float, typer.Option(min=0, help="Video: start at this second.")]
_End = Annotated[float | None, typer.Option(min=0, help="Video: stop at this second.")]
_Smooth = Annotated[
    bool,
    typer.Option("--smooth", help="Video: average the masks over time, following motion, so that they flicker less."),
]
_Ffmpeg = Annotated[
    str | None, typer.Option(help="Video: encode with this program, such as ffmpeg, instead of PyAV (VP9).")
]
_Encoder = Annotated[str | None, typer.Option(help="Video: name of the encoder, such as libx264.")]


def predict(
    inputs: _Inputs,
    model: ModelOption = DEFAULT_MODEL,
    out: _Out = Path("carseg-out"),
    save: _Save = None,
    table: _Table = None,
    verbose: _Verbose = False,
    format: FormatOption = Format.table,
    cars: CarsOption = None,
    weights: WeightsOption = None,
    hub: HubOption = None,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    calibration: CalibrationOption = None,
    threads: ThreadsOption = None,
    tile: TileOption = None,
    sides: SidesOption = "consistent",
    edges: _Edges = "network",
    threshold: ThresholdOption = None,
    min_area: MinAreaOption = None,
    batch_size: BatchSizeOption = None,
    jobs: JobsOption = None,
    max_pixels: MaxPixelsOption = None,
    skip_existing: SkipExistingOption = False,
    every: _Every = 1,
    start: _Start = 0.0,
    end: _End = None,
    smooth: _Smooth = False,
    ffmpeg: _Ffmpeg = None,
    encoder: _Encoder = None,
) -> None:
    """Segment images and videos.

    Prints the parts of an image, or one line per image if there are several. Writes IMAGE.mask.png (label ids) and
    IMAGE.overlay.jpg or .png below --out; for a video, VIDEO.overlay.mp4. --skip-existing continues an interrupted run.
    """
    from carseg.cli.printing import print_documents, text_of
    from carseg.cli.process import prepare
    from carseg.cli.saving import Saving, tabulated
    from carseg.cli.videos import VideoOptions, predict_videos

    kinds = _kinds("mask,overlay" if save is None else save, skip_existing)
    images, videos, missing, file = _jobs(inputs, out, kinds)
    options = VideoOptions(out, ["overlay"] if save is None else kinds, every, start, end, smooth, ffmpeg, encoder)
    prepare()
    how: Any = {"device": device, "runtime": runtime, "precision": precision, "threads": threads}
    segmenter = load_with_progress(model, weights, hub, cars, calibration=calibration, **how)
    _say_holes(segmenter, kinds)
    settings: Any = {"tile": tile, "sides": sides, "edges": edges, "threshold": threshold, "min_area": min_area}
    lines = len(images) > 1 and not verbose and format is Format.table
    saving = Saving(out, kinds, _origin(segmenter, calibration, settings), file, cars=not lines, jobs=jobs)
    todo = saving.begin(images, skip_existing=skip_existing)
    options.say_what_is_there(videos)
    settings |= {"max_pixels": max_pixels, "jobs": jobs}
    results = segmenter.stream(saving.sources(todo), batch_size=batch_size, on_error="yield", **settings)
    with tabulated(table) as add:
        failed = missing + print_documents(saving.write(results), len(todo), text_of(format, lines), add=add)
        failed += predict_videos(segmenter, videos, options, format, settings, add)
    raise typer.Exit(saving.finish(len(todo) + len(videos) + missing, failed, segmenter.name))


def _origin(segmenter: Segmenter, calibration: Path | None, settings: dict[str, Any]) -> Callable[[str], str]:
    """Return what says of an image what its files are found again by."""
    from carseg.inference import origin_of

    second = None if segmenter.cars is None else segmenter.cars.info
    how: Any = {"calibration": calibration, "precision": segmenter.runtime.precision}
    return functools.partial(origin_of, info=segmenter.info, cars=second, **how, **settings)


def _say_holes(segmenter: Segmenter, kinds: list[str]) -> None:
    """Say where cut-outs have holes, if any are to be made, and no second model tells whole cars."""
    from carseg.inference import holes_notice

    if "cutout" in kinds and segmenter.cars is None and (notice := holes_notice(segmenter.labels)):
        err(f"carseg: {notice}")


def _kinds(save: str, needed: bool) -> list[str]:
    """Return the kinds of files that ``--save`` names."""
    from carseg.inference import OUTPUT_SUFFIXES

    kinds = [kind.strip() for kind in save.split(",") if kind.strip()]
    if strange := [kind for kind in kinds if kind not in OUTPUT_SUFFIXES]:
        known = ", ".join(OUTPUT_SUFFIXES)
        raise typer.BadParameter(f"cannot save {strange[0]!r}; known: {known}", param_hint="--save")
    if needed and not kinds:
        raise typer.BadParameter("--skip-existing needs a --save that names files")
    return kinds


def _jobs(inputs: list[str], out: Path, kinds: list[str]) -> tuple[list[Job], list[Job], int, Path | None]:
    """Return the images and the videos with where their files go, how many inputs are missing, which is said, and
    ``out`` where it is the file of the only image.
    """
    from carseg.cli.outputs import one_file, refuse_overwriting
    from carseg.cli.saving import find_inputs
    from carseg.cli.videos import is_video_file

    images, videos, missing = find_inputs([_stdin() if given == "-" else given for given in inputs], out)
    if videos and "coco" in kinds:
        raise typer.BadParameter("coco is for image files, and a video has none: use --save json")
    file = None
    if is_video_file(out):
        if images or len(videos) > 1:
            raise typer.BadParameter(f"{out} can hold only one video: give a folder", param_hint="--out")
    else:
        file = one_file(out, kinds, [*images, *videos])
    if file is None:
        refuse_overwriting(images, out, kinds)
    return images, videos, missing, file


def _stdin() -> str:
    """Return the image on standard input as a data URI."""
    content = sys.stdin.buffer.read()
    if not content:
        raise ImageError("standard input is empty: pipe an image into it, or give a file instead of -")
    return f"data:application/octet-stream;base64,{base64.b64encode(content).decode()}"
