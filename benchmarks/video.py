"""A video end to end: frames per second of ``overlay_video`` for each compact network, and the memory it takes.

    python -m benchmarks.video --seconds 20 --threads 2        # a generated drive of 1280 x 720 pixels
    python -m benchmarks.video --model fpn-mobilenetv2-bdd --runtime openvino --smooth
    python -m benchmarks.video --model fpn-mobilenetv2-carparts --seconds 3600 --size 64x36 --every 25    # an hour

Each network runs as a process of its own, from the frames in the file to those in the new one. Printed are frames per
second, the processor's time per frame, which another's load changes less, and the most memory held until a twelfth, the
half and the end of the video: of an hour after 5, 30 and 60 minutes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import typer
from PIL import Image

import carseg
from benchmarks.inference import machine
from carseg.hub import list_models
from carseg.images import synthetic_images
from carseg.workflows import overlay_video

_RATE = 25


def main(
    model: Annotated[list[str] | None, typer.Option("--model", "-m", help="By default all compact ones.")] = None,
    seconds: Annotated[float, typer.Option(help="Length of the video.")] = 10.0,
    threads: int = 2,
    runtime: str = "auto",
    size: Annotated[str, typer.Option(help="Width and height of the frames.")] = "1280x720",
    every: Annotated[int, typer.Option(help="Take one of so many frames.")] = 1,
    smooth: bool = False,
    work: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    if work:
        print(json.dumps(_measure(Path(work), (model or [""])[0], threads, runtime, every, smooth)))
        return
    print(f"{machine()}, {threads} threads, {runtime}, {seconds:g} s of {size} pixels at {_RATE} frames a second")
    with tempfile.TemporaryDirectory() as scratch:
        video = _generate(Path(scratch, "drive.mp4"), round(seconds * _RATE), size)
        for name in model or [name for name in list_models() if name.startswith(("fpn-", "u2netp-"))]:
            command = [sys.executable, "-m", "benchmarks.video", "--work", str(video), "--model", name]
            command += ["--threads", str(threads), "--runtime", runtime, "--every", str(every)]
            command += ["--smooth"] if smooth else []
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            rate, used, *memory = json.loads(answer.splitlines()[-1])
            held = ", ".join(f"{megabytes:.0f}" for megabytes in memory)
            print(f"{name:34} {rate:6.1f} frames/s  {used * 1000:5.0f} ms of a processor  {held} MB", flush=True)


def _generate(path: Path, count: int, size: str) -> Path:
    """Write a video that moves over a smooth picture with some noise."""
    width, height = map(int, size.split("x"))
    [content] = synthetic_images(1, (height * 5 // 4, width * 5 // 4))
    Path(path.with_suffix(".jpg")).write_bytes(content)
    picture = np.asarray(Image.open(path.with_suffix(".jpg")))
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=_RATE, options={"b": "6000000"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(count):
            left, top = number * 3 % (width // 4), number * 2 % (height // 4)
            shown = np.ascontiguousarray(picture[top : top + height, left : left + width])
            frame = av.VideoFrame.from_ndarray(shown, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, _RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def _measure(path: Path, name: str, threads: int, runtime: str, every: int, smooth: bool) -> list[float]:
    """Return frames per second, the processor's seconds per frame, and MB held at most up to three moments."""
    network = carseg.load(name, runtime=runtime, threads=threads, device="cpu")
    video = carseg.Video(path, every=every)
    network.predict(next(iter(video)))  # the first one is slower
    total = round((video.duration() or 0) * _RATE) // every
    began, used, memory = time.perf_counter(), time.process_time(), list[float]()
    results = overlay_video(network.stream(video, smooth=smooth), path.with_name("seen.mp4"), video)
    for count, _ in enumerate(results, 1):
        if count in (total // 12, total // 2):
            memory.append(_peak())
    return [count / (time.perf_counter() - began), (time.process_time() - used) / count, *memory, _peak()]


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    typer.run(main)
