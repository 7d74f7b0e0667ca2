"""Every network as its public reference would be run and as carseg runs it, on the same images, in turns.

    python -m benchmarks.inference                                         # all models, generated images
    python -m benchmarks.inference -m unet -m u2net --size 320 --size 512 --pictures DIR --int8

Time is that of one image end to end: from the encoded file in memory to the mask at the image's own size. Each way
to run a network has a process of its own, and they take turns image by image, so that all meet the same load of the
machine. An architecture's name stands for random weights. Printed are the reference's median and how many times faster
the others are (medians over the turns), with the share of labels that equal the reference's where not all do.
ONEDNN_MAX_CPU_ISA=AVX2 makes the processor an older one.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.turns import Workers, answer

Job = dict[str, Any]

REFERENCE = "reference"


def main(
    models: Annotated[list[str] | None, typer.Option("--model", "-m", help="Models or architectures.")] = None,
    sizes: Annotated[list[int] | None, typer.Option("--size", help="Side the network sees; its own if none.")] = None,
    images: Annotated[
        Path | None, typer.Option("--pictures", help="A folder; generated ones of 1280x720 if none.")
    ] = None,
    rounds: int = 7,
    count: Annotated[int, typer.Option(help="Images per round.")] = 4,
    int8: Annotated[
        bool, typer.Option("--int8", help="Run int8 too; random weights: calibrated on the images.")
    ] = False,
    threads: int | None = None,
    hub: str | None = None,
) -> None:
    from carseg.hub import list_models

    ways = _ways(int8)
    print(f"{machine()}, {threads or os.cpu_count()} threads, {count} images, {rounds} rounds\n")
    print(f"| network | side | reference, ms | {' | '.join(ways)} |\n|---|---|---|{'---|' * len(ways)}")
    with tempfile.TemporaryDirectory() as scratch:
        files = _images(Path(scratch), images, count)
        for name in models or list_models():
            place = _with_weights(name, Path(scratch), hub)
            calibration = _calibrate(name, place, files, Path(scratch)) if int8 else None
            for size in sizes or [0]:
                job = {"name": name, "hub": place, "size": size, "threads": threads, "files": files}
                job["calibration"] = calibration
                _row(job, ways, rounds)


def machine() -> str:
    """Return the processor and what limits it."""
    from carseg.runtimes import cpu

    cap = os.environ.get("ONEDNN_MAX_CPU_ISA")
    return f"{cpu.name()} ({os.cpu_count()} cores)" + (f", capped to {cap}" if cap else "")


def _images(scratch: Path, folder: Path | None, count: int) -> list[str]:
    """Write the images into one folder and return their paths."""
    from carseg.images import synthetic_images
    from carseg.inference import find_images

    found = [Path(path).read_bytes() for path in list(find_images(folder))[:count]] if folder else []
    (scratch / "images").mkdir()
    files = []
    for number, content in enumerate(found or synthetic_images(count)):
        files.append(scratch / "images" / f"{number}.jpg")
        files[-1].write_bytes(content)
    return [str(path) for path in files]


def _with_weights(name: str, scratch: Path, hub: str | None) -> str | None:
    """Return the hub that has the model: for an architecture one with random weights."""
    from carseg.architectures import list_architectures

    if name not in list_architectures():
        return hub
    from carseg.hub import save_model
    from carseg.labels import LABEL_SETS
    from carseg.training import TrainingConfig, start_network

    network, provenance, _ = start_network(name, LABEL_SETS["carparts"], TrainingConfig())
    save_model(scratch / "hub" / name, network, replace(provenance, name=name, licence="none", commercial_use="yes"))
    return str(scratch / "hub")


def _ways(int8: bool) -> list[str]:
    """Return the runtimes and precisions that this machine has."""
    from carseg.runtimes import cpu, installed

    fast = [runtime for runtime in ("openvino", "onnx") if installed(runtime)]
    ways = [f"{runtime} float32" for runtime in ("torch", *fast)]
    if cpu.native_bfloat16():
        ways += [f"{runtime} bfloat16" for runtime in ("torch", "openvino") if installed(runtime)]
    return ways + [f"{runtime} int8" for runtime in fast if int8]


def _calibrate(name: str, place: str | None, files: list[str], scratch: Path) -> str | None:
    """Return a file of ranges for int8; None where they were published with the network."""
    from carseg.hub import resolve
    from carseg.images import decode
    from carseg.inference import Preprocessor
    from carseg.runtimes import calibrate

    resolved = resolve(name, hub=place)
    if resolved.info.int8 is not None:
        return None
    inputs = map(Preprocessor(resolved.info.input), (decode(file).rgb for file in files))
    return str(calibrate(resolved, inputs).save(scratch / f"{name}.json"))


def _row(job: Job, ways: list[str], rounds: int) -> None:
    masks: dict[str, list[Any]] = {}
    times: dict[str, list[float]] = {way: [] for way in (REFERENCE, *ways)}
    with Workers("benchmarks.inference") as workers:
        for way in times:  # one after another: what the first converts lies in the cache for the next
            workers.start(way, {**job, "way": way})
            masks[way] = [np.load(path) for path in workers.ask(way, "masks")]  # warms up as well
        for _ in range(rounds):
            for number in range(len(job["files"])):
                for way in times:
                    times[way].append(workers.ask(way, number))
    cells = [job["name"], str(job["size"] or "own"), f"{median(times[REFERENCE]):.0f}"]
    for way in ways:
        ratio = median(r / t for r, t in zip(times[REFERENCE], times[way], strict=True))
        pairs = list(zip(masks[REFERENCE], masks[way], strict=True))
        equal = sum(int((a == b).sum()) for a, b in pairs) / sum(a.size for a, _ in pairs)
        cells.append(f"{ratio:.1f}" + (f" ({100 * equal:.2f} %)" if equal < 0.99995 else ""))
    print(f"| {' | '.join(cells)} |", flush=True)


def _work(job: Job) -> None:
    """Answer the number of an image with the milliseconds it took, "masks" with files of all masks."""
    predict = _predictor(job)
    contents = [Path(path).read_bytes() for path in job["files"]]
    with tempfile.TemporaryDirectory() as folder:

        def reply(question: Any) -> Any:
            if question == "masks":
                paths = [str(Path(folder, f"{number}.npy")) for number in range(len(contents))]
                for path, content in zip(paths, contents, strict=True):
                    np.save(path, predict(content))
                return paths
            began = time.perf_counter()
            predict(contents[question])
            return (time.perf_counter() - began) * 1000

        answer(reply)


def _predictor(job: Job) -> Callable[[bytes], np.ndarray]:
    from carseg.hub import resolve
    from carseg.inference import RAW, Segmenter
    from carseg.runtimes import start_runtime

    resolved = resolve(job["name"], hub=job["hub"])
    if job["size"]:
        spec = replace(resolved.info.input, size=(job["size"], job["size"]), resize="stretch")
        resolved = replace(resolved, info=replace(resolved.info, input=spec))
    if job["way"] == REFERENCE:
        import torch

        from benchmarks.plain import plain_predict

        if job["threads"]:
            torch.set_num_threads(job["threads"])
        predict = plain_predict(resolved)
        return lambda content: predict(io.BytesIO(content))
    runtime, precision = job["way"].split()
    calibration = job["calibration"] if precision == "int8" else None
    started = start_runtime(resolved, runtime, "cpu", precision, job["threads"], calibration)
    segmenter = Segmenter(resolved.info, started)
    return lambda content: segmenter.predict(content, **RAW).mask


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        _work(json.loads(sys.argv[2]))
    else:
        typer.run(main)
