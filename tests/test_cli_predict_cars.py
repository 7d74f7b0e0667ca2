"""``carseg predict``: the cars of an image, a second model for whole cars, the view and the sides."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carseg.cli.main import main
from carseg.inference import Segmenter
from carseg.labels import CARPARTS, CARVANA

from drawn_car import drawn, logits_of, swapped
from entries import info_of
from schemas import validate

MASK = swapped(drawn("front-left"), "front_left_light", "front_right_light")


class Network:
    """A runtime that finds what it is given in every image."""

    name, precision, device, batch_size = "fixed", "float32", "cpu", 1

    def __init__(self, logits: np.ndarray) -> None:
        self.logits = logits

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return np.stack([self.logits] * len(batch))


@pytest.fixture(autouse=True)
def networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str | None]:
    """Work in an empty folder with an image, where every model finds the same; return what second ones were loaded."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", MASK.shape[::-1]).save("img.png")
    asked: list[str | None] = []
    first = replace(info_of(), metrics=(), labels=CARPARTS, input=replace(info_of().input, size=MASK.shape))
    second = replace(first, labels=CARVANA, name="whole", sha256="1" * 64)

    def load(*_: object, cars: str | None = None, **__: object) -> Segmenter:
        asked.append(cars)
        found = np.stack([np.zeros(MASK.shape, np.float32), 20 * (MASK > 0).astype(np.float32) - 10])
        other = None if cars is None else Segmenter(second, Network(found))
        return Segmenter(first, Network(logits_of(MASK, 1)), other)

    monkeypatch.setattr("carseg.inference.load", load)
    monkeypatch.setattr("carseg.cli.options.resolve_with_progress", lambda *_, **__: None)
    monkeypatch.setattr("carseg.cli.process.prepare", lambda: None)
    return asked


def predict(*arguments: str) -> int:
    return main(["predict", "img.png", *arguments])


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert predict("--save", "", "--format", "json", *arguments) == 0
    document = json.loads(capsys.readouterr().out)
    validate("result", document)
    return document


def test_json_says_the_view_and_the_cars(capsys):
    document = printed(capsys)
    assert document["view"]["name"] == "front-left" and 0 < document["view"]["confidence"] <= 1
    assert document["cars"] and all(car["body"] is None for car in document["cars"])


def test_sides(capsys):
    """The drawn car's left light is labelled as a right one, of which the network is hardly sure."""
    raw, consistent = printed(capsys, "--sides", "raw"), printed(capsys, "--sides", "consistent")
    assert "front_left_light" not in {part["name"] for part in raw["parts"]}
    assert "front_left_light" in {part["name"] for part in consistent["parts"]}
    assert printed(capsys)["parts"] == consistent["parts"]
    assert predict("--sides", "Raw") == 2
    assert "sides must be 'consistent' or 'raw', got 'Raw'" in capsys.readouterr().err


def test_a_second_model(capsys, networks):
    document = printed(capsys, "--cars", "car")
    assert networks == ["car"]
    assert all(car["body"]["area_px"] >= 0 for car in document["cars"])
    assert predict("--save", "", "--cars", "car") == 0
    out = capsys.readouterr().out
    assert re.search(r"^car +share +no part +x +y +width +height +view *$", out, re.MULTILINE)
    assert re.search(r"^car 1 +\d", out, re.MULTILINE)


def test_files_of_another_second_model_are_not_taken_for_the_same(capsys):
    for arguments, done in (((), 1), ((), 0), (("--cars", "car"), 1), (("--cars", "car"), 0), ((), 1)):
        assert predict("--save", "json", "--skip-existing", *arguments) == 0
        assert f"{done} of {done} done" in capsys.readouterr().err
