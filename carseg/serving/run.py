"""A service as a process, or as several that share an address, which ends when it is told to, with all answered."""

from __future__ import annotations

import logging
import math
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from carseg.errors import CarsegError, OptionError
from carseg.serving.limits import Limits
from carseg.serving.metrics import Metrics
from carseg.serving.protocol import patient_for

_log = logging.getLogger("carseg")
_CONNECTIONS = 256  # open at once, beyond which uvicorn answers 503
_IDLE = 5  # seconds that a connection stays open for a further request
_LOOK = 0.2  # seconds between two looks at the workers

MakeApp = Callable[[Metrics], ASGIApp]


@dataclass(frozen=True)
class Address:
    """Where a service listens.

    Attributes:
        host: an address of this machine; 127.0.0.1 is reached by its own programs alone, 0.0.0.0 is every one.
        port: 0 for any that is free.
    """

    host: str = "127.0.0.1"
    port: int = 8000

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise OptionError(f"port must lie in 0..65535, got {self.port}")


def serve(make_app: MakeApp, address: Address, limits: Limits, *, workers: int = 1) -> None:
    """Serve until SIGINT or SIGTERM; requests that were taken by then are answered.

    Args:
        make_app: returns the application, given where it counts; with several workers it is called in each process,
            which is started by "spawn", and has to be picklable.
        address: where to listen.
        limits: those of the application.
        workers: processes, each with the networks in its memory.

    Raises:
        OptionError: fewer than one worker, or the address is not free.
        CarsegError: the workers cannot start.
    """
    if workers < 1:
        raise OptionError(f"workers must be at least 1, got {workers}")
    metrics = Metrics(workers)
    if workers == 1:
        app = make_app(metrics)
        _run(app, listen(address), limits)
    else:
        _supervise(make_app, metrics, listen(address), limits, workers)


def listen(address: Address) -> Any:
    """Return the socket, and say where it listens."""
    config = uvicorn.Config("", host=address.host, port=address.port, log_config=None)
    logger = logging.getLogger("uvicorn.error")
    logger.disabled = True  # it would say the same in its own way
    try:
        socket = config.bind_socket()
    except SystemExit:
        raise OptionError(
            f"cannot listen on {address.host} port {address.port}: it is in use, or no address of this machine; "
            "choose another --host or --port"
        ) from None
    finally:
        logger.disabled = False
    socket.listen(config.backlog)  # from now on clients wait for the first process to serve, and are not refused
    host, port = socket.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    _log.info(f"listening on http://{shown}:{port}/, Ctrl-C ends it")
    return socket


def make_server(app: ASGIApp, limits: Limits) -> uvicorn.Server:
    """Return the server of an application."""
    longest = 3 * limits.seconds + _IDLE  # a request arrives, is answered, and its answer is taken
    config = uvicorn.Config(
        app,
        http=patient_for(longest),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=math.ceil(longest),
    )
    return uvicorn.Server(config)


def _run(app: ASGIApp, socket: Any, limits: Limits) -> None:
    """Serve in this process until it is told to end."""
    server = make_server(app, limits)
    try:
        server.run(sockets=[socket])
    except KeyboardInterrupt:  # uvicorn repeats the signal that ended it
        if not server.should_exit:
            raise


def _supervise(make_app: MakeApp, metrics: Metrics, socket: Any, limits: Limits, workers: int) -> None:
    """Keep so many processes serving; one that dies is replaced, unless it never got as far as to serve."""
    context = multiprocessing.get_context("spawn")
    stop = threading.Event()

    def start(place: int) -> tuple[BaseProcess, Any]:
        ready = context.RawValue("b", False)
        process = context.Process(target=_work, args=(make_app, metrics, socket, limits, place, ready))
        process.start()
        return process, ready

    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    running = [start(place) for place in range(workers)]
    try:
        while not stop.wait(_LOOK):
            for place, (process, ready) in enumerate(running):
                if process.is_alive():
                    continue
                if not ready.value:
                    raise CarsegError("a worker ended before it could serve; see its message above")
                _log.warning(f"a worker ended with status {process.exitcode}: another is started")
                running[place] = start(place)
    finally:
        for process, _ in running:
            process.terminate()
        for process, _ in running:
            process.join()
        for number, handler in before.items():
            signal.signal(number, handler)


def _work(make_app: MakeApp, metrics: Metrics, socket: Any, limits: Limits, place: int, ready: Any) -> None:
    """Serve as one of several processes."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        metrics.take_row(place)
        app = make_app(metrics)
        ready.value = True
        _run(app, socket, limits)
    except KeyboardInterrupt:
        pass
    except CarsegError as error:
        _log.error(str(error))
        sys.exit(1)
