"""``carseg hub mirror``, ``publish`` and ``push``: hubs of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from carseg.cli.options import HubOption
from carseg.cli.terminal import ProgressBar, echo, err


def mirror(
    folder: Annotated[Path, typer.Argument(metavar="DEST", file_okay=False, help="Folder that becomes a hub.")],
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Names of models. Default: all.")] = None,
    hub: HubOption = None,
) -> None:
    """Copy weights into a folder that works as a hub. Use it with --hub DEST or CARSEG_HUB=DEST."""
    from carseg.hub import mirror as copy

    with ProgressBar("downloading weights") as bar:
        files = copy(folder, names or (), hub=hub, progress=bar.bytes)
    for file in files:
        echo(str(file))


def publish(
    destination: Annotated[str, typer.Argument(metavar="DEST", help="A folder, or hf://ORG/REPO.")],
    address: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address at which the folder will be served, https://...; with {asset} for files without folders.",
        ),
    ] = None,
) -> None:
    """Put all weights on a hub, and write its address into the manifest."""
    from carseg.hub import publish as upload

    with ProgressBar("downloading weights") as bar:
        written = upload(destination, address=address, progress=bar.bytes)
    if written:
        echo(written)
    else:
        err(f"carseg: {destination} is now a hub; --address writes the place where it is served into the manifest")


def push(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder of a fine-tuned model, such as RUN/best.")],
    destination: Annotated[
        str, typer.Argument(metavar="DEST", help="Repository, hf://ORG/REPO; created if it does not exist.")
    ],
    private: Annotated[bool, typer.Option("--private", help="Make the new repository private.")] = False,
) -> None:
    """Put a model with its card on the Hugging Face Hub. Load it as hf://ORG/REPO."""
    from carseg.hub import push as upload

    echo(upload(model, destination, private=private))
