"""What can be asked of a service: images in, JSON and PNG out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from PIL import ImageColor
from starlette.responses import JSONResponse, PlainTextResponse, Response

from carseg.cars import tells_whole_cars
from carseg.errors import excerpt
from carseg.hub import ModelInfo
from carseg.images import Uint8Array, decode
from carseg.inference import CutoutOptions, Segmenter, best_edges
from carseg.serving.answers import Picture, cutout_bytes, json_bytes, picture_bytes
from carseg.serving.engine import Engine
from carseg.serving.refusal import Refusal
from carseg.serving.settings import Framing, Settings
from carseg.serving.uploads import Upload, find_uploads, read_body

MODELS_SCHEMA = 1  # version of the JSON of GET /models; docs/schemas/served.schema.json describes it
_BACKGROUND = "background"  # field of a form: an image to be put behind a cut-out

router = APIRouter()

_FILE = {"type": "string", "format": "binary"}
_IMAGE = {
    "required": True,
    "content": {
        "image/*": {"schema": {**_FILE, "description": "The image file: JPEG, PNG, WebP, HEIC, ..."}},
        "multipart/form-data": {"schema": {"type": "object", "properties": {"image": _FILE}, "required": ["image"]}},
    },
}
_CUTOUT_IMAGES = {
    "required": True,
    "content": {
        **_IMAGE["content"],  # type: ignore[dict-item]
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"image": _FILE, _BACKGROUND: _FILE}, "required": ["image"]}
        },
    },
}
_IMAGES = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"image": {"type": "array", "items": _FILE}},
                "required": ["image"],
            }
        },
    },
}
_SENTENCE = {"type": "object", "properties": {"detail": {"type": "string", "description": "What, why, what to do."}}}
_TROUBLE = {
    400: "The request is broken.",
    401: "The key is missing or another.",
    404: "No such model is served.",
    408: "The request did not arrive in time.",
    413: "The request has too many bytes.",
    415: "The body is of a type that no image has.",
    422: "The image cannot be read or is too large, or a setting is out of range.",
    429: "All places are taken: try again after so many seconds as Retry-After says.",
    503: "There was no answer in time.",
}


def _answers(content: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Return the answers of a request with images, for its description."""
    trouble = {"application/json": {"schema": _SENTENCE}}
    return {
        200: {"description": "Done.", "content": content},
        **{status: {"description": text, "content": trouble} for status, text in _TROUBLE.items()},
    }


_PNG = {"image/png": {"schema": _FILE}}
_REPORT = {"type": "object", "description": "The document 'report' of carseg's reference; crops are data URIs."}
_RESULT = {"type": "object", "description": "The document 'result' of carseg's reference: size, parts, their pieces."}


@router.post(
    "/predict",
    summary="Segment an image",
    response_class=Response,
    responses=_answers({"application/json": {"schema": _RESULT}, **_PNG}),
    openapi_extra={"requestBody": _IMAGE},
)
async def predict(
    request: Request,
    settings: Annotated[Settings, Depends()],
    save: Annotated[Picture | None, Query(description="Answer with this picture, a PNG, instead of JSON.")] = None,
    polygons: Annotated[bool, Query(description="Give the outlines beside the run lengths.")] = False,
    legend: Annotated[bool, Query(description="Put a legend below the overlay.")] = True,
) -> Response:
    """Return the parts of an image with share, box, score and run lengths, or its mask or overlay as a PNG."""
    engine: Engine = request.app.state.engine
    model = engine.model(settings.model)

    def answer(body: bytes) -> Response:
        image, _ = _images(body, request)
        result = engine.segment(image, settings, model)
        if save is None:
            return Response(json_bytes(result, polygons=polygons), media_type="application/json")
        return _png(picture_bytes(result, save, legend=legend), model.name)

    return await answered(engine, request, answer)


@router.post(
    "/cutout",
    summary="Cut a car out",
    response_class=Response,
    responses=_answers(_PNG),
    openapi_extra={"requestBody": _CUTOUT_IMAGES},
)
async def cutout(
    request: Request,
    settings: Annotated[Settings, Depends()],
    framing: Annotated[Framing, Depends()],
    background: Annotated[str | None, Query(description="A colour: white, #1e90ff. Transparent by default.")] = None,
) -> Response:
    """Return the car as a PNG: on nothing, on a colour, or on the image that the form's field "background" has."""
    engine: Engine = request.app.state.engine
    model = engine.model(settings.model or _cutting(engine))
    color = None if background is None else _color(background)
    _check_framing(framing, model, engine.limits.pixels)

    def answer(body: bytes) -> Response:
        image, behind = _images(body, request, may_have_background=True)
        chosen = color if behind is None else _decoded(behind, engine)
        result = engine.segment(image, settings, model, edges=best_edges(model.info))
        return _png(cutout_bytes(result.cutout(chosen, **vars(framing))), model.name)

    return await answered(engine, request, answer)


@router.post(
    "/report",
    summary="Inspect the photographs of a car",
    response_class=Response,
    responses=_answers({"application/json": {"schema": _REPORT}}),
    openapi_extra={"requestBody": _IMAGES},
)
async def report(
    request: Request,
    model: Annotated[
        str | None, Query(description="One of GET /models that tells parts; the first by default.")
    ] = None,
    require: Annotated[str, Query(description="What has to be seen: front,rear,wheel:4.")] = "",
) -> Response:
    """Return what the files of a form show of one car: parts and views, what is missing, what is wrong with them."""
    engine: Engine = request.app.state.engine
    segmenter = engine.model(model)

    def answer(body: bytes) -> Response:
        return Response(engine.report(_uploads(body, request), require, segmenter), media_type="application/json")

    return await answered(engine, request, answer)


@router.get("/models", summary="The models that are served", response_class=JSONResponse)
async def models(request: Request) -> JSONResponse:
    """Return the models with their classes, colours and terms, the default first."""
    engine: Engine = request.app.state.engine
    served = [_model(model.info) for model in engine.models.values()]
    limits = {name: getattr(engine.limits, name) for name in ("bytes", "pixels", "files", "seconds")}
    return JSONResponse({"schema": MODELS_SCHEMA, "cutout": _cutting(engine), "limits": limits, "models": served})


@router.get("/healthz", summary="Whether the service answers", response_class=PlainTextResponse)
async def healthz() -> PlainTextResponse:
    """Return "ok": the networks are loaded, and the process answers."""
    return PlainTextResponse("ok\n")


@router.get("/metrics", summary="Counts and times, for Prometheus", response_class=PlainTextResponse)
async def metrics(request: Request) -> PlainTextResponse:
    """Return counts of requests and their times, of all processes of the service together."""
    return PlainTextResponse(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4")


async def answered(engine: Engine, request: Request, answer: Callable[[bytes], Response]) -> Response:
    """Return what a function makes of the body of a request, in one of the engine's threads."""
    with engine.place():
        body = await read_body(request, engine.limits)
        return await engine.work(request, functools.partial(answer, body))


def _uploads(body: bytes, request: Request) -> list[Upload]:
    """Return the files of a request."""
    engine: Engine = request.app.state.engine
    return find_uploads(body, request.headers.get("content-type", ""), engine.limits)


def _images(body: bytes, request: Request, *, may_have_background: bool = False) -> tuple[Upload, Upload | None]:
    """Return the image of a request, and the one to be put behind it, if any."""
    uploads = _uploads(body, request)
    behind = [upload for upload in uploads if may_have_background and upload.field == _BACKGROUND]
    images = [upload for upload in uploads if upload not in behind]
    if len(images) != 1 or len(behind) > 1:
        raise Refusal(400, f"the form has {len(images)} images, must have one: send one request per image")
    return images[0], next(iter(behind), None)


def _check_framing(framing: Framing, model: Segmenter, most: int) -> None:
    """Raise OptionError or Refusal where a car cannot be shown so, or would take too much memory."""
    options = CutoutOptions(**vars(framing))
    options.check(model.labels)
    if options.size and options.size[0] * options.size[1] > most:
        raise Refusal(
            422, f"size is {excerpt(str(framing.size))}: take one of at most {most} pixels, such as 1920x1080"
        )
    if framing.margin and not framing.size:  # a canvas around the car as large as it is has no limit
        raise Refusal(
            422, f"margin is {excerpt(framing.margin)} and there is no size: give one, such as size=1920x1080"
        )


def _decoded(upload: Upload, engine: Engine) -> Uint8Array:
    return decode(upload.content, name=upload.name, max_pixels=engine.limits.pixels).rgb


def _color(text: str) -> tuple[int, int, int]:
    """Return a colour by its name; a text that is none goes no further, whatever a cut-out would make of it."""
    try:
        red, green, blue, *_ = ImageColor.getrgb(text)
    except ValueError:
        raise Refusal(
            422,
            f"background {excerpt(text)!r} is not a colour: use a name or #rrggbb, or send an image in the form's "
            f"field '{_BACKGROUND}'",
        ) from None
    return red, green, blue


def _png(content: bytes, model: str) -> Response:
    return Response(content, media_type="image/png", headers={"X-Carseg-Model": model})


def _cutting(engine: Engine) -> str:
    """Return the model of cut-outs where none is named: the first that tells whole cars, else the first."""
    whole = (model.name for model in engine.models.values() if tells_whole_cars(model.labels))
    return next(whole, next(iter(engine.models)))


def _model(info: ModelInfo) -> dict[str, Any]:
    """Return what a client has to know of a model."""
    colors = ["#{:02x}{:02x}{:02x}".format(*color) for color in info.labels.colors]
    return {
        "name": info.name,
        "labels": info.labels.name,
        "classes": list(info.labels.classes),
        "colors": colors,
        "background": info.labels.background,
        "licence": info.licence,
        "commercial_use": info.commercial_use,
    }
