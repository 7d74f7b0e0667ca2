"""The application: the requests, the page, and what is around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from carseg.errors import MissingExtraError

try:
    import fastapi  # noqa: F401
except ImportError as error:
    raise MissingExtraError("fastapi", "serve", "the service") from error

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response

from carseg._version import __version__
from carseg.errors import CarsegError, excerpt, require_extra
from carseg.inference import Segmenter
from carseg.serving import api, pages, x_anylabeling
from carseg.serving.engine import Engine
from carseg.serving.guard import Guard
from carseg.serving.label_studio import LabelStudio
from carseg.serving.label_studio import router as label_studio_router
from carseg.serving.limits import Limits
from carseg.serving.metrics import Metrics
from carseg.serving.refusal import Refusal


def create_app(
    models: Sequence[Segmenter],
    *,
    limits: Limits | None = None,
    batch_size: int | None = None,
    api_key: str | None = None,
    cors: Sequence[str] = (),
    label_studio: LabelStudio | None = None,
    metrics: Metrics | None = None,
) -> FastAPI:
    """Return the service as an ASGI application, for any server of such.

    Args:
        models: the networks; the first is that of requests which name none.
        limits: what a request may cost; None: those of ``Limits()``.
        batch_size: waiting images that go through a network together; None takes what suits the device.
        api_key: what requests have to show, as ``Authorization: Bearer KEY``; the page, its description and
            ``/healthz`` come without.
        cors: origins whose pages may use the service from a browser, such as ``https://example.org``.
        label_studio: the Label Studio that the service is a backend of, below ``/label-studio``; None: of none.
        metrics: where requests are counted; None: in this application alone.

    Raises:
        OptionError: no model, or a batch size below 1.
        MissingExtraError: FastAPI is not installed, or for Label Studio shapely.
    """
    metrics = metrics or Metrics()
    engine = Engine(models, limits or Limits(), batch_size)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(engine.close)  # what was abandoned reports to the loop when it ends

    app = FastAPI(
        title="carseg",
        version=__version__,
        description="Car image segmentation: parts of cars, whole cars, cut-outs.",
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
        lifespan=life,
    )
    app.state.engine, app.state.metrics = engine, metrics
    app.include_router(api.router)
    app.include_router(pages.router)
    app.include_router(x_anylabeling.router)
    if label_studio is not None:
        require_extra("shapely", "label", "a backend of Label Studio")
        app.state.label_studio = label_studio
        app.include_router(label_studio_router)
    app.add_exception_handler(CarsegError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_middleware(Guard, metrics=metrics, key=api_key)
    if cors:
        headers = ["Authorization", "Content-Type"]
        app.add_middleware(
            CORSMiddleware, allow_origins=list(cors), allow_methods=["GET", "POST"], allow_headers=headers
        )
    return app


async def _refuse(_: Request, error: Exception) -> Response:
    """Return an error as JSON: ``{"detail": SENTENCE}``."""
    status, headers, sentence = 422, {}, str(error)
    match error:
        case Refusal():
            status, headers = error.status, error.headers
        case HTTPException():  # of a path or method that there is not
            status, headers, sentence = error.status_code, dict(error.headers or {}), f"{error.detail}: see /docs"
        case RequestValidationError():
            sentence = "; ".join(map(_wrong_setting, error.errors()))
    return JSONResponse({"detail": sentence}, status, headers)


def _wrong_setting(error: dict[str, Any]) -> str:
    """Return what is wrong with a setting of the query as a sentence."""
    *_, name = error["loc"]
    return f"{name} is {excerpt(repr(error['input']))}: {error['msg'].lower()}"
