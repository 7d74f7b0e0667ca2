"""Images per second of ``carseg batch`` on one processor and on two, and what that means for many more.

    python -m benchmarks.scale photos --model parts             # measures; Linux alone can pin a process to processors
    python -m benchmarks.scale photos --images 100000000 --processors 16 --processors 256

A worker decodes on threads of its own beside the network, so it fills more than a processor if it is let: here each
has one. Processors of a cloud are mostly two threads of one core, so what two do together is the unit of the plan, in
which pairs do not disturb one another; that is an assumption, for more than two were not measured. Machines share
nothing but the store: from the size of an image it says from how many processors on that has to deliver more than it
is said to.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.inference import machine
from carseg.inference import find_images
from carseg.scale import Batch, Job, run_job

ROWS = 16  # images of a chunk: the first of each worker is not timed, in which it loads the network


@dataclass(frozen=True)
class Machine:
    """What was measured.

    Attributes:
        alone: images per second of one worker on one processor.
        together: of two on two.
    """

    alone: float
    together: float

    def rate(self, processors: int) -> float:
        """Return the images per second of so many; the two measured points are met."""
        pairs, single = divmod(processors, 2)
        return pairs * self.together + single * self.alone


def measure(model: str, images: list[str], workers: int) -> float:
    """Return images per second of so many workers on as many processors, from when each has done its first chunk."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:workers])  # the workers inherit it
    try:
        return _measure(model, images, workers)
    finally:
        os.sched_setaffinity(0, allowed)


def _measure(model: str, images: list[str], workers: int) -> float:
    batch = Batch(model)
    done: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as scratch:
        names = Path(scratch, "names.txt")
        names.write_text("\n".join(images) + "\n")
        job = Job(str(names), str(Path(scratch, "out")), rows=ROWS)
        run_job(job, batch, workers=workers, progress=lambda count, _: done.append((time.perf_counter(), count)))
    (began, before), (ended, all_of_them) = done[workers - 1], done[-1]
    return (all_of_them - before) / (ended - began)


def main(
    photos: Annotated[str, typer.Argument(help="A folder or pattern of images.")],
    model: str = "parts",
    times: Annotated[int, typer.Option(help="How often each image is used.")] = 1,
    images: Annotated[int, typer.Option(help="Number of images in the plan.")] = 1_000_000,
    processors: Annotated[list[int] | None, typer.Option(help="Numbers of processors in the plan.")] = None,
    price: Annotated[float, typer.Option(help="Price of a processor for an hour.")] = 0.04,
    store: Annotated[float, typer.Option(help="Megabytes per second that the store delivers.")] = 1000,
) -> None:
    paths = [os.path.abspath(path) for path in find_images(photos)] * times
    size = sum(map(os.path.getsize, paths)) / len(paths)
    alone, together = (measure(model, paths, workers) for workers in (1, 2))
    measured = Machine(alone, together)
    print(f"{machine()}; {model}, {len(paths)} images of {size / 1e6:.2f} MB")
    print(f"one processor {alone:.1f} images/s, two {together:.1f} ({together / alone / 2:.0%} of twice as many)")
    for number in processors or (16, 64, 256):
        rate = min(measured.rate(number), store * 1e6 / size)
        hours = images / rate / 3600
        print(f"{number:5} processors {rate:8.0f} images/s {hours:9.2f} h, {hours * number * price:.2f} at {price:g}/h")
    most = next(number for number in itertools.count(1) if measured.rate(number) * size > store * 1e6)
    print(f"from {most} processors on the store is the bottleneck")


if __name__ == "__main__":
    typer.run(main)
