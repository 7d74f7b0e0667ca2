"""``carseg batch``: a folder, list, table or tar of images in; tables of what is in them out, by all processors."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from carseg.cli.options import (
    CarsOption,
    DeviceOption,
    HubOption,
    MaxPixelsOption,
    MinAreaOption,
    ModelOption,
    PrecisionOption,
    RuntimeOption,
    SidesOption,
    ThresholdOption,
    load_with_progress,
)
from carseg.cli.terminal import err, fail
from carseg.hub import DEFAULT_MODEL

_SAY_EVERY = 5.0  # seconds

_Source = Annotated[
    str,
    typer.Argument(metavar="SRC", help="A folder, pattern, list (.txt), .parquet or .tar; also on s3:// or gs://."),
]
_Destination = Annotated[str, typer.Argument(metavar="DEST", help="Folder of the results; also on s3:// or gs://.")]
_Workers = Annotated[
    int | None, typer.Option(help="Number of processes. Default: one per processor.", show_default=False)
]
_Shard = Annotated[
    str | None,
    typer.Option(metavar="I/N", help="Do only part I of N, when several machines share DEST.", show_default=False),
]


def batch(
    source: _Source,
    destination: _Destination,
    model: ModelOption = DEFAULT_MODEL,
    columns: Annotated[str, typer.Option(help="What to write: parts, cars, mask, joined by commas.")] = "parts",
    engine: Annotated[str, typer.Option(help="local: processes on this machine; ray: a Ray cluster.")] = "local",
    workers: _Workers = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads per process.")] = 1,
    rows: Annotated[int, typer.Option(help="Images per results file.")] = 1000,
    shard: _Shard = None,
    cars: CarsOption = None,
    sides: SidesOption = "consistent",
    threshold: ThresholdOption = None,
    min_area: MinAreaOption = None,
    max_pixels: MaxPixelsOption = None,
    hub: HubOption = None,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
) -> None:
    """Segment very many images, and write tables of the results.

    The same command continues an interrupted job. Images that cannot be read become rows with an error.
    """
    from carseg.cli.process import prepare
    from carseg.scale import Batch, Job, run_job

    prepare()
    job = Job(source, destination, rows, _part(shard))
    how: dict[str, Any] = {"device": device, "runtime": runtime, "precision": precision, "threads": threads}
    settings: dict[str, Any] = {"sides": sides, "threshold": threshold, "min_area": min_area, "max_pixels": max_pixels}
    names = [name.strip() for name in columns.split(",") if name.strip()]
    segmenting = Batch(load_with_progress(model, hub=hub, cars=cars, **how), columns=names, **settings)
    summary = run_job(job, segmenting, engine=engine, workers=workers, threads=threads, progress=_Lines().say)
    before = summary.images - summary.new
    err(
        f"carseg: {summary.new} images done with {segmenting.segmenter.name}"
        + (f", {before} were done before" if before else "")
        + f"; results are in {destination}"
        + ("" if summary.complete else "; other parts of the job are still missing")
    )
    if summary.errors:
        fail(f"{summary.errors} images could not be read: their rows in {destination} have an error")
    raise typer.Exit(int(summary.errors > 0))


class _Lines:
    """Says every few seconds how far a job is."""

    def __init__(self) -> None:
        self.began = self.said = time.monotonic()

    def say(self, done: int, errors: int) -> None:
        now = time.monotonic()
        if now - self.said >= _SAY_EVERY:
            self.said = now
            err(f"carseg: {done} images, {errors} with errors, {done / (now - self.began):.1f} per second")


def _part(shard: str | None) -> tuple[int, int]:
    """Return place and number of ``--shard``."""
    if shard is None:
        return 1, 1
    place, _, of = shard.partition("/")
    if not (place.isdecimal() and of.isdecimal()):
        raise typer.BadParameter(f"must be I/N, such as 3/16, got {shard!r}", param_hint="--shard")
    return int(place), int(of)
