"""``carseg benchmark``: quality, speed and size of models as rows of a table."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carseg.cli.options import (
    BackgroundImagesOption,
    CalibrationOption,
    DataFormatOption,
    DeviceOption,
    HubOption,
    LineWidthOption,
    MapOption,
    PrecisionOption,
    RuntimeOption,
    ThreadsOption,
    resolve_with_progress,
)
from carseg.cli.terminal import ProgressBar, echo, err, fail, short
from carseg.errors import HubError, WeightsError
from carseg.hub import list_models

if TYPE_CHECKING:
    from carseg.benchmarking import Row


class Form(StrEnum):
    """Formats of printed rows."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


_Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="Name of a model, folder of a fine-tuned one, or hf://ORG/REPO. Can be repeated.",
    ),
]
_Everything = Annotated[bool, typer.Option("--all", help="All models.")]
_Data = Annotated[Path | None, typer.Option(exists=True, help="Labelled images, in any known format.")]
_Split = Annotated[str | None, typer.Option(help="Split of the data. Default: test if there is one, else val.")]
_Merge = Annotated[
    list[str] | None,
    typer.Option(metavar="OLD=NEW", help="Count classes as one, in the figures only. Can be repeated."),
]
_Format = Annotated[Form, typer.Option("--format", "-f", help="How to print the rows; json has one per line.")]
_Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        file_okay=False,
        help="Keep the rows here, with a page of plots; a later run continues from them.",
    ),
]
_Compare = Annotated[
    Path | None, typer.Option(exists=True, help="Print the differences from the rows in this file instead.")
]
_FailUnder = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIGURE=LIMIT", help="Exit with status 1 if a figure is lower, such as miou=0.5. Can be repeated."
    ),
]


def benchmark(
    models: _Models = None,
    everything: _Everything = False,
    data: _Data = None,
    data_format: DataFormatOption = "auto",
    split: _Split = None,
    map: MapOption = None,
    merge: _Merge = None,
    background_images: BackgroundImagesOption = False,
    line_width: LineWidthOption = None,
    format: _Format = Form.table,
    out: _Out = None,
    resume: Annotated[bool, typer.Option(help="Keep rows that --out already has.")] = True,
    compare: _Compare = None,
    fail_under: _FailUnder = None,
    seconds: Annotated[float, typer.Option(help="Seconds to spend on each timing.")] = 10.0,
    hub: HubOption = None,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    calibration: CalibrationOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Measure models: quality, time, memory, size.

    Without --model, the models in the package are measured. Without --data, only speed, memory and size are measured,
    on generated images.
    """
    from carseg.benchmarking import benchmark as measure
    from carseg.benchmarking import failures, parse_limits, read_rows
    from carseg.cli.process import prepare
    from carseg.data import parse_mapping

    if everything and models:
        raise typer.BadParameter("--all takes no --model")
    names = list_models() if everything else models
    limits = parse_limits(fail_under or ())
    earlier = read_rows(compare) if compare else None
    prepare()
    for name in names or ():
        with suppress(HubError, WeightsError):  # becomes a row that says so
            resolve_with_progress(name, hub=hub)
    mapping, merged = parse_mapping(map or ()), parse_mapping(merge or ())
    settings: dict[str, Any] = {"device": device, "runtime": runtime, "precision": precision, "threads": threads}
    settings |= {"calibration": calibration, "hub": hub, "seconds": seconds, "out": out, "resume": resume}
    chosen: dict[str, Any] = {"data_format": data_format, "split": split, "mapping": mapping, "merge": merged}
    chosen |= {"background_images": background_images, "line_width": line_width}
    with ProgressBar("measuring") as bar:

        def report(model: str, stage: str, done: int, total: int, left: float) -> None:
            bar.show(done / max(total, 1), f"{model}: {stage}, {short(left)} left for all")

        rows = measure(names, data, report=report, **chosen, **settings)
    _print(rows, earlier, compare, format)
    if out:
        err(f"carseg: rows and report.html are in {out}")
    unmet = [*(f"{row['model']}: {row['error']}" for row in rows if row["error"]), *failures(rows, limits)]
    for sentence in unmet:
        fail(sentence)
    raise typer.Exit(int(bool(unmet)))


def _print(rows: list[Row], earlier: list[Row] | None, file: Path | None, format: Form) -> None:
    """Print the rows, or what differs from earlier ones, which a file holds."""
    from carseg.benchmarking import compare_rows, format_classes, format_differences, format_rows

    if earlier is None:
        text = format_rows(rows, format)
        classes = format_classes(rows) if format is Form.table else ""
        text += f"\n{classes}" if classes else ""
    else:
        differences = compare_rows(rows, earlier)
        text = format_differences(differences, format)
        if not differences:
            err(f"carseg: {file} has no figure of the same model, data and split")
    if text:
        echo(text.rstrip("\n"))
