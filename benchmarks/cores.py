"""What a folder's images cost a processor, stage by stage, and what that means for more processors.

    python -m benchmarks.cores photos --model parts

The time of a stage is the processor's own, of one thread, so that other work on the machine matters little. The plan is
a simulation, for no machine with so many processors was at hand. Stages share the processors without loss. In one
process, which is what ``carseg predict`` is, Python computes in one thread at a time: two threads do together what
follows the network, and the time that an image takes them then is the least that it can take with any number. It is
measured by the clock, so the machine has to be idle. ``carseg batch`` has a process for each processor.
"""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
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


def measure_lock(segmenter: Segmenter, contents: list[bytes]) -> float:
    """Return the seconds that an image takes two threads which do together what follows the network."""
    forwarded = []
    for content in contents:
        prepared = segmenter.preprocess(content)
        [logits] = segmenter.forward(prepared.x[None])
        forwarded.append((logits, prepared))
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(lambda one: _write(segmenter.postprocess(*one)), one) for one in forwarded]:
            future.result()
    return (time.perf_counter() - began) / len(forwarded)


def _write(result: Result) -> None:
    """Do what ``carseg predict --save mask`` does with one of several images, but for the file."""
    result.to_dict(cars=False)
    encode_png(index_image(result.mask, result.labels), io.BytesIO())


def plan(stages: dict[str, float], lock: float, processors: int) -> tuple[float, float]:
    """Return images per second on so many processors: of one process, and of one for each."""
    every = processors / sum(stages.values())
    return min(every, 1 / lock), every


def main(
    photos: Annotated[str, typer.Argument(help="A folder or pattern of images.")],
    model: str = "parts",
    times: Annotated[int, typer.Option(help="Use each image so often.")] = 1,
    runtime: str = "auto",
) -> None:
    contents = [Path(path).read_bytes() for path in find_images(photos)] * times
    with carseg.load(model, threads=1, runtime=runtime) as segmenter:
        stages, lock = measure(segmenter, contents), measure_lock(segmenter, contents)
        print(f"{machine()}; {segmenter!r}, {len(contents)} images")
    shown = ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in stages.items())
    print(f"{shown}; mask and write in two threads {1000 * lock:.1f} ms")
    print("\n| processors | images/s, one process | one for each |\n|---|---|---|")
    for processors in _PROCESSORS:
        one, every = plan(stages, lock, processors)
        print(f"| {processors} | {one:.1f} | {every:.1f} |")


if __name__ == "__main__":
    typer.run(main)
