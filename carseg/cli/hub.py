"""``carseg hub mirror``, ``publish`` and ``push``: hubs of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from carseg.cli.options import HubOption
from carseg.cli.terminal import ProgressBar, echo, err


def mirror(
    folder: Annotated[Path, typer.Argument(metavar="DEST", file_okay=False, help="The folder that becomes a hub.")],
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Models; all if none is given.")] = None,
    hub: HubOption = None,
) -> None:
    """Copy weights into a folder that serves as a hub: --hub DEST, or CARSEG_HUB=DEST, without a network."""
    from carseg.hub import mirror as copy

    with ProgressBar("fetching weights") as bar:
        files = copy(folder, names or (), hub=hub, progress=bar.bytes)
    for file in files:
        echo(str(file))


def publish(
    destination: Annotated[str, typer.Argument(metavar="DEST", help="A folder, or hf://ORG/REPO.")],
    address: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where the folder will be served, https://...; {asset} if without folders."),
    ] = None,
) -> None:
    """Put all weights on a hub, and note its address in the manifest."""
    from carseg.hub import publish as upload

    with ProgressBar("fetching weights") as bar:
        written = upload(destination, address=address, progress=bar.bytes)
    if written:
        echo(written)
    else:
        err(f"carseg: {destination} is a hub now; --address puts the place where it is served into the manifest")


def push(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The folder of a fine-tuned model, such as RUN/best.")],
    destination: Annotated[str, typer.Argument(metavar="DEST", help="A repository, hf://ORG/REPO; made if need be.")],
    private: Annotated[bool, typer.Option("--private", help="Make the new repository private.")] = False,
) -> None:
    """Put one model with its card on the Hugging Face Hub; --model hf://ORG/REPO uses it."""
    from carseg.hub import push as upload

    echo(upload(model, destination, private=private))
