"""A service with more to do than it can, and with clients that do not behave."""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import requests
from waiting import eventually

from benchmarks.serving import load
from carseg.inference import Segmenter
from carseg.serving import Limits, run

from service import Service, load_blocks, png, running

HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


class Gated(Segmenter):
    """A network that computes only while its gate is open.

    Attributes:
        gate: what it waits for.
        sizes: of the batches that it was given.
        most: images that it has the memory for.
    """

    def __init__(self, model: Segmenter, most: int = 100) -> None:
        super().__init__(model.info, model.runtime)
        self.gate = threading.Event()
        self.sizes: list[int] = []
        self.most = most

    def forward(self, batch: Any) -> Any:
        self.sizes.append(len(batch))
        assert self.gate.wait(60)
        if len(batch) > self.most:
            raise MemoryError
        return super().forward(batch)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return load_blocks(tmp_path_factory.mktemp("hub"))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


@pytest.fixture
def ask(pool: ThreadPoolExecutor) -> Callable[..., Future[requests.Response]]:
    def ask(service: Service, *size: int) -> Future[requests.Response]:
        return pool.submit(service.post, "/predict", png(*size))

    return ask


def active(service: Service) -> int:
    """Return how many requests are being answered, beside the one that asks."""
    return int(service.get("/metrics").text.split("\ncarseg_requests_active ")[1].split()[0]) - 1


def waiting(service: Service) -> int:
    """Return how many images wait for the network."""
    return len(service.app.state.engine.models["blocks"].forward._waiting)


def document(model: Segmenter, *size: int) -> Any:
    return json.loads(model.predict(png(*size)).to_json())


def test_what_waits_is_computed_together_and_not_mixed_up(model: Segmenter, ask: Any) -> None:
    gated = Gated(model)
    sizes = [(90 + i, 60 + i) for i in range(5)]
    with running(gated, batch_size=4) as service:
        answers = [ask(service, *sizes[0])]
        eventually(lambda: gated.sizes == [1])
        answers += [ask(service, *size) for size in sizes[1:]]
        eventually(lambda: waiting(service) == 4)
        gated.gate.set()
        assert [answer.result().json() for answer in answers] == [document(model, *size) for size in sizes]
    assert gated.sizes == [1, 4]


def test_a_batch_that_fails_is_computed_one_by_one(model: Segmenter, ask: Any) -> None:
    gated = Gated(model, most=1)
    with running(gated, batch_size=4) as service:
        answers = [ask(service)]
        eventually(lambda: gated.sizes == [1])
        answers += [ask(service) for _ in range(3)]
        eventually(lambda: waiting(service) == 3)
        gated.gate.set()
        assert [answer.result().json() for answer in answers] == [document(model)] * 4
    assert gated.sizes == [1, 3, 1, 1, 1]


def test_beyond_its_places_it_says_when_to_come_again(model: Segmenter, ask: Any) -> None:
    gated = Gated(model)
    with running(gated, limits=Limits(places=3)) as service:
        answers = [ask(service) for _ in range(3)]
        eventually(lambda: service.app.state.engine._taken == 3)
        refused = service.post("/predict", png())
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        assert "all 3 places are taken" in refused.json()["detail"]
        assert service.get("/healthz").status_code == 200
        gated.gate.set()
        assert [answer.result().json() for answer in answers] == [document(model)] * 3
        assert service.post("/predict", png()).status_code == 200


def test_nobody_waits_longer_than_allowed_and_places_come_back(model: Segmenter, ask: Any) -> None:
    gated = Gated(model)
    with running(gated, limits=Limits(places=4, seconds=0.5)) as service:
        for answer in [ask(service) for _ in range(4)]:
            assert answer.result().status_code == 503
            assert "no answer within 0.5 s" in answer.result().json()["detail"]
            assert answer.result().headers["retry-after"]
        assert service.app.state.engine._taken == 2  # the threads that it has are still at work
        gated.gate.set()
        eventually(lambda: service.app.state.engine._taken == 0)
        assert service.post("/predict", png()).status_code == 200
    assert len(gated.sizes) == 3  # the two that had not begun never did


def test_a_slow_sender_is_answered_408(model: Segmenter) -> None:
    with (
        running(model, limits=Limits(seconds=0.3)) as service,
        socket.create_connection(("127.0.0.1", service.port)) as connection,
    ):
        connection.sendall(HEAD % 1000 + b"x")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")
        eventually(lambda: service.app.state.engine._taken == 0)


@pytest.mark.parametrize("sent", [0.5, 1.0])
def test_who_hangs_up_is_not_computed_for(model: Segmenter, ask: Any, sent: float) -> None:
    gated = Gated(model)
    with running(gated) as service:
        first = [ask(service), ask(service)]  # as many as there are threads
        eventually(lambda: service.app.state.engine._taken == 2)
        content = png()
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.sendall(HEAD % len(content) + content[: int(len(content) * sent)])
            eventually(lambda: service.app.state.engine._taken == 3)
        eventually(lambda: service.app.state.engine._taken == 2)
        gated.gate.set()
        assert {answer.result().status_code for answer in first} == {200}
        eventually(lambda: 'route="/predict",status="499"} 1' in service.get("/metrics").text)
    assert sum(gated.sizes) == 2


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX: "])
def test_who_asks_for_nothing_is_hung_up_on(model: Segmenter, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(run, "_IDLE", 0.2)
    with (
        running(model, limits=Limits(seconds=0.1)) as service,
        socket.create_connection(("127.0.0.1", service.port)) as connection,
    ):
        connection.settimeout(30)
        connection.sendall(sent)
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_what_was_taken_is_answered_before_it_ends(model: Segmenter, ask: Any) -> None:
    gated = Gated(model)
    with running(gated) as service:
        answers = [ask(service, 90 + i, 60) for i in range(6)]
        eventually(lambda: service.app.state.engine._taken == 6)
        opener = threading.Timer(0.5, gated.gate.set)
        opener.start()  # while the block ends
    assert [answer.result().json() for answer in answers] == [document(model, 90 + i, 60) for i in range(6)]
    with pytest.raises(requests.ConnectionError):
        service.get("/healthz")


def test_an_upload_opens_no_file_and_no_socket(model: Segmenter) -> None:
    seen: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        here = watching.is_set() and threading.current_thread().name not in ("MainThread", "service")
        if here and (event in ("open", "os.listdir", "subprocess.Popen") or event.startswith("socket.")):
            seen.append(f"{event} {arguments[:1]}")

    watching = threading.Event()
    sys.addaudithook(watch)
    names = [b"/etc/passwd", b"file:///etc/passwd", b"http://127.0.0.1:9/a.png", b"data:image/png;base64,AAAA"]
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    paths = ("/predict", "/predict?save=overlay", "/cutout", "/report")
    with running(model) as service:
        for content in (png(), *names, postscript):
            watching.clear()
            for path in paths:
                service.post(path, content)  # what a first time imports is no matter
            watching.set()
            for path in paths:
                service.post(path, content)
                service.post(path, files={"image": ("/etc/passwd", content), "background": (names[2], content)})
        watching.clear()
    assert seen == []


def test_under_load_no_answer_is_lost_or_mixed_up(model: Segmenter) -> None:
    draw = random.Random(0)
    contents = [png(draw.randrange(20, 400), draw.randrange(20, 300)) for _ in range(8)]
    assert len({len(content) for content in contents}) > 1
    expected = [(content, json.loads(model.predict(content).to_json())) for content in contents]
    with running(model, limits=Limits(seconds=20), batch_size=3) as service:
        outcome = load(service.port, expected, count=200, clients=8)
        assert outcome.wrong == []
        assert len(outcome.seconds) + sum(outcome.statuses.values()) == 200
        assert {422, 0} < {*outcome.statuses}
        eventually(lambda: service.app.state.engine._taken == 0)
        eventually(lambda: active(service) == 0)
