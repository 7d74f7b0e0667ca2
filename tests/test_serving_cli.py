"""``carseg serve`` as a process: where it listens, how it ends, and what it says."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from waiting import eventually

import carseg
import carseg.serving
from carseg._env import given_api_key
from carseg.cli.main import main
from carseg.hub.manifest import ROOT

from documents import with_weights

CAR = ROOT / "examples/car.jpg"
Start = Callable[..., tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a service and returns its process, the leader of a group, and its address."""
    started = []

    def start(*options: str, **variables: str) -> tuple[subprocess.Popen[str], str]:
        plain = ["-m", "parts", "--port", "0", "--runtime", "torch", "--precision", "float32", "--threads", "1"]
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "carseg", "serve", *plain, *options],
                env={**os.environ, "PYTHONPATH": str(ROOT), "CARSEG_CACHE": str(tmp_path), **variables},
                stderr=log,
                text=True,
            )
        started.append(process)
        eventually(lambda: "listening on" in said(tmp_path) or process.poll() is not None)
        found = re.search(r"listening on (http\S+)/,", said(tmp_path))
        assert found, said(tmp_path)
        return process, found[1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def said(folder: Path) -> str:
    return (folder / "log").read_text("utf-8")


def ask(url: str, **how: object) -> requests.Response:
    return requests.post(f"{url}/predict", CAR.read_bytes(), timeout=120, **how)  # type: ignore[arg-type]


@with_weights
def test_it_ends_when_it_is_told_to_with_all_answered(start: Start, tmp_path: Path) -> None:
    process, url = start()
    expected = carseg.load("parts", runtime="torch", precision="float32", threads=1).predict(CAR.read_bytes()).to_json()
    assert ask(url).text == expected
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(ask, url) for _ in range(12)]
        eventually(lambda: active(url) > 3)
        process.send_signal(signal.SIGTERM)
        errors = [answer.exception() for answer in asked]
    assert {type(error) for error in errors} <= {type(None), requests.ConnectionError}  # those that came too late
    answers = [answer.result() for answer, error in zip(asked, errors, strict=True) if error is None]
    assert len(answers) > 2 and {answer.text for answer in answers} == {expected}
    assert process.wait() == 0
    lines = said(tmp_path).splitlines()
    assert sum(bool(re.search(r" POST /predict 200 \d+ ms$", line)) for line in lines) == 1 + len(answers)
    assert "Traceback" not in said(tmp_path) and "leaked" not in said(tmp_path)


def active(url: str) -> int:
    text = requests.get(f"{url}/metrics", timeout=60).text
    return int(re.findall(r"^carseg_requests_active (\d+)", text, re.MULTILINE)[0])


@with_weights
def test_several_workers_count_together_and_one_that_dies_is_replaced(start: Start, tmp_path: Path) -> None:
    process, url = start("--workers", "2", CARSEG_API_KEY="secret")
    key = {"Authorization": "Bearer secret"}
    assert ask(url).status_code == 401
    for _ in range(6):  # a connection each, so that both have some
        assert ask(url, headers=key).status_code == 200

    def answered() -> str:
        return requests.get(f"{url}/metrics", headers=key, timeout=60).text

    eventually(lambda: 'route="/predict",status="200"} 6' in answered())
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if children.exists():
        os.kill(int(children.read_text().split()[-1]), signal.SIGKILL)
        eventually(lambda: "another is started" in said(tmp_path))
    eventually(lambda: ask(url, headers=key).status_code == 200)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 0
    assert "Traceback" not in said(tmp_path) and "leaked" not in said(tmp_path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # uvicorn drops the socket open
@pytest.mark.usefixtures("blocks_hub")
def test_what_cannot_be_served_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "-m", "blocks", "--port", port, "--runtime", "torch"]) == 2
        assert f"cannot listen on 127.0.0.1 port {port}" in capsys.readouterr().err
    assert main(["serve", "-m", "blocks", "--cars", "blocks", "--port", "0"]) == 2
    assert "'blocks' does not find whole cars" in capsys.readouterr().err
    assert main(["serve", "-m", "blokcs"]) == 2
    assert "no model 'blokcs'" in capsys.readouterr().err


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
@pytest.mark.usefixtures("blocks_hub")
def test_an_open_service_without_a_key_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str, warned: bool
) -> None:
    monkeypatch.setattr(carseg.serving, "serve", lambda *_, **__: None)
    assert main(["serve", "-m", "blocks", "--host", host]) == 0
    assert ("CARSEG_API_KEY" in capsys.readouterr().err) == warned
    assert main(["serve", "-m", "blocks", "--host", host, "--api-key", "secret"]) == 0
    assert "CARSEG_API_KEY" not in capsys.readouterr().err


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARSEG_API_KEY", raising=False)
    assert given_api_key() is None
    monkeypatch.setenv("CARSEG_API_KEY", "secret")
    assert given_api_key() == "secret"
