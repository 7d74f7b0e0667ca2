"""Annotation tools that ask carseg: Label Studio and X-AnyLabeling over HTTP, CVAT as a function."""

from __future__ import annotations

import base64
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from carseg.errors import MissingExtraError, OptionError
from carseg.inference import Segmenter
from carseg.serving import LabelStudio, Limits
from carseg.workflows.cvat import AutoAnnotation, create

from color_hub import blocks
from server import Server
from service import Service, load_blocks, png, running

pytest.importorskip("shapely", reason="pip install 'carseg[label]' for outlines")

CONFIG = """<View>
  <Header value="Parts"/>
  <Image name="photo" value="$picture"/>
  <PolygonLabels name="parts" toName="photo"><Label value="{}"/></PolygonLabels>
</View>"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return load_blocks(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def found(model: Segmenter) -> list[dict[str, Any]]:
    """Return the outlines that every tool has to get."""
    shapes: list[dict[str, Any]] = model.predict(png()).to_labelme()["shapes"]
    assert len({shape["label"] for shape in shapes}) > 1
    return shapes


@pytest.fixture(scope="module")
def studio() -> Iterator[Server]:
    """A Label Studio as far as images go."""
    with Server() as server:
        server.files["/data/upload/1/car.png"] = png()
        server.files["/data/upload/1/note.txt"] = b"no image"
        yield server


@pytest.fixture(scope="module")
def service(model: Segmenter, studio: Server) -> Iterator[Service]:
    with running(model, label_studio=LabelStudio(studio.url, "tok")) as started:
        yield started


def data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def test_x_anylabeling_lists_the_models(service: Service, model: Segmenter) -> None:
    answer = service.get("/v1/models").json()
    assert answer["success"]
    described = answer["data"][model.name]
    assert described["classes"] == [name for i, name in enumerate(model.labels.classes) if i != 0]
    assert {"name": "button_run", "value": None} in described["widgets"]


def test_x_anylabeling_gets_polygons(service: Service, model: Segmenter, found: list[dict[str, Any]]) -> None:
    asked: dict[str, Any] = {"model": model.name, "image": data_uri(png()), "params": {"iou_threshold": 0.5}}
    shapes = service.post("/v1/predict", json=asked).json()["data"]["shapes"]
    assert [(shape["label"], shape["points"]) for shape in shapes] == [(s["label"], s["points"]) for s in found]
    assert all(shape["shape_type"] == "polygon" and 0 <= shape["score"] <= 1 for shape in shapes)
    asked["params"] = {"filter_classes": [found[0]["label"]]}
    some = service.post("/v1/predict", json=asked).json()["data"]["shapes"]
    assert {shape["label"] for shape in some} == {found[0]["label"]}
    asked["params"] = {"conf_threshold": 1.01}
    assert service.post("/v1/predict", json=asked).json()["data"]["shapes"] == []


WRONG: list[tuple[Any, int, str]] = [
    ({"image": "car.png"}, 400, "not a data URI"),
    ({"image": "/etc/passwd"}, 400, "not a data URI"),
    ({"image": "http://127.0.0.1/car.png"}, 400, "not a data URI"),
    ({"image": data_uri(b"text")}, 422, "image"),
    ({"image": data_uri(png()), "model": "nobody"}, 404, "nobody"),
    ({"image": data_uri(png()), "model": 7}, 400, "model the name"),
    ({"image": data_uri(png()), "params": {"conf_threshold": "x"}}, 400, "conf_threshold must be a number"),
    ([], 400, "no JSON object"),
]


@pytest.mark.parametrize(("asked", "status", "words"), WRONG)
def test_what_x_anylabeling_never_sends(service: Service, asked: Any, status: int, words: str) -> None:
    answer = service.post("/v1/predict", json=asked)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_the_key_is_taken_as_the_tools_show_it(model: Segmenter, studio: Server) -> None:
    with running(model, api_key="secret", label_studio=LabelStudio(studio.url)) as service:
        for path in ("/v1/models", "/label-studio/health"):
            assert service.get(path).status_code == 401
            assert service.get(path, headers={"Token": "other"}).status_code == 401
            assert service.get(path, auth=("anybody", "other")).status_code == 401
            assert service.get(path, headers={"Authorization": "Basic ?"}).status_code == 401
        assert service.get("/v1/models", headers={"Token": "secret"}).status_code == 200
        assert service.get("/label-studio/health", auth=("anybody", "secret")).json()["status"] == "UP"


def test_label_studio_connects(service: Service, model: Segmenter) -> None:
    assert service.get("/label-studio/health").json()["status"] == "UP"
    asked = {"project": "1.2", "schema": CONFIG.format(model.labels.classes[1]), "hostname": "http://elsewhere"}
    assert service.post("/label-studio/setup", json=asked).json() == {"model_version": model.name}
    for schema, words in (
        (CONFIG.format("cat"), "none of the classes"),
        ("<View><Text name='t' value='$t'/></View>", "takes no polygons"),
        ("{}", "is no XML"),
        (None, "is no XML"),
    ):
        answer = service.post("/label-studio/setup", json={"schema": schema})
        assert answer.status_code == 422 and words in answer.json()["detail"]


def test_label_studio_gets_predictions(service: Service, studio: Server, found: list[dict[str, Any]]) -> None:
    wanted = found[0]["label"]
    tasks = [{"id": 1, "data": {"picture": "/data/upload/1/car.png"}}, {"id": 2, "data": {"picture": data_uri(png())}}]
    asked = {"tasks": tasks, "label_config": CONFIG.format(wanted), "project": "1.2", "params": {"context": None}}
    first, second = service.post("/label-studio/predict", json=asked).json()["results"]
    assert first == second
    assert first["model_version"] and 0 <= first["score"] <= 1
    for shape, expected in zip(first["result"], [shape for shape in found if shape["label"] == wanted], strict=True):
        assert (shape["from_name"], shape["to_name"], shape["type"]) == ("parts", "photo", "polygonlabels")
        assert shape["value"]["polygonlabels"] == [wanted]
        corners = [[x * 96 / 100, y * 64 / 100] for x, y in shape["value"]["points"]]
        np.testing.assert_allclose(corners, expected["points"])


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("http://127.0.0.1:9/car.png", "nothing else is opened"),
        ("//elsewhere/car.png", "nothing else is opened"),
        ("file:///etc/passwd", "nothing else is opened"),
        ("/data/upload/1/missing.png", "404"),
        ("/data/upload/1/note.txt", "image"),
        (7, "no text 'picture'"),
        (None, "no text 'picture'"),
    ],
)
def test_a_task_without_an_image_is_named(
    service: Service, image: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = [{"id": 31, "data": {"picture": image}}, {"id": 32, "data": {"picture": data_uri(png())}}]
    asked = {"tasks": tasks, "label_config": CONFIG.format("left")}
    with caplog.at_level(logging.WARNING, "carseg"):
        bad, good = service.post("/label-studio/predict", json=asked).json()["results"]
    assert bad == {"result": []}
    assert "model_version" in good
    assert "the task 31 of Label Studio gets no prediction" in caplog.text and words in caplog.text


def test_the_token_goes_to_label_studio_alone(model: Segmenter) -> None:
    shown: list[str] = []

    class Asked(Server):
        @property
        def handler(self) -> Any:
            class Handler(super().handler):  # type: ignore[misc]
                def do_GET(self) -> None:
                    shown.append(self.headers.get("Authorization", ""))
                    super().do_GET()

            return Handler

    with Asked() as server:
        server.files["/car.png"] = png()
        assert LabelStudio(server.url, "tok").read("/car.png") == png()
        assert LabelStudio(server.url).read(f"{server.url}/car.png") == png()
    assert shown == ["Token tok", ""]
    assert "tok" not in repr(LabelStudio(server.url, "tok"))
    with pytest.raises(OptionError, match="is no address of Label Studio"):
        LabelStudio("localhost:8080")


def test_without_label_studio_there_is_no_backend(model: Segmenter) -> None:
    with running(model, limits=Limits()) as service:
        assert service.get("/label-studio/health").status_code == 404
        assert service.post("/label-studio/predict", json={}).status_code == 404


@pytest.fixture
def cvat_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The three names of cvat-sdk that a function is made with, where the package is not installed."""
    package, module = ModuleType("cvat_sdk"), ModuleType("cvat_sdk.auto_annotation")
    module.label_spec = lambda name, id, **fields: SimpleNamespace(name=name, id=id, **fields)  # type: ignore[attr-defined]
    module.DetectionFunctionSpec = lambda *, labels: SimpleNamespace(labels=labels)  # type: ignore[attr-defined]
    module.polygon = lambda label_id, points, **fields: SimpleNamespace(  # type: ignore[attr-defined]
        label_id=label_id, points=points, **fields
    )
    package.auto_annotation = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cvat_sdk", package)
    monkeypatch.setitem(sys.modules, "cvat_sdk.auto_annotation", module)


def test_cvat_gets_polygons(cvat_sdk: None, model: Segmenter, found: list[dict[str, Any]]) -> None:
    function = AutoAnnotation(model)
    names = {label.id: label.name for label in function.spec.labels}
    assert list(names.values()) == [name for i, name in enumerate(model.labels.classes) if i != 0]
    context = SimpleNamespace(frame_name="car.png", conf_threshold=None, conv_mask_to_poly=False)
    shapes = function.detect(context, blocks(96, 64))
    assert [names[shape.label_id] for shape in shapes] == [shape["label"] for shape in found]
    assert shapes[0].points == [side for corner in found[0]["points"] for side in corner]
    assert all(0 <= shape.score <= 1 for shape in shapes)
    context.conf_threshold = 1.01
    assert function.detect(context, blocks(96, 64)) == []


def test_cvat_makes_the_function_by_name(cvat_sdk: None, tmp_path: Path) -> None:
    load_blocks(tmp_path)
    assert create("blocks", hub=str(tmp_path)).spec.labels


def test_cvat_needs_its_package(model: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cvat_sdk", None)
    with pytest.raises(MissingExtraError, match="pip install cvat-sdk"):
        AutoAnnotation(model)
