"""What a folder's images cost a processor, stage by stage, and what that means for more processors.

    python -m benchmarks.cores photos --model parts

The time is the processor's own, of one thread, so that other work on the machine matters little. The plan is a
simulation, for no machine with so many processors was at hand: stages share the processors without loss, and one image
at a time is in the network, which either stays on one processor or uses all of them.
"""

from __future__ import annotations

import io
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

import carseg
from benchmarks.inference import machine
from carseg.images import index_image
from carseg.inference import Segmenter, encode_png, find_images

_FIRST = 2  # images that are not counted
_NETWORK = "network"


def measure(segmenter: Segmenter, contents: list[bytes]) -> dict[str, float]:
    """Return the processor's seconds of each stage, medians over the images."""
    spent: dict[str, list[float]] = {"decode": [], _NETWORK: [], "mask": [], "write": []}
    for content in contents:
        marks = [time.process_time()]
        prepared = segmenter.preprocess(content)
        marks.append(time.process_time())
        [logits] = segmenter.forward(prepared.x[None])
        marks.append(time.process_time())
        result = segmenter.postprocess(logits, prepared)
        marks.append(time.process_time())
        result.to_dict()
        encode_png(index_image(result.mask, result.labels), io.BytesIO())
        marks.append(time.process_time())
        for seconds, before, after in zip(spent.values(), marks, marks[1:], strict=False):
            seconds.append(after - before)
    return {name: median(seconds[_FIRST:]) for name, seconds in spent.items()}


def plan(stages: dict[str, float], processors: int) -> tuple[float, float]:
    """Return images per second on so many processors: with the network on one of them, and on all."""
    together = processors / sum(stages.values())
    return min(together, 1 / stages[_NETWORK]), together


def main(
    photos: Annotated[str, typer.Argument(help="A folder or pattern of images.")],
    model: str = "parts",
    times: Annotated[int, typer.Option(help="Use each image so often.")] = 1,
    runtime: str = "auto",
) -> None:
    contents = [Path(path).read_bytes() for path in find_images(photos)] * times
    with carseg.load(model, threads=1, runtime=runtime) as segmenter:
        stages = measure(segmenter, contents)
        print(f"{machine()}; {segmenter!r}, {len(contents)} images")
    print(", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in stages.items()))
    print("\n| processors | images/s, network on one | on all |\n|---|---|---|")
    for processors in (1, 2, 4, 8, 16):
        one, every = plan(stages, processors)
        print(f"| {processors} | {one:.1f} | {every:.1f} |")


if __name__ == "__main__":
    typer.run(main)
