"""What must not be seen, passwords and queries of addresses, and what must not act: control characters and formulas."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import carseg
from carseg.benchmarking.rows import KEYS
from carseg.benchmarking.tables import format_rows
from carseg.cli.main import main
from carseg.errors import CarsegError, HubError, ImageError, ImageNotFoundError, OptionError, UnknownNameError
from carseg.hub.card import hub_card, model_card
from carseg.hub.manifest import ROOT, write_config
from carseg.hub.publish import publish
from carseg.hub.resolve import find_info
from carseg.inference.result import Result
from carseg.labels import CARVANA, label_set

from color_hub import photo
from entries import info_of
from predicting import predict, written
from server import Server

SECRETS = ("hunter2", "sesame", "s3cret")


def with_secrets(url: str, path: str) -> str:
    """Return an address with a password, a query and a fragment."""
    return f"{url.replace('://', '://me:hunter2@')}{path}?token=sesame opener&sig=a/b#s3cret"


def safe(text: str) -> bool:
    """Return whether a text has none of the secrets, nor what follows a blank in one."""
    return not any(secret in text for secret in (*SECRETS, "opener", "sig="))


@pytest.mark.parametrize("kind", [HubError, ImageNotFoundError, OptionError, UnknownNameError, CarsegError])
def test_an_error_has_neither_secrets_nor_controls_however_it_is_shown(kind: type[CarsegError]) -> None:
    error = kind("hub https://me:hunter2@example.org/w/x?token=sesame#s3cret: \x1b[2J\x9b1m\u202e404\r\nNot Found")
    for text in (str(error), repr(error), str(pickle.loads(pickle.dumps(error)))):
        assert safe(text)
        assert text.isprintable()
        assert "https://***@example.org/w/x?***: " in text
        assert "404" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hf://me/cars@0123: no", "hf://me/cars@0123: no"),
        ("must be https://... (or http://), of a folder", "must be https://... (or http://), of a folder"),
        ("HTTP://me:pass/word@h/x", "HTTP://***@h/x"),
        ("ssh://key@h/x;", "ssh://***@h/x;"),
        ("http://me:p@ss@h:80/@x (a?b)", "http://***@h:80/@x (a?b)"),
        ("'https://h/a?b=c', then http://i/d?e", "'https://h/a?***', then http://i/d?***"),
    ],
)
def test_of_an_address_the_rest_is_shown(text: str, shown: str) -> None:
    assert str(OptionError(text)) == shown


@pytest.mark.usefixtures("blocks_hub")
class TestImages:
    def test_missing_and_broken_ones_and_results(
        self, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server.files["/car.png?token=sesame%20opener&sig=a/b"] = photo(tmp_path / "car.png").read_bytes()
        server.files["/bad.png?token=sesame%20opener&sig=a/b"] = b"no image"
        names = ("/car.png", "/bad.png", "/none.png")
        addresses = [with_secrets(server.url, name) for name in names]
        strange = ["http://me:hunter2@[bad/x?token=sesame", "http://me:hunter2@ho\u2100st/x?token=sesame"]
        assert predict(*addresses, *strange, "--save", "json,mask", "--format", "json", "--out", "out") == 1
        out, err = capsys.readouterr()
        assert safe(out + err)
        assert err.count("error") == 4
        host = server.url.removeprefix("http://")
        assert json.loads(out)["source"] == f"http://***@{host}/car.png?***"
        assert written("out") == ["car.json", "car.mask.png"]
        assert safe(Path("out/car.json").read_text())

    def test_two_of_the_same_name(self, server: Server, tmp_path: Path) -> None:
        for name in ("/a/car.png", "/b/car.png"):
            server.files[name] = photo(tmp_path / "car.png").read_bytes()
        both = [f"{server.url.replace('://', '://me:hunter2@')}{name}" for name in ("/a/car.png", "/b/car.png")]
        assert predict(*both, "--save", "mask", "--out", "out") == 0
        assert len(written("out")) == 2
        assert safe(" ".join(written("out")))

    def test_debug(self) -> None:
        arguments = ["--debug", "info", "nobody", "--hub", with_secrets("http://127.0.0.1:9", "/none")]
        code = f"import sys; from carseg.cli import entry; sys.argv[1:] = {arguments!r}; entry()"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "HubError" in done.stderr
        assert safe(done.stdout + done.stderr)


@pytest.mark.usefixtures("own_cache")
class TestHubs:
    def test_a_model_that_a_hub_lacks(self, server: Server) -> None:
        with pytest.raises(UnknownNameError, match=r"no model 'nobody' at http://\*\*\*@") as caught:
            find_info("nobody", server.url.replace("://", "://me:hunter2@"))
        assert safe(str(caught.value))

    @pytest.mark.parametrize("secret", ["https://me:hunter2@h/w", "https://h/{asset}?token=sesame"])
    def test_a_secret_does_not_get_into_the_manifest(self, tmp_path: Path, secret: str) -> None:
        with pytest.raises(OptionError, match="the manifest is public") as caught:
            publish(str(tmp_path / "hub"), address=secret, manifest=tmp_path / "manifest.json")
        assert safe(str(caught.value))
        assert list(tmp_path.iterdir()) == []

    def test_what_a_config_says_does_not_act_on_a_terminal(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        evil = "\x1b]0;pwned\x07\x9b2J\r\u202eMIT\nsha256          0"
        labels = label_set(evil, ("background", evil))
        info = replace(info_of(), labels=labels, licence=evil, made_by=evil, metrics=())
        (tmp_path / "hub/my-unet").mkdir(parents=True)
        write_config(tmp_path / "hub/my-unet/config.json", info)
        for form in ("table", "json"):
            assert main(["info", "my-unet", "--hub", str(tmp_path / "hub"), "--format", form]) == 0
            out = capsys.readouterr().out
            assert all(line.isprintable() for line in out.splitlines())
            assert out.count("\nsha256  ") == (form == "table")


class TestDocuments:
    def test_json_has_no_nan(self) -> None:
        mask = np.array([[0, 1]], np.uint8)
        result = Result(mask, CARVANA, np.zeros((1, 2, 3), np.uint8), scores={0: float("nan"), 1: float("inf")})
        assert json.loads(result.to_json(), parse_constant=pytest.fail)["parts"][0]["score"] is None
        assert result.to_coco()["annotations"][0].get("score") is None

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\uff1d1"])
    def test_a_cell_of_csv_is_no_formula(self, text: str) -> None:
        row: dict[str, Any] = dict.fromkeys(KEYS) | {"model": text, "error": text, "miou": -0.5, "miou_ci": [-1, 0]}
        [read] = csv.DictReader(io.StringIO(format_rows([row], "csv"), newline=""))
        assert read["model"] == read["error"] == f"'{text}"
        assert float(read["miou"]) == -0.5

    @pytest.mark.parametrize("text", ["\t=1", "\r=1", "\n=1", 'a\r"b,\n=1'])
    def test_nor_do_control_characters_end_one(self, text: str) -> None:
        row: dict[str, Any] = dict.fromkeys(KEYS) | {"model": "x", "error": text}
        [read] = csv.DictReader(io.StringIO(format_rows([row], "csv"), newline=""))
        assert read["error"] == text.encode("unicode_escape").decode()

    def test_cards_show_what_was_given(self) -> None:
        evil = "a|b<script>[x](javascript:y)`c`\n| d |"
        labels = label_set(evil, ("background", evil))
        info = replace(info_of(), labels=labels, licence=evil, architecture=evil, paper=evil, recipe=evil, metrics=())
        plain = replace(info_of(), labels=label_set("x", ("background", "y")), metrics=())
        for card, other in ((model_card(info), model_card(plain)), (hub_card([info]), hub_card([plain]))):
            body = card.split("---\n", 2)[2]
            assert "<script>" not in body
            assert "[x](" not in body.replace("\\[x\\](", "")
            assert len(card.splitlines()) == len(other.splitlines())
            assert "a\\|b" in body


def test_a_file_name_in_an_error_is_one_line(tmp_path: Path) -> None:
    name = "car\x1b[31m\ncarseg: error: nothing.png"
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ImageError) as caught:
        carseg.images.decode(tmp_path / name)
    assert str(caught.value).isprintable()
