"""``carseg models``, ``info``, ``download``, ``verify``: what there is, and getting it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from carseg.cli.options import Format, FormatOption, HubOption, resolve_with_progress
from carseg.cli.terminal import echo, err, fail, table
from carseg.errors import HubError, UnknownNameError, WeightsError
from carseg.figures import FIGURES
from carseg.hub import ModelInfo, list_models
from carseg.hub import info as find

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Names of models.")]


def models(
    pattern: Annotated[
        str | None, typer.Argument(metavar="PATTERN", help="Only names that fit, such as '*carparts*'.")
    ] = None,
    commercial: Annotated[bool, typer.Option("--commercial", help="Only those free for commercial use.")] = False,
    format: FormatOption = Format.table,
) -> None:
    """List the models."""
    entries = [find(name) for name in list_models(pattern)]
    entries = [entry for entry in entries if not commercial or entry.commercial_use == "yes"]
    if format is Format.json:
        for entry in entries:
            echo(_json(entry))
    elif entries:
        header = ("name", "labels", "mIoU", "params", "file", "commercial", "in the package")
        echo(table(header, [_row(entry) for entry in entries], "<<>>><<"))
    else:
        err("carseg: no such models" if pattern or commercial else "carseg: this version has no models")


def info(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, or the folder of a fine-tuned one.")],
    hub: HubOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Show all that is known about a model."""
    try:
        entry = find(name)
    except UnknownNameError:
        from carseg.hub import find_info  # not needed for the names of the manifest

        entry = find_info(name, hub)
    echo(_json(entry) if format is Format.json else "\n".join(_description(entry)))


def download(
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="Every model.")] = False,
    hub: HubOption = None,
) -> None:
    """Fetch weights, for use without a network."""
    if everything == bool(names):
        raise typer.BadParameter("--all takes no names" if names else "give names, or --all")
    failed = 0
    for name in names or list_models():
        try:
            echo(str(resolve_with_progress(name, hub=hub).path))
        except (HubError, WeightsError) as error:
            fail(error)
            failed += 1
    raise typer.Exit(int(failed > 0))


def verify(names: Names = None, hub: HubOption = None) -> None:
    """Check the weights on this machine by their sha256."""
    from carseg.hub import copies, find_info
    from carseg.hub import verify as check

    sound = failed = 0
    for name in names or list_models():
        entry = find_info(name, hub)
        found = copies(entry, hub)
        for path in found:
            try:
                check(entry, path)
            except WeightsError as error:
                echo(f"broken  {name}  {path}")
                fail(error)
                failed += 1
            else:
                echo(f"ok      {name}  {path}")
                sound += 1
        if names and not found:
            fail(f"{name} is not on this machine; `carseg download {name}` fetches it")
            failed += 1
    err(f"carseg: {sound} files are what they should be, {failed} are not")
    raise typer.Exit(int(failed > 0))


def _json(entry: ModelInfo) -> str:
    return json.dumps({"name": entry.name, **entry.to_dict()})


def _row(entry: ModelInfo) -> tuple[str, ...]:
    metric = entry.metric
    return (
        entry.name,
        entry.labels.name,
        f"{metric.miou:.3f}" if metric else "-",
        f"{entry.parameters / 1e6:.1f} M",
        f"{entry.bytes / 1e6:.1f} MB",
        entry.commercial_use,
        "yes" if entry.embedded else "",
    )


def _description(entry: ModelInfo) -> list[str]:
    height, width = entry.input.size
    fields = {
        "name": entry.name,
        "architecture": f"{entry.architecture}, {entry.parameters / 1e6:.2f} M parameters",
        "paper": entry.paper,
        "labels": f"{entry.labels.name}: {', '.join(entry.labels.classes)}",
        "input": f"{width} x {height}, {entry.input.resize}",
        "file": f"{entry.bytes / 1e6:.2f} MB, {entry.storage}{', in the package' if entry.embedded else ''}",
        "sha256": entry.sha256,
        "licence": entry.licence,
        "commercial use": entry.commercial_use,
        "made by": f"{entry.made_by}, with {entry.recipe} at {entry.code_commit[:12]}",
    }
    lines = [f"{key:<14}  {value}" for key, value in fields.items()]
    lines += [f"{'data':<14}  {d.name} {d.split}, {d.images} images, {d.role}: {d.licence}" for d in entry.data]
    for metric in entry.metrics:
        told = ", ".join(
            f"{FIGURES[key].title} {FIGURES[key].text(estimate.value)}" for key, estimate in metric.figures.items()
        )
        lines.append(f"{'measured':<14}  {metric.dataset} {metric.split}, {metric.images} images: {told}")
    for runtime, shares in entry.runtimes.items():
        told = ", ".join(f"{precision} {share:.3%}" for precision, share in shares.items())
        lines.append(f"{'equal labels':<14}  {runtime}: {told}")
    if entry.int8 is not None:
        lines.append(f"{'int8':<14}  {entry.int8}")
    return lines
