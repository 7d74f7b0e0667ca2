"""``carseg serve``: the HTTP service and its page."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carseg._env import given_api_key, given_label_studio_token, usable_processors
from carseg.cli.options import (
    CarsOption,
    DeviceOption,
    HubOption,
    PrecisionOption,
    RuntimeOption,
    ThreadsOption,
    resolve_with_progress,
)
from carseg.cli.terminal import err
from carseg.errors import require_extra
from carseg.serving import Limits

if TYPE_CHECKING:
    from fastapi import FastAPI

    from carseg.serving import Metrics

_MODELS = ["parts", "car"]
_LIMITS = Limits()


_Models = Annotated[
    list[str], typer.Option("--model", "-m", help="Model to serve. Can be repeated; the first is the default.")
]
_Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all addresses of this machine.")]
_Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free port.")]
_Workers = Annotated[int, typer.Option(min=1, help="Number of processes, each with the models in its memory.")]
_Key = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="Key that requests need. CARSEG_API_KEY is safer, since other users can see a process's arguments.",
        show_default=False,
    ),
]
_Cors = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ORIGIN", help="Let pages of this origin use the service, such as https://example.org. Can be repeated."
    ),
]
_Studio = Annotated[
    str | None,
    typer.Option(
        "--label-studio",
        metavar="URL",
        help="Serve as a backend of this Label Studio; LABEL_STUDIO_API_KEY is used to fetch its images.",
        show_default=False,
    ),
]
_Places = Annotated[int, typer.Option(min=1, help="Requests accepted at the same time; further ones are answered 429.")]
_Bytes = Annotated[int, typer.Option(min=1, help="Most bytes per request.")]
_Pixels = Annotated[int, typer.Option(min=1, help="Most pixels per image.")]
_Files = Annotated[int, typer.Option(min=1, help="Most files per request.")]
_Seconds = Annotated[float, typer.Option(min=0.1, help="Seconds for a request to arrive, and again for its answer.")]
_BatchSize = Annotated[int | None, typer.Option(min=1, help="Number of waiting images computed together.")]


def serve(
    models: _Models = _MODELS,
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    workers: _Workers = 1,
    api_key: _Key = None,
    cors: _Cors = None,
    label_studio: _Studio = None,
    places: _Places = _LIMITS.places,
    max_bytes: _Bytes = _LIMITS.bytes,
    max_pixels: _Pixels = _LIMITS.pixels,
    max_files: _Files = _LIMITS.files,
    timeout: _Seconds = _LIMITS.seconds,
    batch_size: _BatchSize = None,
    cars: CarsOption = None,
    hub: HubOption = None,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Serve models over HTTP, with a page for the browser.

    The page is at /, the description of the interface at /docs. Images come only by upload, and are not kept. The
    service also works as the Remote-Server of X-AnyLabeling, and with --label-studio as a backend of Label Studio.
    """
    require_extra("fastapi", "serve", "carseg serve")
    require_extra("uvicorn", "serve", "carseg serve")
    from carseg.cli.process import prepare
    from carseg.serving import Address, LabelStudio, serve

    prepare()
    for name in (*models, *([cars] if cars else [])):
        resolve_with_progress(name, hub=hub)
    key = api_key or given_api_key()
    if key is None and not _is_loopback(host):
        err(f"carseg: everyone who can reach {host} can use the service; set CARSEG_API_KEY to require a key")
    limits = Limits(places=places, bytes=max_bytes, pixels=max_pixels, files=max_files, seconds=timeout)
    if workers > 1 and threads is None:
        threads = max(usable_processors() // workers, 1)
    how = {"hub": hub, "device": device, "runtime": runtime, "precision": precision, "threads": threads}
    studio = None if label_studio is None else LabelStudio(label_studio, given_label_studio_token())
    around = {
        "limits": limits,
        "batch_size": batch_size,
        "api_key": key,
        "cors": tuple(cors or ()),
        "label_studio": studio,
    }
    serve(_MakeApp(tuple(models), cars, how, around), Address(host, port), limits, workers=workers)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class _MakeApp:
    """Makes the application in whichever process it is called."""

    models: tuple[str, ...]
    cars: str | None
    how: dict[str, Any]
    around: dict[str, Any]

    def __call__(self, metrics: Metrics) -> FastAPI:
        from carseg.cars import tells_whole_cars
        from carseg.cli.process import prepare
        from carseg.hub import resolve
        from carseg.inference import load
        from carseg.serving import create_app

        prepare()
        models = []
        for name in self.models:
            labels = resolve(name, hub=self.how["hub"]).info.labels
            cars = None if tells_whole_cars(labels) else self.cars  # a second network would say the same once more
            models.append(load(name, cars=cars, **self.how))
        return create_app(models, metrics=metrics, **self.around)
