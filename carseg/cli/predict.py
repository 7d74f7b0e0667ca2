"""``carseg predict``: images and videos in; masks, overlays, cutouts, JSON and a table of parts out."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carseg._files import to_json
from carseg.cli.options import (
    CalibrationOption,
    DeviceOption,
    Format,
    FormatOption,
    HubOption,
    MaxPixelsOption,
    PrecisionOption,
    RuntimeOption,
    SkipExistingOption,
    ThreadsOption,
    WeightsOption,
    resolve_with_progress,
)
from carseg.cli.terminal import ProgressBar, echo, err, fail, table
from carseg.errors import CarsegError, printable
from carseg.hub import DEFAULT_MODEL

if TYPE_CHECKING:
    from carseg.cli.outputs import Job
    from carseg.cli.saving import Document
    from carseg.inference import Segmenter

_CAR_COLUMNS = ("car", "share", "no part", "x", "y", "width", "height", "view", "")
_COLUMNS = ("part", "share", "pixels", "score", "x", "y", "width", "height")

_Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGE", help="Images, videos, folders, patterns, URLs (also rtsp://), data URIs, camera numbers."
    ),
]
_Model = Annotated[str, typer.Option("--model", "-m", help="A model, a fine-tuned one's folder, or hf://ORG/REPO.")]
_Out = Annotated[
    Path, typer.Option("--out", "-o", help="Where results go: a folder, of one video also an .mp4, .mkv or .webm.")
]
_Save = Annotated[
    str | None,
    typer.Option(
        help="Any of mask, overlay, cutout, json, joined by commas; '' for none. Default: mask,overlay; of a video "
        "overlay, which is a video.",
        show_default=False,
    ),
]
_Cars = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Find whole cars with a second model, such as car: the cars in tables and JSON are then its own.",
        show_default=False,
    ),
]
_Tile = Annotated[int | None, typer.Option(help="Look at windows of so many pixels, for detail in large images.")]
_Sides = Annotated[
    str, typer.Option(help="Left and right: consistent with the car's view, or raw, as the network tells them.")
]
_Edges = Annotated[
    str, typer.Option(help="Outline of a car: of the network, or refined at the image's own size; cutouts take it too.")
]
_Threshold = Annotated[float | None, typer.Option(help="Pixels less sure than this, 0..1, become background.")]
_MinArea = Annotated[
    float | None,
    typer.Option(
        help="Clean away pieces below this share of their class's largest, 0..1; 0: none. Default: by label set.",
        show_default=False,
    ),
]
_Every = Annotated[int, typer.Option(min=1, help="Of a video take one of so many frames.")]
_Start = Annotated[float, typer.Option(min=0, help="Of a video leave out so many seconds at its beginning.")]
_End = Annotated[float | None, typer.Option(min=0, help="Of a video take frames up to so many seconds.")]
_Ffmpeg = Annotated[
    str | None, typer.Option(help="Have this program encode videos, such as ffmpeg, instead of PyAV (VP9).")
]
_Encoder = Annotated[str | None, typer.Option(help="The encoder's name, such as libx264.")]


def predict(
    inputs: _Inputs,
    model: _Model = DEFAULT_MODEL,
    out: _Out = Path("carseg-out"),
    save: _Save = None,
    format: FormatOption = Format.table,
    cars: _Cars = None,
    weights: WeightsOption = None,
    hub: HubOption = None,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    calibration: CalibrationOption = None,
    threads: ThreadsOption = None,
    tile: _Tile = None,
    sides: _Sides = "consistent",
    edges: _Edges = "network",
    threshold: _Threshold = None,
    min_area: _MinArea = None,
    batch_size: Annotated[int | None, typer.Option(help="Images that are computed together.")] = None,
    max_pixels: MaxPixelsOption = None,
    skip_existing: SkipExistingOption = False,
    every: _Every = 1,
    start: _Start = 0.0,
    end: _End = None,
    ffmpeg: _Ffmpeg = None,
    encoder: _Encoder = None,
) -> None:
    """Segment images and videos.

    Prints the parts of each image and writes IMAGE.mask.png (label ids, with a palette) and IMAGE.overlay.png
    below --out, where the tree below a given folder is mirrored, of a video VIDEO.overlay.mp4, or what --out names,
    with its time stamps and sound. A run that was killed goes on with --skip-existing.
    """
    from carseg.cli.process import prepare
    from carseg.cli.saving import Saving
    from carseg.cli.videos import VideoOptions, predict_videos
    from carseg.inference import load, origin_of

    kinds = _kinds("mask,overlay" if save is None else save, skip_existing)
    jobs, videos, missing = _jobs(inputs, out, kinds)
    options = VideoOptions(out, ["overlay"] if save is None else kinds, every, start, end, ffmpeg, encoder)
    prepare()
    for name, its_weights in ((model, weights), *([(cars, None)] if cars is not None else [])):
        resolve_with_progress(name, its_weights, hub)
    how: dict[str, Any] = {"precision": precision, "calibration": calibration, "threads": threads}
    segmenter = load(model, weights=weights, hub=hub, cars=cars, device=device, runtime=runtime, **how)
    _say_holes(segmenter, kinds)
    settings: Any = {"tile": tile, "sides": sides, "edges": edges, "threshold": threshold, "min_area": min_area}
    alike = {"precision": segmenter.runtime.precision, "calibration": calibration, **settings}
    second = None if segmenter.cars is None else segmenter.cars.info
    saving = Saving(out, kinds, functools.partial(origin_of, info=segmenter.info, cars=second, **alike))
    todo = saving.without_saved(jobs) if skip_existing else jobs
    saving.say_what_is_there(jobs, todo)
    options.say_what_is_there(videos)
    began = time.monotonic()
    settings["max_pixels"] = max_pixels
    results = segmenter.stream(saving.sources(todo), batch_size=batch_size, on_error="yield", **settings)
    failed = missing + _print(saving.write(results), len(todo), format)
    failed += predict_videos(segmenter, videos, options, format, settings)
    raise typer.Exit(saving.finish(len(todo) + len(videos) + missing, failed, time.monotonic() - began, segmenter.name))


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
        raise typer.BadParameter("--skip-existing goes by the files of --save, which names none")
    return kinds


def _jobs(inputs: list[str], out: Path, kinds: list[str]) -> tuple[list[Job], list[Job], int]:
    """Return the images and the videos with where their files go, and how many inputs are missing, which is said."""
    from carseg.cli.outputs import refuse_overwriting
    from carseg.cli.saving import find_inputs
    from carseg.cli.videos import is_video_file

    images, videos, missing = find_inputs(inputs, out)
    if is_video_file(out):
        if images or len(videos) > 1:
            raise typer.BadParameter(f"{out} is for one video: name a folder", param_hint="--out")
    elif out.is_file():
        raise typer.BadParameter(f"{out} is a file: name a folder, or for one video an .mp4", param_hint="--out")
    refuse_overwriting(images, out, kinds)
    return images, videos, missing


def _print(documents: Iterator[Document | CarsegError], count: int, format: Format) -> int:
    """Print what was found in each image, or why nothing was; return how many failed."""
    failed = 0
    with ProgressBar("segmenting") as bar:
        for done, document in enumerate(documents, 1):
            if isinstance(document, Exception):
                fail(document)
                failed += 1
            else:
                echo(to_json(document) if format is Format.json else _parts_table(document))
            bar.count(done, count)
    return failed


def _parts_table(document: Document) -> str:
    """Return what was found in an image as a table, largest first."""
    title = f"{printable(document['source'])}  {document['width']} x {document['height']}"
    rows = []
    for part in sorted(document["parts"], key=lambda part: -part["area_px"]):
        score = "" if part["score"] is None else f"{part['score']:.2f}"
        figures = f"{part['area_fraction']:.1%}", str(part["area_px"]), score
        rows.append((part["name"], *figures, *map(str, part["bbox"])))
    if not rows:
        return f"{title}\nnothing found\n"
    return f"{title}\n{table(_COLUMNS, rows, '<>>>>>>>')}\n{_cars_table(document['cars'] or [])}"


def _cars_table(cars: list[Document]) -> str:
    """Return the cars as a table, where there are several or a second model saw them."""
    if len(cars) < 2 and not any(car["body"] for car in cars):
        return ""
    rows = []
    for car in cars:
        body = f"{car['body']['area_fraction']:.1%}" if car["body"] else ""
        says = car["view"]["name"] if car["view"] else "", "may be several" if car["uncertain"] else ""
        rows.append((f"car {car['number']}", f"{car['area_fraction']:.1%}", body, *map(str, car["bbox"]), *says))
    return f"{table(_CAR_COLUMNS, rows, '<>>>>>><<')}\n"
