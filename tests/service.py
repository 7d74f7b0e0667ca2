"""A service in a thread of the tests, with the network of ``color_hub`` under several names."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

import carseg
from carseg.inference import Segmenter
from carseg.serving import Address, Limits, create_app
from carseg.serving.run import listen, make_server

from color_hub import blocks, write_model


def load_blocks(folder: Path) -> Segmenter:
    """Return the network that ``blocks`` was drawn for."""
    write_model(folder)
    return carseg.load("blocks", hub=folder, runtime="torch", precision="float32", device="cpu")


def renamed(model: Segmenter, name: str) -> Segmenter:
    """Return a network under another name."""
    return Segmenter(replace(model.info, name=name), model.runtime)


def png(width: int = 96, height: int = 64) -> bytes:
    """Return ``blocks`` as the bytes of a PNG."""
    file = io.BytesIO()
    blocks(width, height).save(file, "PNG")
    return file.getvalue()


class Service:
    """A running service.

    Attributes:
        app: the application.
        port: where it listens, on 127.0.0.1.
        url: its address, without a slash at the end.
    """

    def __init__(self, app: Any, port: int) -> None:
        self.app, self.port, self.url = app, port, f"http://127.0.0.1:{port}"

    def get(self, path: str, **how: Any) -> requests.Response:
        """Return the answer to a GET."""
        return requests.get(f"{self.url}{path}", timeout=60, **how)

    def post(self, path: str, data: Any = None, **how: Any) -> requests.Response:
        """Return the answer to a POST."""
        return requests.post(f"{self.url}{path}", data=data, timeout=60, **how)

    def options(self, path: str, headers: dict[str, str]) -> requests.Response:
        """Return the answer to what a browser asks before it asks for another origin."""
        return requests.options(f"{self.url}{path}", headers=headers, timeout=60)


@contextmanager
def running(*models: Segmenter, limits: Limits | None = None, **around: Any) -> Iterator[Service]:
    """Run a service as long as the block; what it took is answered at its end."""
    limits = limits or Limits()
    with serving(create_app(models, limits=limits, **around), limits) as service:
        yield service


@contextmanager
def serving(app: Any, limits: Limits) -> Iterator[Service]:
    """Run an application as long as the block."""
    socket = listen(Address(port=0))
    server = make_server(app, limits)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, name="service")
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    try:
        yield Service(app, socket.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
