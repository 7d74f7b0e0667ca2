"""Every JSON document that carseg writes has a version, and is what its schema in docs/schemas says."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError

import carseg.data
from carseg.benchmarking import rows
from carseg.benchmarking.rows import KEYS, compare_rows, read_rows
from carseg.cli.main import main
from carseg.data.check import SCHEMA as FINDINGS
from carseg.hub.manifest import ROOT, load_manifest, read_config
from carseg.hub.model_info import MODEL_SCHEMA
from carseg.inference.result import SCHEMA as RESULT
from carseg.inference.result import Result
from carseg.labels import CARVANA
from carseg.runtimes import calibration
from carseg.serving.api import MODELS_SCHEMA
from carseg.training import run_folder
from carseg.training.config import TrainingConfig
from carseg.training.run_folder import RunStart, read_start
from carseg.workflows import car_report

from color_hub import photo
from documents import DOCS
from drawn_data import index_folder
from predicting import predict
from schemas import SCHEMAS, validate

VERSIONS = {
    "result": RESULT,
    "findings": FINDINGS,
    "model": MODEL_SCHEMA,
    "served": MODELS_SCHEMA,
    "row": rows.SCHEMA,
    "difference": rows.SCHEMA,
    "scores": rows.SCHEMA,
    "calibration": calibration.SCHEMA,
    "run": run_folder.SCHEMA,
    "report": car_report.SCHEMA,
}


def test_every_document_has_a_version_and_a_place_in_the_reference() -> None:
    page = (DOCS / "reference/documents.md").read_text("utf-8")
    assert {*SCHEMAS} == {*VERSIONS}
    for name, schema in SCHEMAS.items():
        Draft202012Validator.check_schema(schema)
        assert schema["properties"]["schema"]["const"] == VERSIONS[name]
        assert "schema" in schema["required"]
        assert f"(../schemas/{name}.schema.json)" in page


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_refuses_what_is_none_of_it(name: str) -> None:
    for document in ({}, [], {"schema": 1}, {"schema": 2, "model": "m"}):
        with pytest.raises(ValidationError):
            validate(name, document)


@pytest.mark.usefixtures("blocks_hub")
def test_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo(tmp_path / "car.png")
    assert predict("car.png", "--save", "json,mask", "--format", "json", "--out", "out") == 0
    printed, written = json.loads(capsys.readouterr().out), json.loads(Path("out/car.json").read_text("utf-8"))
    validate("result", printed)
    validate("result", written)
    assert printed["parts"] and printed.pop("files") and written.pop("made_from")
    assert printed == written
    mask = np.zeros((9, 9), np.uint8)
    mask[2:5, 2:5] = 1
    validate("result", json.loads(Result(mask, CARVANA, np.zeros((9, 9, 3), np.uint8)).to_json(polygons=True)))


@pytest.mark.parametrize("broken", [False, True])
def test_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: bool) -> None:
    for split in ("train", "val"):
        index_folder(tmp_path / split, ["a", "b"])
    if broken:
        (tmp_path / "val/images/a.png").write_bytes(b"")
    assert main(["data", "check", str(tmp_path), "--format", "json"]) == 1  # the splits show the same images
    found = json.loads(capsys.readouterr().out)
    validate("findings", found)
    assert found["problems"] and not found["ok"]
    validate("findings", json.loads(json.dumps(carseg.data.check(tmp_path / "train").to_dict())))


def test_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--format", "json"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for model in printed:
        validate("model", model)
    known = load_manifest().models
    assert {model["name"] for model in printed} == {*known}
    name = next(iter(known))
    assert main(["info", name, "--format", "json"]) == 0
    text = capsys.readouterr().out
    validate("model", json.loads(text))
    (tmp_path / "config.json").write_text(text)  # what is printed is a hub's config.json
    assert read_config(tmp_path / "config.json") == known[name]
    for file in sorted((ROOT / "weights").glob("*/config.json")):
        validate("model", {"schema": MODEL_SCHEMA, **json.loads(file.read_text("utf-8"))})


def test_rows_of_every_version() -> None:
    read = read_rows(ROOT / "benchmarks/zoo.jsonl")  # written before rows had a version
    scored: dict[str, Any] = {**read[0], "miou": 0.5, "miou_ci": [0.4, 0.6], "per_class": {"car": 0.5, "road": None}}
    for row in (*read, scored):
        validate("row", row)
        assert sorted(row) == sorted(KEYS)
    assert list(SCHEMAS["row"]["properties"]) and {*SCHEMAS["row"]["properties"]} == {*KEYS}
    differences = compare_rows([scored], [*read, scored])
    assert {each["figure"] for each in differences} >= {"miou", "ms_p50"}
    for difference in differences:
        validate("difference", json.loads(json.dumps(difference)))


def test_the_start_of_a_run(tmp_path: Path) -> None:
    start = RunStart("m", TrainingConfig(size=(32, 32)), None, {"a": "b"}, ("a",), 3, 1)
    start.write(tmp_path)
    written = json.loads((tmp_path / "run.json").read_text("utf-8"))
    validate("run", written)
    assert read_start(tmp_path) == start
    del written["schema"]  # as it was before there were versions
    (tmp_path / "run.json").write_text(json.dumps(written))
    assert read_start(tmp_path) == start


def test_calibrations(tmp_path: Path) -> None:
    made = calibration.Calibration(calibration.SCHEMA, "0" * 64, 2, "by hand", {"a": (0.0, 1.0)})
    validate("calibration", json.loads(made.save(tmp_path / "c.json").read_text("utf-8")))
    assert asdict(made)["schema"] == 1
