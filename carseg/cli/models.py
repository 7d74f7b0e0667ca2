"""``carseg models``, ``info``, ``download``, ``verify``: what there is, and getting it."""

from __future__ import annotations

from typing import Annotated

import typer

from carseg._files import to_json
from carseg.cli.options import Format, FormatOption, HubOption, resolve_with_progress
from carseg.cli.terminal import echo, err, fail, table
from carseg.errors import HubError, UnknownNameError, WeightsError, printable
from carseg.figures import FIGURES
from carseg.hub import FOR_SALE, MODEL_SCHEMA, RECOMMENDED, ModelInfo, list_models, list_weights
from carseg.hub import info as find

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Names of models.")]


def models(
    pattern: Annotated[
        str | None, typer.Argument(metavar="PATTERN", help="Only names that match, such as '*carparts*'.")
    ] = None,
    commercial: Annotated[bool, typer.Option("--commercial", help="Only models free for commercial use.")] = False,
    format: FormatOption = Format.table,
) -> None:
    """List the models: recommended ones first, with their short names.

    "mIoU" is measured on the test split, "elsewhere" on a data set of another origin.
    """
    recommended = {choice.model: name for name, choice in RECOMMENDED.items()} | {FOR_SALE.model: "yes"}
    place = {name: number for number, name in enumerate(recommended)}
    found = sorted(map(find, list_models(pattern)), key=lambda model: place.get(model.name, len(place)))
    found = [model for model in found if not commercial or model.commercial_use == "yes"]
    if format is Format.json:
        for model in found:
            echo(_json(model))
    elif found:
        facts = ("labels", "mIoU", "elsewhere", "params", "file", "commercial", "in the package")
        header = ("name", "recommended", *facts)
        echo(table(header, [_row(model, recommended.get(model.name, "")) for model in found], "<<<>>>><<"))
    else:
        err("carseg: no such models" if pattern or commercial else "carseg: this version has no models")


def info(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of a model, folder of a fine-tuned one, or hf://ORG/REPO.")
    ],
    hub: HubOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Show everything that is known about a model."""
    try:
        model = find(name)
    except UnknownNameError:
        from carseg.hub import find_info  # not needed for the names of the manifest

        model = find_info(name, hub)
    echo(_json(model) if format is Format.json else "\n".join(_description(model)))


def download(
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="All models.")] = False,
    hub: HubOption = None,
) -> None:
    """Download weights, to use them without a network."""
    if everything == bool(names):
        raise typer.BadParameter("--all takes no names" if names else "give names, or --all")
    failed = 0
    for name in names or list_weights():
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
    for name in names or list_weights():
        model = find_info(name, hub)
        found = copies(model, hub)
        for path in found:
            try:
                check(model, path)
            except WeightsError as error:
                echo(f"broken  {name}  {path}")
                fail(error)
                failed += 1
            else:
                echo(f"ok      {name}  {path}")
                sound += 1
        if names and not found:
            fail(f"{name} is not on this machine; `carseg download {name}` downloads it")
            failed += 1
    err(f"carseg: {sound} files are correct, {failed} are not")
    raise typer.Exit(int(failed > 0))


def _json(model: ModelInfo) -> str:
    return to_json({"schema": MODEL_SCHEMA, "name": model.name, **model.to_dict()})


def _row(model: ModelInfo, recommended: str) -> tuple[str, ...]:
    return (
        model.name,
        recommended,
        model.labels.name,
        *(f"{metric.miou:.3f}" if metric else "-" for metric in (model.metric, model.elsewhere)),
        f"{model.parameters / 1e6:.1f} M",
        f"{model.bytes / 1e6:.1f} MB",
        model.commercial_use,
        "yes" if model.embedded else "",
    )


def _description(model: ModelInfo) -> list[str]:
    height, width = model.input.size
    fields = {
        "name": model.name,
        "architecture": f"{model.architecture}, {model.parameters / 1e6:.2f} M parameters",
        "paper": model.paper,
        "labels": f"{model.labels.name}: {', '.join(model.labels.classes)}",
        "input": f"{width} x {height}, {model.input.resize}",
        "file": f"{model.bytes / 1e6:.2f} MB, {model.storage}{', in the package' if model.embedded else ''}",
        "sha256": model.sha256,
        "licence": model.licence,
        "commercial use": model.commercial_use,
        "made by": f"{model.made_by}, with {model.recipe} at {model.code_commit[:12]}",
    }
    lines = [f"{key:<14}  {value}" for key, value in fields.items()]
    lines += [f"{'data':<14}  {d.name} {d.split}, {d.images} images, {d.role}: {d.licence}" for d in model.data]
    for metric in model.metrics:
        message = ", ".join(
            f"{FIGURES[key].title} {FIGURES[key].text(estimate.value)}" for key, estimate in metric.figures.items()
        )
        lines.append(f"{'measured':<14}  {metric.dataset} {metric.split}, {metric.images} images: {message}")
    for runtime, shares in model.runtimes.items():
        message = ", ".join(f"{precision} {share:.3%}" for precision, share in shares.items())
        lines.append(f"{'equal labels':<14}  {runtime}: {message}")
    if model.int8 is not None:
        lines.append(f"{'int8':<14}  {model.int8}")
    return [printable(line) for line in lines]
