"""``carseg report``: photographs of one car in; what they show, what is missing, and a page of it out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carseg._files import to_json
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
    PrecisionOption,
    RuntimeOption,
    ThreadsOption,
    WeightsOption,
    load_with_progress,
)
from carseg.cli.terminal import ProgressBar, echo, err, fail, table, warn
from carseg.hub import DEFAULT_MODEL

if TYPE_CHECKING:
    from carseg.workflows import Report

_Photos = Annotated[
    list[str], typer.Argument(metavar="PHOTOS", help="Photographs of one car: folders, files, patterns, URLs.")
]
_Model = Annotated[
    str, typer.Option("--model", "-m", help="A model that finds car parts, or the folder of a fine-tuned one.")
]
_Out = Annotated[
    Path,
    typer.Option("--out", "-o", file_okay=False, help="Folder of the report; an earlier report in it is replaced."),
]
_Require = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WORDS",
        help="Exit with status 1 unless these are seen: front, rear, left, right, a part, or wheel:4. Joined by "
        "commas, or repeated.",
    ),
]


def report(
    photos: _Photos,
    model: _Model = DEFAULT_MODEL,
    out: _Out = Path("carseg-report"),
    require: _Require = None,
    format: FormatOption = Format.table,
    cars: CarsOption = None,
    weights: WeightsOption = None,
    hub: HubOption = None,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    calibration: CalibrationOption = None,
    threads: ThreadsOption = None,
    batch_size: BatchSizeOption = None,
    jobs: JobsOption = None,
    max_pixels: MaxPixelsOption = None,
) -> None:
    """Report on photographs of one car: parts, views, blur, exposure.

    Writes report.html, report.json and a crop of each part to --out, and prints which photo shows which parts.
    """
    from carseg.cli.process import prepare
    from carseg.workflows import report as inspect

    prepare()
    how: dict[str, Any] = {"device": device, "runtime": runtime, "precision": precision, "threads": threads}
    segmenter = load_with_progress(model, weights, hub, cars, calibration=calibration, **how)
    with ProgressBar("examining photographs") as bar:
        made = inspect(
            photos,
            out,
            model=segmenter,
            require=require or (),
            batch_size=batch_size,
            jobs=jobs,
            max_pixels=max_pixels,
            progress=bar.count,
        )
    echo(to_json(made.to_dict()) if format is Format.json else _tables(made))
    for photo in made.photos:
        for warning in photo.warnings:
            warn(f"{photo.source}: {warning.text}")
    for failure in made.failed:
        fail(failure.error)
    if made.missing:
        fail(f"missing: {', '.join(made.missing)}")
    seen, total = len(made.photos), len(made.photos) + len(made.failed)
    err(f"carseg: {seen} of {total} photographs examined with {made.model}; report.html is in {out}")
    raise typer.Exit(int(not made.ok))


def _tables(made: Report) -> str:
    """Return three tables: the photographs, the sides, and the parts with the photographs that show them."""
    photos = [
        (
            str(photo.number),
            photo.view.name if photo.view else "-",
            ", ".join(warning.kind for warning in photo.warnings) or "-",
            photo.source,
        )
        for photo in made.photos
    ]
    sides = [(side, _row(numbers)) for side, numbers in made.sides.items()]
    parts = []
    for name, numbers in (made.parts | made.wheels).items():
        best = made.best.get(name)
        figures = (
            (f"{best.part.car_fraction:.1%}", f"{best.part.sharpness:.2f}", str(best.photo)) if best else ("",) * 3
        )
        parts.append((name, *figures, _row(numbers)))
    return "\n\n".join(
        [
            table(("no", "view", "warnings", "photograph"), photos, "><<<"),
            *([table(("side", "seen in"), sides, "<<")] if sides else []),
            table(("part", "of the car", "sharpness", "best in", "seen in"), parts, "<>>><"),
        ]
    )


def _row(numbers: list[int]) -> str:
    return " ".join(map(str, numbers)) or "-"
