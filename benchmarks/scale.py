"""Images per second of ``carseg batch`` on this machine, and what that means for more processors than it has.

    python -m benchmarks.scale photos --model parts             # measures with one worker and with two
    python -m benchmarks.scale photos --images 100000000 --cores 16 --cores 256

The plan takes the two measured points, nothing else: what a worker does alone, and what each loses where another works
beside it, as the processors share memory and disk. Machines share nothing but the store: with the size of an image it
says from how many processors on the store has to deliver more than it is said to.
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
_PER_MACHINE = 16  # processors, of the plan


@dataclass(frozen=True)
class Machine:
    """What was measured.

    Attributes:
        alone: images per second of one worker.
        together: of two.
    """

    alone: float
    together: float

    @property
    def loss(self) -> float:
        """The share of its time that a worker loses to each other one on its machine (Gunther's contention)."""
        return max(2 * self.alone / self.together - 1, 0.0)

    def rate(self, workers: int) -> float:
        """Return the images per second of so many workers on one machine; the two measured points are met."""
        return workers * self.alone / (1 + self.loss * (workers - 1))


def measure(model: str, images: list[str], workers: int) -> float:
    """Return images per second of so many workers, from when each has done its first chunk."""
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
    times: Annotated[int, typer.Option(help="Use each image so often.")] = 1,
    images: Annotated[int, typer.Option(help="Of the plan.")] = 1_000_000,
    cores: Annotated[list[int] | None, typer.Option(help="Of the plan, 16 to a machine.")] = None,
    price: Annotated[float, typer.Option(help="Of a processor for an hour.")] = 0.04,
    store: Annotated[float, typer.Option(help="Megabytes per second that the store delivers.")] = 1000,
) -> None:
    paths = [os.path.abspath(path) for path in find_images(photos)] * times
    size = sum(map(os.path.getsize, paths)) / len(paths)
    alone, together = (measure(model, paths, workers) for workers in (1, 2))
    measured = Machine(alone, together)
    print(f"{machine()}; {model}, {len(paths)} images of {size / 1e6:.2f} MB")
    print(f"one worker {alone:.1f} images/s, two {together:.1f} ({together / alone / 2:.0%} of twice as many)")
    for number in cores or (16, 64, 256):
        whole, rest = divmod(number, _PER_MACHINE)
        rate = min(whole * measured.rate(_PER_MACHINE) + measured.rate(rest), store * 1e6 / size)
        hours = images / rate / 3600
        print(
            f"{number:5} cores {rate:8.0f} images/s {hours:9.2f} h, {hours * number * price:.2f} at {price:g} per hour"
        )
    most = next(count for count in itertools.count(1) if count * measured.rate(_PER_MACHINE) * size > store * 1e6)
    print(f"from {most * _PER_MACHINE} cores on the store is the bottleneck")


if __name__ == "__main__":
    typer.run(main)
