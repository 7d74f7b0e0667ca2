"""What a folder's images cost a processor, stage by stage, and what that means for more processors.

    pip install py-spy                                    # its permission to look into a process may need root
    python -m benchmarks.cores photos --model parts

The time of a stage is the processor's own, of one thread, so that other work on the machine matters little. The plan is
a simulation, for no machine with so many processors was at hand: stages share the processors without loss. But one
thread of a process at a time can hold Python's lock; py-spy samples for which share of the time it is held.
``carseg predict`` is one process, so with any number of processors an image takes at least that long. ``carseg batch``
has a process for each processor.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

import carseg
from benchmarks.inference import machine
from carseg.images import index_image
from carseg.inference import Result, Segmenter, encode_png, find_images

_FIRST = 2  # images that are not counted
_PROCESSORS = (1, 2, 4, 8, 16)


def measure(segmenter: Segmenter, contents: list[bytes]) -> dict[str, float]:
    """Return the processor's seconds of each stage, medians over the images."""
    spent: dict[str, list[float]] = {"decode": [], "network": [], "mask": [], "write": []}
    for content in contents:
        marks = [time.process_time()]
        prepared = segmenter.preprocess(content)
        marks.append(time.process_time())
        [logits] = segmenter.forward(prepared.x[None])
        marks.append(time.process_time())
        result = segmenter.postprocess(logits, prepared)
        marks.append(time.process_time())
        _write(result)
        marks.append(time.process_time())
        for seconds, before, after in zip(spent.values(), marks, marks[1:], strict=False):
            seconds.append(after - before)
    return {name: median(seconds[_FIRST:]) for name, seconds in spent.items()}


def measure_lock(work: Callable[[], object]) -> float:
    """Return for which share of its time some work holds Python's lock."""
    samples = []
    with tempfile.TemporaryDirectory() as scratch:
        for option in (["--gil"], []):
            file = Path(scratch, "samples.txt")
            command = ["py-spy", "record", "--pid", str(os.getpid()), "--format", "raw", "--output", str(file)]
            sampler = subprocess.Popen(command + option, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            work()
            sampler.send_signal(signal.SIGINT)
            if sampler.wait():
                raise SystemExit(f"{' '.join(command)} ended with status {sampler.returncode}")
            lines = file.read_text("utf-8").splitlines()
            samples.append(sum(int(line.rpartition(" ")[2]) for line in lines if f"{measure.__name__} (" in line))
    held, all_of_them = samples
    return held / all_of_them


def _write(result: Result) -> None:
    """Do what ``carseg predict --save mask`` does with one of several images, but for the file."""
    result.to_dict(cars=False)
    encode_png(index_image(result.mask, result.labels), io.BytesIO())


def plan(stages: dict[str, float], share: float, processors: int) -> tuple[float, float]:
    """Return images per second on so many processors: of one process, and of one for each."""
    every = processors / sum(stages.values())
    return min(every, 1 / (share * sum(stages.values()))), every


def main(
    photos: Annotated[str, typer.Argument(help="A folder or pattern of images.")],
    model: str = "parts",
    times: Annotated[int, typer.Option(help="Use each image so often.")] = 1,
    runtime: str = "auto",
) -> None:
    contents = [Path(path).read_bytes() for path in find_images(photos)] * times
    with carseg.load(model, threads=1, runtime=runtime) as segmenter:
        stages = measure(segmenter, contents)
        share = measure_lock(lambda: measure(segmenter, contents))
        print(f"{machine()}; {segmenter!r}, {len(contents)} images")
    shown = ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in stages.items())
    print(f"{shown}; Python's lock is held for {share:.0%} of it")
    print("\n| processors | images/s, one process | one for each |\n|---|---|---|")
    for processors in _PROCESSORS:
        one, every = plan(stages, share, processors)
        print(f"| {processors} | {one:.1f} | {every:.1f} |")


if __name__ == "__main__":
    typer.run(main)
