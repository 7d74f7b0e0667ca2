"""A service under load: several clients at once, a tenth of whose requests are hostile; each answer is compared.

    python -m benchmarks.serving                                  # 1,000 requests of 8 clients, generated images
    python -m benchmarks.serving --pictures DIR --requests 5000 --workers 2 --model parts

Hostile are images that are cut off, bombs (a header of 400 megapixels), files of other types, forms that end in the
middle, senders that trickle and then go, clients that hang up before their answer, and bytes that are no HTTP. Printed
are the times of the others, requests per second, and the memory of the service after a fifth of the requests and at
the end. The exit status is 1 where an answer was lost or another than that of ``predict``.
"""

from __future__ import annotations

import json
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Any

import requests
import typer

_HOSTILE = 0.1  # share of the requests
_PATIENCE = 120.0  # seconds


@dataclass
class Outcome:
    """What became of the requests.

    Attributes:
        seconds: time of each answer that was right.
        wrong: what was wrong with the others, in words.
        statuses: how often each status was answered to hostile requests; 0: none was waited for.
        wall: seconds of the whole.
    """

    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wall: float = 0.0


def load(
    port: int,
    expected: Sequence[tuple[bytes, dict[str, Any]]],
    *,
    count: int = 1000,
    clients: int = 8,
    seed: int = 0,
    after: Callable[[int], None] = lambda done: None,
) -> Outcome:
    """Return what became of so many requests to a service on this machine.

    Args:
        port: where the service listens, on 127.0.0.1.
        expected: images as bytes, and the document of each.
        count: of requests.
        clients: that ask at once.
        seed: of what is asked when.
        after: called with the number of requests that are done.
    """
    outcome, lock, numbers = Outcome(), threading.Lock(), iter(range(count))

    def client() -> None:
        with requests.Session() as session:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                draw = random.Random(f"{seed} {number}")
                content, document = draw.choice(expected)
                if draw.random() < _HOSTILE:
                    status = draw.choice(HOSTILE)(port, content, draw)
                    right, seconds = status in (0, 400, 408, 413, 415, 422), None
                    said = f"a hostile request was answered {status}"
                else:
                    right, seconds, said = _ask(session, port, content, document)
                with lock:
                    if seconds is not None and right:
                        outcome.seconds.append(seconds)
                    elif right:
                        outcome.statuses[status] += 1
                    else:
                        outcome.wrong.append(f"request {number}: {said}")
                    after(number)

    began = time.monotonic()
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome.wall = time.monotonic() - began
    return outcome


def _ask(session: requests.Session, port: int, content: bytes, document: dict[str, Any]) -> tuple[bool, float, str]:
    """Return whether an image is answered as it has to be, the seconds that took, and what was wrong."""
    began = time.monotonic()
    while True:
        answer = session.post(f"http://127.0.0.1:{port}/predict", content, timeout=_PATIENCE)
        if answer.status_code != 429:
            break
        time.sleep(float(answer.headers["Retry-After"]))
    seconds = time.monotonic() - began
    if answer.status_code != 200:
        return False, seconds, f"status {answer.status_code}: {answer.text[:200]}"
    return answer.json() == document, seconds, "the answer is another than that of predict"


def _post(port: int, body: bytes, kind: str = "image/jpeg") -> int:
    address = f"http://127.0.0.1:{port}/predict"
    return requests.post(address, body, headers={"Content-Type": kind}, timeout=_PATIENCE).status_code


def truncated(port: int, content: bytes, draw: random.Random) -> int:
    """Return the status for an image that is cut off."""
    return _post(port, content[: draw.randrange(len(content) * 3 // 4)])


def bomb(port: int, content: bytes, draw: random.Random) -> int:
    """Return the status for a small PNG that announces 400 megapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0))
    return _post(
        port, b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(60000))) + chunk(b"IEND", b"")
    )


def other_type(port: int, content: bytes, draw: random.Random) -> int:
    """Return the status for what is no image, by its type or its content."""
    kinds = ("application/json", "text/html", "image/png", "")
    return _post(port, draw.randbytes(draw.randrange(1, 5000)), draw.choice(kinds))


def broken_form(port: int, content: bytes, draw: random.Random) -> int:
    """Return the status for a form that ends in the middle."""
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="../a.jpg"\r\n\r\n'
    return _post(port, head + content, "multipart/form-data; boundary=x")


def slow(port: int, content: bytes, draw: random.Random) -> int:
    """Send the beginning of a request in small pieces, and go."""
    return _raw(port, [_head(len(content)), *(content[at : at + 16] for at in range(0, 160, 16))], 0.02)


def hang_up(port: int, content: bytes, draw: random.Random) -> int:
    """Send a whole request, and go before its answer."""
    return _raw(port, [_head(len(content)) + content], draw.random() * 0.1)


def no_http(port: int, content: bytes, draw: random.Random) -> int:
    """Send what is no HTTP."""
    return _raw(port, [draw.randbytes(300) + b"\r\n\r\n"], 0.01)


HOSTILE = (truncated, bomb, other_type, broken_form, slow, hang_up, no_http)


def _head(length: int) -> bytes:
    return b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % length


def _raw(port: int, pieces: list[bytes], pause: float) -> int:
    """Send pieces with pauses after each, and hang up; whether the service has hung up by then does not matter."""
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        except ConnectionError:
            pass
    return 0


def resident(pid: int) -> float:
    """Return the memory of a process and of those that it started, in MB, on Linux; 0 elsewhere."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+)", status)
    return int(kilobytes) / 1000 + sum(resident(int(child)) for child in children)


def main(
    model: Annotated[str, typer.Option("--model", "-m")] = "parts",
    images: Annotated[
        Path | None, typer.Option("--pictures", help="A folder; generated ones of 1280x720 if none.")
    ] = None,
    count: Annotated[int, typer.Option("--requests")] = 1000,
    clients: int = 8,
    workers: int = 1,
    kinds: Annotated[int, typer.Option(help="Different images.")] = 12,
    precision: str = "auto",
    threads: int | None = None,
) -> None:
    import carseg
    from carseg.images import synthetic_images
    from carseg.inference import find_images

    found = [Path(path).read_bytes() for path in list(find_images(images))[:kinds]] if images else []
    contents = found or synthetic_images(kinds)
    with carseg.load(model, precision=precision, threads=threads) as segmenter:
        expected = [(content, json.loads(segmenter.predict(content).to_json())) for content in contents]
    options = ["--model", model, "--workers", str(workers), "--precision", precision]
    options += ["--threads", str(threads)] if threads else []
    process, port = start_service(*options)
    memory = {}

    def look(done: int) -> None:
        if done in (count // 5, count - 1):
            memory[done] = resident(process.pid)

    outcome = load(port, expected, count=count, clients=clients, after=look)
    process.terminate()
    status = process.wait()
    cuts = quantiles(outcome.seconds, n=20)
    print(f"{count} requests of {clients} clients, {workers} workers, {model}: {count / outcome.wall:.1f} per second")
    print(f"answered right {len(outcome.seconds)}, hostile {dict(sorted(outcome.statuses.items()))}")
    print(f"p50 {median(outcome.seconds) * 1000:.0f} ms, p95 {cuts[-1] * 1000:.0f} ms")
    print(f"memory, MB: {', '.join(f'{number:.0f}' for number in memory.values())}; ended with status {status}")
    print("\n".join(outcome.wrong))
    raise typer.Exit(int(bool(outcome.wrong or status)))


def start_service(*options: str) -> tuple[subprocess.Popen[str], int]:
    """Start ``carseg serve``; return its process and, once it answers there, its port on 127.0.0.1."""
    command = [sys.executable, "-m", "carseg", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace")
    assert process.stderr is not None
    lines = (re.search(r"listening on http.*:(\d+)/", line) for line in process.stderr)
    port = next(int(line[1]) for line in lines if line)
    threading.Thread(target=process.stderr.read, daemon=True).start()
    wait_for(f"http://127.0.0.1:{port}/healthz")
    return process, port


def wait_for(address: str) -> None:
    """Return once something answers at an address."""
    while True:
        try:
            if requests.get(address, timeout=_PATIENCE).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.2)


if __name__ == "__main__":
    typer.run(main)
