"""The commands that are tried, on drawn images and a network of two small layers, and what they have to leave."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from drawn_data import index_folder
from drawn_video import clip, write_clip
from entries import info_of, put
from modules import module
from server import Server
from small_network import SMALL

Tree = dict[str, bytes]  # the files below a folder by path, folders as "NAME/"
_TRAINED = ("log.csv", "report.html", "run.json")  # have times in them
_ONNX = ("carseg.exporting.export", "onnx", "onnxruntime", "torch.onnx", "onnxscript")
_STATE = "state.pt"
_PNG_ENDS = b"IEND\xaeB`\x82"


@dataclass(frozen=True)
class Command:
    """A command, run in an empty folder.

    Attributes:
        argv: its arguments; "{inputs}" is the folder that ``write_inputs`` wrote, "{server}" the address of its hub.
        again: returns what the second run has besides, which starts in the same folder.
        main: the file, by its path, that is there only if all others of ``out`` are; "" where each stands for itself.
        prepare: called in the command's process before it starts, with the folder of inputs.
        imports: modules that take long to be imported, which the parent of all trials does once.
        writers: functions of libraries that write by themselves: module, name, place of the path.
        same: returns of a tree what has to be the same in every run.
        check: returns what is wrong with the files that a run left, "" for nothing.
    """

    argv: tuple[str, ...]
    again: Callable[[], tuple[str, ...]] = tuple
    main: str = ""
    prepare: Callable[[Path], None] = lambda inputs: None
    imports: tuple[str, ...] = ()
    writers: tuple[tuple[str, str, int], ...] = ()
    same: Callable[[Tree], Tree] = lambda tree: tree
    check: Callable[[Tree], str] = lambda tree: ""


def _predicted(tree: Tree) -> Tree:
    """Return results without what they were made from, which they lack where the image could not be read for it."""
    same = dict(tree)
    for name, content in tree.items():
        with contextlib.suppress(OSError, ValueError, SyntaxError):  # not whole: it stays as it is, like no other
            if name.endswith(".json"):
                same[name] = json.dumps({**json.loads(content), "made_from": ""}).encode()
            if name.endswith(".png") and content.endswith(_PNG_ENDS):
                with Image.open(io.BytesIO(content)) as image:
                    same[name] = np.asarray(image).tobytes()
    return same


def _publish(inputs: Path) -> None:
    """Make the manifest that of a checkout with two models, in the working folder."""
    import carseg.hub

    checkout = Path("checkout")
    if not checkout.exists():
        shutil.copytree(inputs / "checkout", checkout)
    manifest = (checkout / "weights_manifest.json").resolve()
    publish = module("hub.publish")
    read = publish.load_manifest
    for name in ("hub.resolve", "hub.publish"):
        module(name).ROOT = manifest.parent
        module(name).load_manifest = lambda given=manifest: read(given)
    carseg.hub.publish = functools.partial(publish.publish, manifest=manifest)


def _resumed() -> tuple[str, ...]:
    """Return what goes on with a training that has learned something; one that has not is begun anew."""
    return ("--resume",) if any(Path("out/run", name).exists() for name in (_STATE, "best")) else ()


def _trained(tree: Tree) -> Tree:
    """Return what two runs of a training have in common: all weights, and the names of what tells of times."""
    return {
        name: b"" if name.endswith((*_TRAINED, _STATE)) or "/last/config" in name or "/best/config" in name else content
        for name, content in tree.items()
    }


def _check_run(tree: Tree) -> str:
    """Return what is wrong with a run's files, of which each has to be whole, "" for nothing."""
    import hashlib

    for name, content in tree.items():
        if name.endswith(_STATE) and hashlib.sha256(content[:-32]).digest() != content[-32:]:
            return f"{name} is not whole"
        if name.endswith("run.json"):
            json.loads(content)
        if name.endswith("log.csv") and any(
            None in row.values() for row in csv.DictReader(content.decode().splitlines())
        ):
            return f"{name} is not whole"
        if name.endswith("report.html") and not content.endswith(b"</html>\n"):
            return f"{name} is not whole"
        if name.endswith("/config.json"):
            weights = tree.get(name.replace("config.json", "model.safetensors"), b"")
            if json.loads(content)["sha256"] != hashlib.sha256(weights).hexdigest():
                return f"{name} is that of other weights"
    return ""


PREDICT = ("predict", "{inputs}/in", "--model", "blocks", "--save", "mask,json", "--skip-existing", "--out", "out")
VIDEO = ("predict", "{inputs}/drive.mp4", "--model", "blocks", "--save", "overlay,json", "--smooth", "--out", "out")
CUTOUT = ("cutout", "{inputs}/in", "--model", "blocks", "--size", "40x30", "--skip-existing", "--out", "out")
FINETUNE = (
    *("finetune", SMALL, "{inputs}/few", "--out", "out/run", "--epochs", "1", "--batch-size", "2"),
    *("--size", "32", "--augment", "flip", "--val-fraction", "0.5", "--device", "cpu", "--precision", "float32"),
)
COMMANDS = {
    "predict": Command(PREDICT, same=_predicted),
    # What FFmpeg writes it writes by itself: as it opens a file, a frame is encoded and it is closed.
    "predict video": Command(VIDEO, same=_predicted, imports=("av",), writers=(("av", "open", 0),)),
    "cutout": Command(CUTOUT, same=_predicted),
    "report": Command(("report", "{inputs}/in", "--model", "blocks", "--out", "out/set"), main="out/set/"),
    "label": Command(
        # Of several images one that cannot be read is left out.
        ("label", "{inputs}/in/sub", "--to", "coco", "--model", "blocks", "--out", "out/set", "--tolerance", "1"),
        main="out/set/",
    ),
    "download": Command(("download", "blocks", "--hub", "{server}")),
    "convert": Command(("data", "convert", "{inputs}/data", "--out", "out/set", "--to", "coco"), main="out/set/"),
    "convert to png": Command(("data", "convert", "{inputs}/few", "--out", "out/set"), main="out/set/"),
    "show": Command(("data", "show", "{inputs}/few", "--out", "out/set"), main="out/set/"),
    "finetune": Command(
        FINETUNE,
        again=_resumed,
        imports=("torch._dynamo", "carseg.training.finetuning"),
        writers=(("torch", "save", 1),),
        same=_trained,
        check=_check_run,
    ),
    "mirror": Command(("hub", "mirror", "out/site", "blocks"), main="out/site/"),
    "publish": Command(
        ("hub", "publish", "out/site", "--address", "https://example.org/w"), main="out/site/", prepare=_publish
    ),
    "export onnx": Command(("export", "blocks", "--out", "out"), main="out/blocks.onnx", imports=_ONNX),
    "export openvino": Command(
        ("export", "blocks", "--out", "out", "--format", "openvino"),
        main="out/blocks.xml",
        imports=_ONNX,
        writers=(("openvino", "save_model", 1),),
    ),
}


def write_inputs(folder: Path) -> Path:
    """Write what the commands work on below a folder, and return it."""
    from carseg.hub.manifest import Manifest

    from color_hub import photo, write_model

    write_model(folder / "hub")
    photo(folder / "in/a.png")
    photo(folder / "in/sub/b.jpg", 64, 48)
    write_clip(folder / "drive.mp4", clip(6))
    for split, names in (("train", ["a", "b"]), ("val", ["c"])):
        index_folder(folder / "data" / split, names)
    index_folder(folder / "few", ["a", "b", "c", "d"])
    for data in ("data", "few"):
        (folder / data / "classes.txt").write_text("ground\nleft_door\nright_door\n")
    names = ("my-unet", "your-unet")
    for name in names:
        put(folder / "checkout/weights", name=name)
    Manifest(hubs=(), models={name: info_of(name=name) for name in names}).save(
        folder / "checkout/weights_manifest.json"
    )
    return folder


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the files of a hub from a process of its own, and yield the address: who forks should have no threads."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        with Server() as server:
            for file in folder.glob("*/*"):
                server.files[f"/{file.relative_to(folder).as_posix()}"] = file.read_bytes()
            os.write(writing, server.url.encode())
            os.close(writing)
            signal.pause()
        os._exit(0)
    try:
        os.close(writing)
        yield os.read(reading, 1000).decode()
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(reading)


def arguments(argv: tuple[str, ...], inputs: Path, address: str) -> list[str]:
    """Return the arguments of a command with the places in them."""
    return [part.format(inputs=inputs, server=address) for part in argv]
