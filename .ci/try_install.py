#!/usr/bin/env python3
"""What an installed carseg must be able to do, tried in an empty folder: no checkout, and no network.

    python .ci/try_install.py IMAGE

Predicts, reports and fine-tunes for one epoch on drawn labels; exports to ONNX where the extra `onnx` is installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from shutil import copy

from PIL import Image, ImageDraw


def carseg(*arguments: str) -> str:
    """Returns what a command prints, or exits with it."""
    done = subprocess.run([sys.executable, "-m", "carseg", *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"carseg {' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}")
    print(f"   carseg {' '.join(arguments)}", flush=True)
    return done.stdout


def draw_labelled(folder: Path) -> None:
    """Draws four images of a rectangle on grey with their masks."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    (folder / "classes.txt").write_text("background\nbox\n", "utf-8")
    for i in range(4):
        for name, mode, ground, box in (("images", "RGB", "gray", "navy"), ("masks", "L", 0, 1)):
            image = Image.new(mode, (96, 64), ground)
            ImageDraw.Draw(image).rectangle((8 * i, 10, 8 * i + 40, 50), fill=box)
            image.save(folder / name / f"{i}.png")


def main(picture: Path) -> None:
    """Runs the commands in the working folder."""
    Path("images").mkdir()
    copy(picture, "images/car.jpg")
    assert "wheel" in carseg("predict", "images/car.jpg")
    with Image.open("images/car.jpg") as image, Image.open("carseg-out/car.mask.png") as mask:
        assert mask.size == image.size and len(mask.getcolors()) > 5, "the mask does not fit the image"
    lines = carseg("predict", "images", "--format", "json", "--out", "again").splitlines()
    assert [json.loads(line) for line in lines]
    carseg("report", "images", "--out", "report")
    assert json.loads(Path("report/report.json").read_text("utf-8"))
    draw_labelled(Path("labelled"))
    carseg("finetune", "fpn-mobilenetv2-carparts", "labelled", "--out", "run", "--epochs", "1", "--size", "64x96")
    carseg("predict", "images/car.jpg", "--model", "run", "--out", "tuned")
    if all(map(find_spec, ("onnx", "onnxruntime", "onnxscript"))):
        carseg("export", "fpn-mobilenetv2-carparts", "--out", "exported")
        assert list(Path("exported").glob("*.onnx"))


if __name__ == "__main__":
    given = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["CARSEG_CACHE"] = str(Path(folder, "cache"))
        main(given)
        os.chdir(given.parent)  # Windows removes no folder that is worked in
