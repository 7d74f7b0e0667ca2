"""All commands in one place."""

from __future__ import annotations

import functools
from typing import Annotated

import typer

from carseg._version import __version__
from carseg.cli import batch, benchmark, cutout, data, export, finetune, hub, label, models, predict, report, serve

# Plain text: it is read everywhere, and rich would take longer to import than most commands to run.
_group = functools.partial(
    typer.Typer,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app = _group(
    help="Segment images of cars: car parts, whole cars, street scenes, drivable area.",
    epilog="Exit status: 0 done, 1 some inputs or a check failed, 2 wrong usage, 130 interrupted.",
)
app.command()(predict.predict)
app.command()(cutout.cutout)
app.command()(report.report)
app.command()(label.label)
app.command()(models.models)
app.command()(models.info)
app.command()(models.download)
app.command()(models.verify)
app.command()(benchmark.benchmark)
app.command()(finetune.finetune)
app.command()(batch.batch)
app.command()(export.export)
app.command()(serve.serve)

data_app = _group(help="Check, show and convert labelled images.")
data_app.command()(data.check)
data_app.command()(data.show)
data_app.command()(data.convert)
app.add_typer(data_app, name="data")

hub_app = _group(help="Make your own hubs.")
hub_app.command()(hub.mirror)
hub_app.command()(hub.publish)
hub_app.command()(hub.push)
app.add_typer(hub_app, name="hub")


@app.callback()
def carseg(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    if version:
        print(f"carseg {__version__}")
        raise typer.Exit
