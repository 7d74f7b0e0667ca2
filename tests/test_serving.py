"""The service's answers: those of ``predict``, of uploads alone, and one sentence for everything else."""

from __future__ import annotations

import io
import json
import logging
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Mount
from waiting import eventually

from carseg.errors import OptionError
from carseg.inference import Segmenter
from carseg.serving import Limits, api, create_app, label_studio, pages, x_anylabeling
from carseg.serving.metrics import ROUTES
from carseg.serving.refusal import Refusal
from carseg.serving.uploads import find_uploads

from schemas import validate
from service import Service, load_blocks, png, renamed, running, serving


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return load_blocks(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def service(model: Segmenter) -> Iterator[Service]:
    with running(model, renamed(model, "other"), limits=Limits(pixels=1_000_000, bytes=1_000_000, files=3)) as service:
        yield service


def picture(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def form(content: bytes, name: str = "car.png", field: str = "image") -> dict[str, Any]:
    return {field: (name, content, "image/png")}


SETTINGS = [{}, {"polygons": True}, {"threshold": 0.9}, {"min_area": 0}, {"sides": "raw"}, {"model": "other"}]


@pytest.mark.parametrize("settings", SETTINGS)
def test_an_answer_is_that_of_predict(service: Service, model: Segmenter, settings: dict[str, Any]) -> None:
    content = png()
    answer = service.post("/predict", content, params=settings)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    shown = settings.pop("polygons", False)
    name = settings.pop("model", "blocks")
    result = model.predict(content, **settings)
    assert answer.json() == {**json.loads(result.to_json(polygons=shown)), "model": name}
    validate("result", answer.json())
    assert len(answer.json()["parts"]) == 2


def test_the_first_model_is_asked_unless_another_is_named(service: Service) -> None:
    assert service.post("/predict", png()).json()["model"] == "blocks"
    wrong = service.post("/predict", png(), params={"model": "parts"})  # short for one that is not served
    assert wrong.status_code == 404 and "no model 'fpn-mobilenetv2-carparts'" in wrong.json()["detail"]
    wrong = service.post("/predict", png(), params={"model": "blokcs"})
    assert wrong.status_code == 404 and "did you mean blocks" in wrong.json()["detail"]


@pytest.mark.parametrize(("width", "height"), [(96, 64), (31, 200), (1, 1)])
def test_pictures_are_those_of_a_result(service: Service, model: Segmenter, width: int, height: int) -> None:
    content = png(width, height)
    result = model.predict(content)
    mask = picture(service.post("/predict?save=mask", content).content)
    assert mask.mode == "P" and np.array_equal(np.asarray(mask), result.mask)
    overlay = service.post("/predict?save=overlay", content)
    assert overlay.headers["content-type"] == "image/png" and overlay.headers["x-carseg-model"] == "blocks"
    assert np.array_equal(np.asarray(picture(overlay.content)), np.asarray(result.overlay()))
    plain = picture(service.post("/predict?save=overlay&legend=false", content).content)
    assert plain.size == (width, height)


def test_a_form_gives_the_file_its_name_without_its_folder(service: Service) -> None:
    for sent, kept in {
        "car.png": "car.png",
        "../../etc/passwd": "passwd",
        "C:\\Users\\me\\car.png": "car.png",
        "/": "",
        "a\nb.png": "a\\nb.png",
    }.items():
        answer = service.post("/predict", files=form(png(), sent))
        assert answer.status_code == 200, answer.text
        assert answer.json()["source"] in (kept, kept.replace("\\n", "%0A")), sent


HEADS = [
    b'Content-Disposition: form-data; name="image"; filename="a b.png"\r\nContent-Type: image/png; name="other"',
    b'content-type: image/png\r\ncontent-disposition:form-data;filename="a b.png";name=image',
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("boundary", ["x", '"x"', "x; charset=utf-8"])
def test_forms_are_read_as_they_may_be_written(service: Service, head: bytes, boundary: str) -> None:
    body = b"--x \r\n" + head + b"\r\n\r\n" + png() + b"\r\n--x--\r\n"
    kind = {"Content-Type": f"Multipart/Form-Data; boundary={boundary}"}
    answer = service.post("/predict", body, headers=kind)
    assert answer.status_code == 200 and answer.json()["source"] == "a b.png", answer.text


def test_a_form_may_be_anything() -> None:
    pieces = [b"--x", b"\r\n", b"\r\n\r\n", b"--", *HEADS, b"\0\xff", b"name*0=a; filename*=zz''%ff", b'="', b";", b":"]
    draw = random.Random(0)
    for _ in range(3000):
        body = b"".join(draw.choices(pieces, k=draw.randrange(12)))
        kind = draw.choice(
            ["multipart/form-data; boundary=x", "multipart/form-data; boundary*=zz''%ff", "///", ";;", ""]
        )
        try:
            uploads = find_uploads(b"--x\r\n" + body + b"\r\n--x--", kind, Limits())
        except Refusal as refusal:
            assert 400 <= refusal.status < 500
        else:
            assert all("/" not in upload.name for upload in uploads)


def test_cutouts(service: Service, model: Segmenter) -> None:
    content = png()
    result = model.predict(content)
    for query, expected in {
        "": result.cutout(),
        "?background=white&feather=2": result.cutout("white", feather=2),
        "?background=%231e90ff": result.cutout("#1e90ff"),
        "?shadow=true&size=80x60&margin=10%25": result.cutout(shadow=True, size=(80, 60), margin=0.1),
        "?all=true": result.cutout(all=True),
    }.items():
        answer = service.post(f"/cutout{query}", content)
        assert np.array_equal(np.asarray(picture(answer.content)), np.asarray(expected)), query
    files = form(content) | form(png(20, 10), "sky.png", "background")
    behind = picture(service.post("/cutout", files=files).content)
    assert np.array_equal(np.asarray(behind), np.asarray(result.cutout(picture(png(20, 10)))))


FRAMINGS = [
    ("size=1001x1000", "at most 1000000 pixels"),
    ("size=99999999x99999999", "size must be"),
    ("size=wide", "size must be"),
    ("margin=40%25", "there is no size"),
    ("margin=80%25&size=80x60", "margin must be"),
    ("glass=tint", "glass='tint' needs"),
    ("car=0", "car is '0'"),
    ("car=99", "there is no car 99"),
    ("car=1&all=true", "give only one"),
    ("feather=1e9", "feather is '1e9'"),
]


@pytest.mark.parametrize(("query", "words"), FRAMINGS)
def test_a_framing_that_cannot_be(service: Service, query: str, words: str) -> None:
    answer = service.post(f"/cutout?{query}", png())
    assert answer.status_code == 422 and words in answer.json()["detail"], answer.text


@pytest.mark.parametrize(
    "background", ["/etc/passwd", "http://127.0.0.1:9/a.png", "data:image/png;base64,", "", "a" * 999]
)
def test_a_background_is_a_colour_or_an_upload(service: Service, background: str) -> None:
    answer = service.post("/cutout", png(), params={"background": background})
    assert answer.status_code == 422 and "is not a colour" in answer.json()["detail"]
    assert len(answer.json()["detail"]) < 300


def test_what_is_served_is_said(service: Service, model: Segmenter) -> None:
    document = service.get("/models").json()
    validate("served", document)
    assert [served["name"] for served in document["models"]] == ["blocks", "other"]
    assert document["models"][0]["classes"] == list(model.labels.classes)
    assert document["models"][0]["colors"][0] == "#000000"
    assert service.get("/healthz").text == "ok\n"


TROUBLE = [
    ({"data": b""}, 400, "the body is empty"),
    ({"data": b"hello"}, 422, "not an image"),
    ({"data": png()[:-40]}, 422, "broken or truncated"),
    ({"data": b"<svg/>", "headers": {"Content-Type": "text/html"}}, 415, "text/html"),
    ({"json": {"url": "http://127.0.0.1:9/a.png"}}, 415, "application/json"),
    ({"data": {"url": "file:///etc/passwd"}}, 415, "application/x-www-form-urlencoded"),
    ({"data": b"http://127.0.0.1:9/a.png"}, 422, "not an image"),
    ({"data": b"/etc/passwd"}, 422, "not an image"),
    ({"data": bytes(1_000_001)}, 413, "more than 1000000 bytes"),
    ({"data": iter([bytes(600_000)] * 2)}, 413, "more than 1000000 bytes"),
    ({"data": png(1001, 1000)}, 422, "1001 x 1000 are more than 1000000 pixels"),
    ({"files": {}, "data": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "no boundary"),
    ({"data": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400, "broken or truncated"),
    ({"data": b"--x\r\n\r\n--x--", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400, "no headers"),
    ({"data": b"--x--", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400, "0 images"),
    ({"data": b"--x\r\n" * 9, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 413, "more than 3"),
    ({"files": [("image", png()), ("image", png())]}, 400, "2 images, must have one"),
    ({"files": {"image": png(), "threshold": (None, "0.5")}}, 400, "field 'threshold' is no file"),
    ({"data": png(), "params": {"threshold": 2}}, 422, "threshold is '2'"),
    ({"data": png(), "params": {"min_area": "x"}}, 422, "min_area is 'x'"),
    ({"data": png(), "params": {"save": "json"}}, 422, "save is 'json'"),
    ({"data": png(), "params": {"sides": "left"}}, 422, "sides is 'left'"),
]


@pytest.mark.parametrize(("request_", "status", "words"), TROUBLE)
def test_trouble_is_one_sentence(service: Service, request_: dict[str, Any], status: int, words: str) -> None:
    answer = service.post("/predict", **request_)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["detail"] and words in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]
    assert service.post("/predict", png()).status_code == 200


def test_other_paths_and_methods(service: Service) -> None:
    for path in ("/etc/passwd", "/page/..%2f__init__.py", "/page/../../__init__.py", "/page/api.py", "/page/"):
        answer = service.get(path)
        assert answer.status_code == 404 and "see /docs" in answer.json()["detail"], path
    assert service.get("/predict").status_code == 405


def test_the_log_names_no_file_and_no_address(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "carseg"):
        service.post("/predict", files=form(png(), "private-name.png"))
        service.post("/predict", files=form(b"broken", "private-name.png"))
        service.get("/private-name.png?private-name")
        service.get("/models", headers={"X-Forwarded-For": "192.0.2.7"})
        eventually(lambda: "/models" in caplog.text)
    lines = caplog.messages[-4:]
    assert [line.split()[1:4] for line in lines] == [
        ["POST", "/predict", "200"],
        ["POST", "/predict", "422"],
        ["GET", "other", "404"],
        ["GET", "/models", "200"],
    ]
    assert not [line for line in lines if "private" in line or "127.0.0.1" in line or "192.0.2.7" in line]


def test_metrics_count(service: Service) -> None:
    def count(line: str) -> float:
        text = service.get("/metrics").text
        return next((float(each.split()[-1]) for each in text.splitlines() if each.startswith(line)), 0.0)

    names = ['carseg_requests_total{route="/predict",status="200"}', 'carseg_request_seconds_count{route="/predict"}']
    wrong = 'carseg_requests_total{route="/predict",status="422"}'
    before = [count(name) for name in (*names, wrong)]
    service.post("/predict", png())
    service.post("/predict", b"hello")
    eventually(lambda: [count(name) for name in (*names, wrong)] == [number + 1 for number in before])
    eventually(lambda: count("carseg_requests_active") == 1)  # this one


def test_every_route_has_a_name_for_the_log_and_the_metrics(service: Service) -> None:
    routers = (api.router, pages.router, x_anylabeling.router, label_studio.router)
    paths = {route.path.removesuffix("/{name}") for router in routers for route in router.routes}
    assert {*paths, "/openapi.json", "other"} == {*ROUTES}
    assert service.get("/openapi.json").status_code == 200


def test_every_answer_forbids_what_the_page_does_not_need(service: Service) -> None:
    for path in ("/", "/docs", "/page/main.js", "/models", "/nowhere"):
        headers = service.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers and "access-control-allow-origin" not in headers


def test_no_page_names_an_address_elsewhere(service: Service) -> None:
    folder = Path(__file__).parents[1] / "carseg/serving/page"
    for file in folder.iterdir():
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|[\"'(]//", text), file.name
        assert service.get(f"/page/{file.name}").content == file.read_bytes()
    assert "http" not in service.get("/openapi.json").text


def test_the_key(model: Segmenter) -> None:
    with running(model, api_key="secret") as service:
        for wrong in ("", "secret", "Bearer secre", "Bearer secrets", b"Bearer \xe4"):
            answer = service.post("/predict", png(), headers={"Authorization": wrong})
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        for path in ("/models", "/metrics"):
            assert service.get(path).status_code == 401
        for path in ("/", "/docs", "/page/main.js", "/healthz", "/openapi.json"):
            assert service.get(path).status_code == 200
        assert service.post("/predict", png(), headers={"Authorization": "Bearer secret"}).status_code == 200


def test_it_can_be_a_part_of_another_application(model: Segmenter) -> None:
    outer = Starlette(routes=[Mount("/cars", create_app([model], api_key="secret"))])
    with serving(outer, Limits()) as service:
        assert service.get("/cars/").status_code == 200
        assert service.get("/cars/page/main.js").status_code == 200
        assert service.post("/cars/predict", png()).status_code == 401
        assert service.post("/cars/predict", png(), headers={"Authorization": "Bearer secret"}).status_code == 200


def test_cors_is_for_the_origins_that_were_named(model: Segmenter) -> None:
    with running(model, api_key="secret", cors=["https://example.org"]) as service:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        for origin, allowed in {"https://example.org": "https://example.org", "https://example.com": None}.items():
            headers = {"Origin": origin}
            preflight = service.options("/predict", headers | asked)
            assert preflight.headers.get("access-control-allow-origin") == allowed
            key = {"Authorization": "Bearer secret"}
            answer = service.post("/predict", png(), headers=headers | key)
            assert answer.headers.get("access-control-allow-origin") == allowed


@pytest.mark.parametrize("wrong", [{"places": 0}, {"bytes": -1}, {"seconds": 0}])
def test_wrong_limits(wrong: dict[str, int]) -> None:
    with pytest.raises(OptionError, match=f"limit {next(iter(wrong))} must be above 0"):
        Limits(**wrong)


def test_a_service_needs_a_model(model: Segmenter) -> None:
    with pytest.raises(OptionError, match="needs a model"):
        create_app([])
    with pytest.raises(OptionError, match="two models have the same name"):
        create_app([model, model])
    with pytest.raises(OptionError, match="batch_size"):
        create_app([model], batch_size=0)
