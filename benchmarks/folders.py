"""A folder of large images, end to end: ``carseg predict FOLDER`` beside a plain loop over the files.

    python -m benchmarks.folders --count 200                                # generated images of 12 megapixels
    python -m benchmarks.folders --model unet-carvana --pictures DIR --runtime openvino
    python -m benchmarks.folders --one                     # beside itself on one of the processors (by Linux's taskset)

Both write a mask for every image; each runs as a process from start to end, in turns. Printed are images per second
(start included), the ratio, and the most memory each process held.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from benchmarks.inference import machine


def main(
    model: Annotated[str, typer.Option("--model", "-m")] = "fpn-mobilenetv2-carparts",
    images: Annotated[Path | None, typer.Option("--pictures", help="A folder; generated images if none.")] = None,
    count: Annotated[int, typer.Option(help="How many to generate.")] = 40,
    rounds: int = 3,
    runtime: str = "auto",
    precision: str = "auto",
    hub: str | None = None,
    one: Annotated[bool, typer.Option("--one", help="Beside itself on one processor, not beside the loop.")] = False,
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = images or Path(scratch, "images")
        if images is None:  # in a process of its own: the measured ones would inherit this one's memory
            subprocess.run([sys.executable, "-m", "benchmarks.images", str(folder), str(count)], check=True)
        total = len(list(folder.iterdir()))
        options = ["--runtime", runtime, "--precision", precision, *(["--hub", hub] if hub else [])]
        ours = [sys.executable, "-m", "carseg", "predict", str(folder), "--model", model, "--save", "mask", *options]
        commands = {
            "plain loop": [sys.executable, "-m", "benchmarks.plain", model, hub or "", str(folder)],
            "carseg": [*ours, "--out"],
        }
        if one:
            commands = {"one": ["taskset", "--cpu-list", "0", *ours, "--out"], "all": [*ours, "--out"]}
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for number in range(rounds):
            for name, command in commands.items():
                found[name].append(_run([*command, f"{scratch}/{name}-{number}"]))
    print(f"{machine()}, {total} images, {model}, {rounds} rounds")
    for name, runs in found.items():
        seconds, memory = (median(values) for values in zip(*runs, strict=True))
        print(f"{name:10}  {total / seconds:7.2f} images/s  {memory:7.0f} MB")
    ratios = [a / b for (a, _), (b, _) in zip(*found.values(), strict=True)]
    print(f"ratio       {median(ratios):7.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _run(command: list[str]) -> tuple[float, float]:
    """Return the seconds of a process, and the most memory it held in MB."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - began, usage.ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    typer.run(main)
