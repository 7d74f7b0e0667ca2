"""Cut-outs of two services in turns: ``carseg serve`` and the server of rembg, each image by several clients at once.

    python -m venv rembg && rembg/bin/pip install 'rembg[cpu,cli]'
    python -m benchmarks.services PHOTOS --rembg rembg/bin/rembg

rembg fetches its network before the first answer, or takes ``u2netp.onnx`` from the folder that ``U2NET_HOME`` names.
Both answer with a PNG of the car on a transparent ground; carseg refines its edges. Printed are images per second, the
time of an answer and the memory.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import requests
import typer

from benchmarks.inference import machine
from benchmarks.serving import resident, start_service, wait_for
from carseg.inference import find_images

PNG = b"\x89PNG"


def main(
    photos: Annotated[str, typer.Argument(help="A folder or pattern of images.")],
    rembg: Annotated[Path, typer.Option(help="The command of rembg.")],
    network: Annotated[str, typer.Option(help="The network of rembg.")] = "u2netp",
    clients: int = 4,
    rounds: Annotated[int, typer.Option(help="How often each service gets all images.")] = 5,
    rembg_port: int = 7000,
) -> None:
    images = [Path(path).read_bytes() for path in find_images(photos)]
    process, port = start_service("--model", "car")
    other = subprocess.Popen(
        [rembg, "s", "--host", "127.0.0.1", "--port", str(rembg_port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{rembg_port}/api")
        services: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
            "carseg": (process.pid, lambda image: _post(f"http://127.0.0.1:{port}/cutout", image)),
            "rembg": (
                other.pid,
                lambda image: _post(f"http://127.0.0.1:{rembg_port}/api/remove", image, model=network),
            ),
        }
        seconds: dict[str, list[float]] = {name: [] for name in services}
        walls: dict[str, list[float]] = {name: [] for name in services}
        for turn in range(rounds + 1):
            for name, (_, ask) in services.items():
                began = time.perf_counter()
                with ThreadPoolExecutor(clients) as pool:
                    taken = list(pool.map(lambda image, ask=ask: _timed(ask, image), images))
                if turn:  # the first one loads
                    walls[name].append(time.perf_counter() - began)
                    seconds[name] += taken
        print(f"{machine()}; {len(images)} images, {clients} clients, {rounds} rounds")
        for name, (pid, _) in services.items():
            rate, p95 = len(images) / median(walls[name]), quantiles(seconds[name], n=20)[-1]
            times = f"p50 {median(seconds[name]) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms"
            print(f"{name:6} {rate:6.2f} images/s, {times}, {resident(pid):.0f} MB")
    finally:
        process.terminate()
        other.terminate()


def _post(address: str, image: bytes, **fields: str) -> bytes:
    files = {"file" if fields else "image": ("image.jpg", image, "image/jpeg")}
    answer = requests.post(address, files=files, data=fields, timeout=300)
    answer.raise_for_status()
    return answer.content


def _timed(ask: Callable[[bytes], bytes], image: bytes) -> float:
    began = time.perf_counter()
    assert ask(image).startswith(PNG)
    return time.perf_counter() - began


if __name__ == "__main__":
    typer.run(main)
