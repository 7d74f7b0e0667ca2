"""The requests of X-AnyLabeling-Server: X-AnyLabeling's "Remote-Server" labels images with the models of a service.

As X-AnyLabeling 4 sends them (https://github.com/CVHub520/X-AnyLabeling-Server): an image as a data URI in JSON, and
polygons as labelme has them back.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from carseg.errors import excerpt
from carseg.images import is_data_uri, read_data_uri
from carseg.inference import Result, Segmenter
from carseg.serving.api import answered
from carseg.serving.engine import Engine
from carseg.serving.refusal import Refusal
from carseg.serving.settings import Settings
from carseg.serving.uploads import Upload, read_object

router = APIRouter(include_in_schema=False)

# What X-AnyLabeling shows beside the image: a button, the least score, whether earlier shapes stay.
_WIDGETS = (
    {"name": "button_run", "value": None},
    {"name": "input_conf", "value": None},
    {"name": "edit_conf", "value": 0.0},
    {"name": "toggle_preserve_existing_annotations", "value": False},
)


@router.get("/v1/models")
async def models(request: Request) -> JSONResponse:
    """Return the models that are served, by name."""
    engine: Engine = request.app.state.engine
    return _success({name: _described(model) for name, model in engine.models.items()})


@router.post("/v1/predict")
async def predict(request: Request) -> Response:
    """Return the parts of an image as polygons."""
    engine: Engine = request.app.state.engine

    def answer(body: bytes) -> Response:
        asked = read_object(body)
        image, params, name = asked.get("image"), asked.get("params") or {}, asked.get("model")
        if not is_data_uri(image):
            raise Refusal(400, f"image is {excerpt(repr(image))}, not a data URI: send data:image/jpeg;base64,...")
        if not (isinstance(params, dict) and (name is None or isinstance(name, str))):
            raise Refusal(400, "params must be an object, and model the name of one of GET /v1/models")
        result = engine.segment(Upload("", "", read_data_uri(image)), Settings(), engine.model(name))
        return _success({"shapes": _shapes(result, params), "description": "", "replace": None})

    return await answered(engine, request, answer)


def _success(data: dict[str, Any]) -> JSONResponse:
    return JSONResponse({"success": True, "data": data})


def _described(model: Segmenter) -> dict[str, Any]:
    classes = [name for label, name in enumerate(model.labels.classes) if label != model.labels.background]
    return {
        "display_name": f"carseg {model.name}",
        "batch_processing_mode": "default",
        "classes": classes,
        "widgets": list(_WIDGETS),
        "params": {},
        "capabilities": {},
    }


def _shapes(result: Result, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the polygons that were asked for: of some classes, or of a score and above."""
    least, wanted = params.get("conf_threshold") or 0, params.get("filter_classes") or result.labels.classes
    if not (isinstance(least, int | float) and isinstance(wanted, list | tuple)):
        raise Refusal(400, "conf_threshold must be a number, and filter_classes a list of names")
    return [
        {key: shape[key] for key in ("label", "shape_type", "points", "score")}
        for shape in result.to_labelme()["shapes"]
        if shape["label"] in wanted and shape["score"] >= least
    ]
