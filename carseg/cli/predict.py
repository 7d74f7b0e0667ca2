"""``carseg predict``: images in; masks, overlays, cutouts, JSON and tables of parts out."""

from __future__ import annotations

import base64
import functools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carseg._files import to_json
from carseg.cli.options import (
    BatchSizeOption,
    CalibrationOption,
    DeviceOption,
    Format,
    FormatOption,
    HubOption,
    ModelOption,
    PrecisionOption,
    RuntimeOption,
    ThreadsOption,
    WeightsOption,
    resolve_with_progress,
)
from carseg.cli.terminal import ProgressBar, echo, err, fail, short, table
from carseg.errors import CarsegError, ImageError, OutputError, excerpt, printable
from carseg.hub import DEFAULT_MODEL

if TYPE_CHECKING:
    from carseg.cli.outputs import Job
    from carseg.cli.saving import Document, Saving
    from carseg.inference import TableFile

_COLUMNS = ("part", "share", "pixels", "score", "x", "y", "width", "height")

_Images = Annotated[
    list[str], typer.Argument(metavar="IMAGE", help="Files, folders, patterns, URLs, data URIs; - for stdin.")
]
_Out = Annotated[
    Path, typer.Option("--out", "-o", help="Where results go; of one image and one --save also a file, cut.png.")
]
_Save = Annotated[
    str, typer.Option(help="Any of mask, overlay, cutout, json, gray, coco, joined by commas; '' for none.")
]
_Tile = Annotated[int | None, typer.Option(help="Look at windows of so many pixels, for detail in large images.")]
_MaxPixels = Annotated[
    int | None,
    typer.Option(min=1, help="Refuse larger images; default 179 million. Also CARSEG_MAX_PIXELS.", show_default=False),
]
_SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing",
        help="Leave out images whose files are all in --out, whole, and made of the same image by the same model.",
    ),
]
_TablePath = Annotated[
    Path | None,
    typer.Option(
        "--table",
        dir_okay=False,
        metavar="FILE",
        help="Write a row for each piece: .csv, .jsonl, .parquet.",
    ),
]
_Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print the parts of each image, not a line, where there are several.")
]
_Sides = Annotated[
    str, typer.Option(help="Left and right: consistent with the car's view, or raw, as the network tells them.")
]
_Threshold = Annotated[float | None, typer.Option(help="Pixels less sure than this, 0..1, become background.")]
_MinArea = Annotated[
    float | None,
    typer.Option(
        help="Clean away pieces below this share of their class's largest, 0..1; 0: none. Default: by label set.",
        show_default=False,
    ),
]


def predict(
    inputs: _Images,
    model: ModelOption = DEFAULT_MODEL,
    out: _Out = Path("carseg-out"),
    save: _Save = "mask,overlay",
    table_path: _TablePath = None,
    verbose: _Verbose = False,
    format: FormatOption = Format.table,
    weights: WeightsOption = None,
    hub: HubOption = None,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    calibration: CalibrationOption = None,
    threads: ThreadsOption = None,
    tile: _Tile = None,
    sides: _Sides = "consistent",
    threshold: _Threshold = None,
    min_area: _MinArea = None,
    batch_size: BatchSizeOption = None,
    max_pixels: _MaxPixels = None,
    skip_existing: _SkipExisting = False,
) -> None:
    """Segment images.

    Prints the parts of an image, or a line for each of several, and writes IMAGE.mask.png (label ids, with a palette)
    and IMAGE.overlay.png below --out, where the tree below a given folder is mirrored. A run that was killed goes on
    with --skip-existing.
    """
    from carseg.cli.process import prepare
    from carseg.cli.saving import Saving
    from carseg.inference import check_table, load, origin_of

    kinds = _kinds(save)
    if skip_existing and not kinds:
        raise typer.BadParameter("--skip-existing goes by the files of --save, which names none")
    if table_path is not None:
        check_table(table_path)
    jobs, missing, file = _jobs(inputs, out, kinds)
    prepare()
    resolve_with_progress(model, weights, hub)
    how: dict[str, Any] = {"precision": precision, "calibration": calibration, "threads": threads}
    segmenter = load(model, weights=weights, hub=hub, device=device, runtime=runtime, **how)
    settings: dict[str, Any] = {"tile": tile, "sides": sides, "threshold": threshold, "min_area": min_area}
    alike = {"precision": segmenter.runtime.precision, "calibration": calibration, **settings}
    saving = Saving(out, kinds, functools.partial(origin_of, info=segmenter.info, **alike), file)
    todo = saving.without_saved(jobs) if skip_existing else jobs
    _say_what_is_there(len(jobs) - len(todo), saving.existing(todo), out)
    began = time.monotonic()
    results = segmenter.stream(
        saving.sources(todo), batch_size=batch_size, max_pixels=max_pixels, on_error="yield", **settings
    )
    shown = _as_json if format is Format.json else _parts_table if verbose or len(jobs) == 1 else _line
    with _tabulated(saving.write(results), table_path) as documents:
        failed = missing + _print(documents, len(todo), shown)
    failed += _deleted(saving)
    total = len(todo) + missing
    message = f"carseg: {total - failed} of {total} done in {short(time.monotonic() - began)} with {segmenter.name}"
    err(f"{message}; results are in {out}" if kinds and failed < total else message)
    raise typer.Exit(int(failed > 0))


def _kinds(save: str) -> list[str]:
    """Return the kinds of files that ``--save`` names."""
    from carseg.inference import OUTPUT_SUFFIXES

    kinds = [kind.strip() for kind in save.split(",") if kind.strip()]
    if strange := [kind for kind in kinds if kind not in OUTPUT_SUFFIXES]:
        known = ", ".join(OUTPUT_SUFFIXES)
        raise typer.BadParameter(f"cannot save {strange[0]!r}; known: {known}", param_hint="--save")
    return kinds


def _jobs(inputs: list[str], out: Path, kinds: list[str]) -> tuple[list[Job], int, Path | None]:
    """Return the images with where their files go, how many are missing, which is said, and ``out`` if it is a file."""
    from carseg.cli.outputs import one_file, plan, refuse_overwriting

    jobs, missing = plan([_stdin() if given == "-" else given for given in inputs], out)
    for error in missing:
        fail(error)
    if not jobs:
        raise typer.Exit(2)
    file = one_file(out, kinds, jobs)
    if file is None:
        refuse_overwriting(jobs, out, kinds)
    return jobs, len(missing), file


def _stdin() -> str:
    """Return the image on standard input as a data URI."""
    content = sys.stdin.buffer.read()
    if not content:
        raise ImageError("standard input is empty: - stands for an image that is piped in")
    return f"data:application/octet-stream;base64,{base64.b64encode(content).decode()}"


@contextmanager
def _tabulated(
    documents: Iterator[Document | CarsegError], path: Path | None
) -> Iterator[Iterator[Document | CarsegError]]:
    """Yield the documents, whose rows are written to a table on the way where a path is given."""
    from carseg.inference import rows_of, table_file

    if path is None:
        yield documents
        return

    def through(table: TableFile) -> Iterator[Document | CarsegError]:
        for document in documents:
            if not isinstance(document, CarsegError):
                table.add(rows_of(document))
            yield document

    try:
        with table_file(path) as table:
            yield through(table)
    except OSError as error:
        if isinstance(error, CarsegError):
            raise
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another --table") from error


def _say_what_is_there(skipped: int, replaced: int, out: Path) -> None:
    if skipped:
        err(f"carseg: {skipped} images have their files in {out} and are left out")
    if replaced:
        err(f"carseg: results of earlier runs in {out} are replaced (files: {replaced})")


def _deleted(saving: Saving) -> int:
    """Return how many images have lost their files since, and say so."""
    gone = saving.deleted()
    if gone:
        fail(
            f"results were deleted from {saving.out} while the command ran (images: {len(gone)}; "
            f"{excerpt(gone[0].source)} for one): run it again with --skip-existing"
        )
    return len(gone)


def _print(documents: Iterator[Document | CarsegError], count: int, shown: Callable[[Document], str]) -> int:
    """Print what was found in each image, or why nothing was; return how many failed."""
    failed = 0
    with ProgressBar("segmenting") as bar:
        for done, document in enumerate(documents, 1):
            if isinstance(document, Exception):
                fail(document)
                failed += 1
            else:
                echo(shown(document))
            bar.count(done, count)
    return failed


def _as_json(document: Document) -> str:
    return to_json(document)


def _line(document: Document) -> str:
    """Return what was found in an image as a line, largest first."""
    parts = sorted(document["parts"], key=lambda part: -part["area_px"])
    found = ", ".join(f"{part['name']} {part['area_fraction']:.1%}" for part in parts) or "nothing found"
    return f"{printable(document['source'])}  {document['width']} x {document['height']}  {found}"


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
    return f"{title}\n{table(_COLUMNS, rows, '<>>>>>>>')}\n"
