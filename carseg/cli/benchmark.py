"""``carseg benchmark``: quality, speed and size of models as rows of a table."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from carseg.cli.options import (
    DeviceOption,
    HubOption,
    MapOption,
    PrecisionOption,
    RuntimeOption,
    ThreadsOption,
    resolve_with_progress,
)
from carseg.cli.terminal import ProgressBar, echo, err, fail
from carseg.errors import HubError, WeightsError
from carseg.hub import list_models


class Form(StrEnum):
    """Formats of printed rows."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


def benchmark(
    models: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME", help="A model, or the folder of a fine-tuned one. Repeat."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every model.")] = False,
    data: Annotated[Path | None, typer.Option(exists=True, help="Labelled images, in any known format.")] = None,
    split: Annotated[str | None, typer.Option(help="Part of the data: test if there is one, else val.")] = None,
    map: MapOption = None,
    merge: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="Count classes as one in the figures only. Repeat.")
    ] = None,
    format: Annotated[
        Form, typer.Option("--format", "-f", help="How rows are printed; json: one per line.")
    ] = Form.table,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", file_okay=False, help="Keep rows, and a page with plots, here; go on from them."),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Take rows that --out has already.")] = True,
    compare: Annotated[
        Path | None, typer.Option(exists=True, help="Print the differences to the rows in this file instead.")
    ] = None,
    fail_under: Annotated[
        list[str] | None, typer.Option(metavar="FIGURE=LIMIT", help="End with status 1 below it, as miou=0.5. Repeat.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long each measurement of time takes.")] = 10.0,
    hub: HubOption = None,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Measure models: quality, time, memory, size.

    Without --model those in the package are measured, without --data only their speed, on generated images.
    """
    from carseg.benchmarking import benchmark as measure
    from carseg.benchmarking import compare_rows, failures, format_differences, format_rows, parse_limits, read_rows
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
    with ProgressBar("measuring") as bar:
        rows = measure(
            names,
            data,
            split=split,
            mapping=parse_mapping(map or ()),
            merge=parse_mapping(merge or ()),
            hub=hub,
            device=device,
            runtime=runtime,
            precision=precision,
            threads=threads,
            seconds=seconds,
            out=out,
            resume=resume,
            report=lambda model, stage, done, total: bar.show(done / max(total, 1), f"{model}: {stage}"),
        )
    if earlier is None:
        text = format_rows(rows, format)
    else:
        differences = compare_rows(rows, earlier)
        text = format_differences(differences, format)
        if not differences:
            err(f"carseg: {compare} has no figure of the same model, data and split")
    if text:
        echo(text.rstrip("\n"))
    if out:
        err(f"carseg: rows and report.html are in {out}")
    broken = [f"{row['model']}: {row['error']}" for row in rows if row["error"]]
    unmet = failures(rows, limits)
    for sentence in [*broken, *unmet]:
        fail(sentence)
    raise typer.Exit(int(bool(broken or unmet)))
