"""Entries and files of made-up models, for tests of code that handles weights without looking into them."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from carseg.hub.manifest import ROOT, write_config
from carseg.hub.model_info import ModelInfo

CONTENT = random.Random(0).randbytes(200_000)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILE = "/hub/my-unet/model.safetensors"  # where the test server has CONTENT


def example() -> dict[str, Any]:
    """Return a valid ``ModelInfo`` as JSON has it."""
    return {
        "architecture": "unet",
        "labels": "carvana",
        "file": "model.safetensors",
        "sha256": "0" * 64,
        "bytes": 1000,
        "parameters": 2000,
        "storage": "int8",
        "input": {"size": [320, 480], "mean": [0.5, 0.5, 0.5], "std": [1, 1, 1], "resize": "fit", "multiple": 32},
        "licence": "research only",
        "commercial_use": "no",
        "recipe": "recipes/unet-carvana.py",
        "code_commit": "abc",
        "paper": "",
        "made_by": "the carseg project",
        "data": [{"name": "c", "split": "train", "images": 872, "licence": "research", "role": "training"}],
        "metrics": [
            {
                "dataset": "carvana",
                "split": "test",
                "images": 128,
                "protocol": "original size",
                "miou": 0.98,
                "miou_ci": [0.97, 0.99],
                "per_class": {"background": 0.99, "car": None},
            }
        ],
    }


def info_of(content: bytes = CONTENT, name: str = "my-unet") -> ModelInfo:
    return ModelInfo.from_dict(
        name, {**example(), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    )


def put(folder: Path, content: bytes = CONTENT, name: str = "my-unet") -> Path:
    """Write a model into a folder as a hub has it and return the weights file."""
    (folder / name).mkdir(parents=True)
    write_config(folder / name / "config.json", info_of(content, name))
    (folder / name / "model.safetensors").write_bytes(content)
    return folder / name / "model.safetensors"


def start(code: str, *, cwd: Path | None = None, **variables: str) -> subprocess.Popen[str]:
    """Start another process, with the cache of this test."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=cwd, **pipes)  # type: ignore[call-overload]
