"""A hub for benchmarks: one sound model and one whose file was damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from carseg.hub.create import create_model
from carseg.hub.model_info import InputSpec, ModelInfo
from carseg.hub.save import save_model
from carseg.labels import label_set

from entries import example

LABELS = label_set("doors", ("background", "left_door", "right_door"))
ARCHITECTURE = "lraspp-mobilenetv2"
QUICK = {"device": "cpu", "runtime": "torch", "threads": 1, "seconds": 0.05}


def info_of(name: str, architecture: str = ARCHITECTURE, size: tuple[int, int] = (64, 64)) -> ModelInfo:
    spec = InputSpec(size=size, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    changes = {"architecture": architecture, "labels": LABELS, "storage": "float32", "input": spec, "metrics": ()}
    return replace(ModelInfo.from_dict(name, example()), **changes)


def write_hub(folder: Path) -> Path:
    """Write the models ``doors`` and ``damaged`` into a folder and return it."""
    torch.manual_seed(0)
    for name in ("doors", "damaged"):
        save_model(folder / name, create_model(ARCHITECTURE, len(LABELS)), info_of(name))
    (folder / "damaged" / "model.safetensors").write_bytes(b"no weights")
    return folder
