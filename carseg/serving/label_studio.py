"""The requests of a Label Studio ML backend: a project's tasks get the outlines of parts as predictions.

As Label Studio sends them (https://labelstud.io/guide/ml_create): it names the images of the tasks, and a service gets
them from Label Studio itself, or not at all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from carseg.errors import CarsegError, ImageError, OptionError, excerpt
from carseg.hub import read_url, web_address
from carseg.images import is_data_uri, read_data_uri
from carseg.serving.api import answered
from carseg.serving.engine import Engine
from carseg.serving.refusal import Refusal
from carseg.serving.settings import Settings
from carseg.serving.uploads import Upload, read_object

router = APIRouter(prefix="/label-studio", include_in_schema=False)

_log = logging.getLogger("carseg")
_NO_PREDICTION: dict[str, Any] = {"result": []}  # Label Studio wants one for every task


@dataclass(frozen=True)
class LabelStudio:
    """Where the images of tasks come from, and nothing else does.

    Attributes:
        url: the address of Label Studio, as this machine reaches it.
        token: a user's legacy token, with which images are asked for; "" for none.
    """

    url: str
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if web_address(self.url) is None:
            raise OptionError(f"{excerpt(self.url)} is no address of Label Studio: give one, http://127.0.0.1:8080")

    def read(self, image: str) -> bytes:
        """Return the file of a task's image.

        Raises:
            ImageError: the image is neither a data URI nor in Label Studio.
            HubError: Label Studio does not give it.
        """
        if is_data_uri(image):
            return read_data_uri(image)
        address = urljoin(f"{self.url.rstrip('/')}/", image)
        if _origin(address) != _origin(self.url):
            raise ImageError(f"{excerpt(image)} is not in Label Studio, and nothing else is opened: upload it there")
        return read_url(address, {"Authorization": f"Token {self.token}"} if self.token else {})


@dataclass(frozen=True)
class _Control:
    """The tag of a labelling interface that takes polygons.

    Attributes:
        name: what the polygons come from.
        image: the tag of the image that they lie on.
        data: the field of a task that names the image.
        labels: the classes that may be given.
    """

    name: str
    image: str
    data: str
    labels: frozenset[str]


@router.get("/health")
async def health() -> JSONResponse:
    """Return that the service answers."""
    return JSONResponse({"status": "UP", "model_class": "carseg"})


@router.post("/setup")
async def setup(request: Request) -> Response:
    """Return the version of the model, where a project's labelling interface fits it."""
    engine: Engine = request.app.state.engine
    model = engine.model(None)

    def answer(body: bytes) -> Response:
        control = _control(read_object(body).get("schema"))
        if control.labels.isdisjoint(model.labels.classes):
            raise Refusal(
                422,
                f"the labelling interface has none of the classes of {model.name}: name its labels "
                f"{', '.join(name for i, name in enumerate(model.labels.classes) if i != model.labels.background)}",
            )
        return JSONResponse({"model_version": model.name})

    return await answered(engine, request, answer)


@router.post("/predict")
async def predict(request: Request) -> Response:
    """Return a prediction for each task; it is empty, and the log says why, where the image cannot be had."""
    engine: Engine = request.app.state.engine
    studio: LabelStudio = request.app.state.label_studio
    model = engine.model(None)

    def answer(body: bytes) -> Response:
        asked = read_object(body)
        control, tasks = _control(asked.get("label_config")), asked.get("tasks")
        if not isinstance(tasks, list):
            raise Refusal(400, f"tasks is {excerpt(repr(tasks))}, not a list")
        results = [_prediction(engine, studio, control, task) for task in tasks]
        return JSONResponse({"results": results, "model_version": model.name})

    return await answered(engine, request, answer)


def _prediction(engine: Engine, studio: LabelStudio, control: _Control, task: Any) -> dict[str, Any]:
    """Return the prediction for a task, in the terms of its project."""
    try:
        image = task["data"][control.data]
        if not isinstance(image, str):
            raise TypeError
        result = engine.segment(Upload("", "", studio.read(image)), Settings(), engine.model(None))
    except (CarsegError, LookupError, TypeError) as error:
        reason = error if isinstance(error, CarsegError) else f"its data has no text {control.data!r}"
        number = excerpt(repr(task.get("id") if isinstance(task, Mapping) else task))
        _log.warning(f"the task {number} of Label Studio gets no prediction: {reason}")
        return _NO_PREDICTION
    [prediction] = result.to_label_studio()["predictions"]
    names = {"from_name": control.name, "to_name": control.image}
    shapes = [
        {**shape, **names} for shape in prediction["result"] if set(shape["value"]["polygonlabels"]) <= control.labels
    ]
    return {**prediction, "result": shapes}


def _control(config: Any) -> _Control:
    """Return what takes polygons in a labelling interface.

    Raises:
        Refusal: nothing does.
    """
    wanted = "PolygonLabels on an Image are needed, as `carseg label --to label-studio` writes them"
    try:
        root = ElementTree.fromstring(config)
    except (ElementTree.ParseError, TypeError, ValueError):
        raise Refusal(422, f"the labelling interface is no XML: {wanted}") from None
    images = {tag.get("name"): tag.get("value") or "" for tag in root.iter("Image")}
    for tag in root.iter("PolygonLabels"):
        value = images.get(tag.get("toName"), "")
        if value.startswith("$"):
            labels = frozenset(label.get("value") or "" for label in tag.iter("Label"))
            return _Control(tag.get("name") or "", tag.get("toName") or "", value[1:], labels)
    raise Refusal(422, f"the labelling interface takes no polygons: {wanted}")


def _origin(address: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(address)
        return parts.scheme.lower(), parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower())
    except ValueError:  # no address, such as one with a port that is no number
        return "", None, None
