"""The service's report on a car's photographs: that of ``carseg.report``, of uploads alone."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import carseg
from carseg.inference import Segmenter
from carseg.serving import Limits

from drawn_photos import MODEL, photo, write_hub
from schemas import validate
from service import Service, png, running


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Segmenter]:
    hub = write_hub(tmp_path_factory.mktemp("hub"))
    return [
        carseg.load(name, hub=hub, runtime="torch", precision="float32", device="cpu") for name in (MODEL, "blocks")
    ]


@pytest.fixture(scope="module")
def service(models: list[Segmenter]) -> Iterator[Service]:
    with running(*models, limits=Limits(files=4)) as service:
        yield service


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return [photo(tmp_path / f"{view}.png", view) for view in ("front-left", "rear-right")]


def files(*given: tuple[str, bytes]) -> Any:
    return [("image", (name, content)) for name, content in given]


def test_a_report_is_that_of_the_workflow(service: Service, models: list[Segmenter], photos: list[Path]) -> None:
    answer = service.post("/report?require=front,wheel:4", files=files(*((p.name, p.read_bytes()) for p in photos)))
    assert answer.status_code == 200, answer.text
    document = answer.json()
    validate("report", document)
    expected = json.loads(json.dumps(carseg.report(photos, model=models[0], require="front,wheel:4").to_dict()))
    crops = [entry["best"].pop("crop") for entry in (*document["parts"], *document["wheels"]) if entry["best"]]
    for entry in (*expected["parts"], *expected["wheels"]):
        if entry["best"]:
            del entry["best"]["crop"]
    for seen, path in zip(expected["photos"], photos, strict=True):
        seen["source"] = path.name
    assert document == expected
    assert document["missing"] == [] and document["photos"][0]["view"]["name"] == "front-left"
    for crop in crops:
        head, content = crop.split(",")
        assert head == "data:image/jpeg;base64"
        assert Image.open(io.BytesIO(base64.b64decode(content))).format == "JPEG"


def test_a_photo_that_is_none_is_named_and_the_others_are_reported(service: Service, photos: list[Path]) -> None:
    given = files(("notes.png", b"no image"), (photos[0].name, photos[0].read_bytes()))
    document = service.post("/report", files=given).json()
    assert len(document["photos"]) == 1 and not document["ok"]
    assert [failure["error"].split(":")[0] for failure in document["failed"]] == ["notes.png"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("?require=frnt", 422, "did you mean front"),
        ("?require=wheel:9", 422, "can never be met"),
        ("?model=none", 404, "no model 'none'"),
    ],
)
def test_wrong_settings(service: Service, photos: list[Path], query: str, status: int, words: str) -> None:
    answer = service.post(f"/report{query}", files=files(("a.png", photos[0].read_bytes())))
    assert answer.status_code == status and words in answer.json()["detail"]


def test_too_many_photos(service: Service) -> None:
    answer = service.post("/report", files=files(*[("a.png", png())] * 5))
    assert answer.status_code == 413 and "more than 4 files" in answer.json()["detail"]
