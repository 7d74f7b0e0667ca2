"""Saving of a trained network as a hub entry: a folder with ``model.safetensors`` and ``config.json``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Literal

from carseg._files import replacing_folder
from carseg.architectures import Network
from carseg.hub.checkpoint import save_state
from carseg.hub.manifest import CONFIG, write_config
from carseg.hub.model_info import Int8, Metric, ModelInfo, Provenance
from carseg.hub.verify import hash_file

FILE = "model.safetensors"


def save_model(
    folder: Path,
    network: Network,
    provenance: Provenance,
    *,
    storage: Literal["int8", "float16", "float32"] = "float32",
    keep_float16: tuple[str, ...] = (),
    metrics: tuple[Metric, ...] = (),
    int8: Int8 | None = None,
) -> ModelInfo:
    """Write a hub entry; one that is already there is replaced as a whole.

    Args:
        folder: becomes the entry's folder.
        network: the network whose weights are stored.
        provenance: what is known about them; of a ``ModelInfo`` nothing that is about its own file or was measured
            goes over to the new one.
        storage: how most tensors are stored.
        keep_float16: names of tensors that "int8" stores as float16 instead.
        metrics: what was measured of these weights.
        int8: their ranges for computing in int8.

    Returns:
        Everything that is known about the file.
    """
    known = {each.name: getattr(provenance, each.name) for each in fields(Provenance)}
    with replacing_folder(folder) as partial:
        file = partial / FILE
        save_state(file, network, storage=storage, keep_float16=keep_float16)
        training_only = tuple(f"{name}." for name in network.training_only)
        info = ModelInfo(
            **known,
            file=FILE,
            sha256=hash_file(file),
            bytes=file.stat().st_size,
            parameters=sum(p.numel() for key, p in network.named_parameters() if not key.startswith(training_only)),
            storage=storage,
            metrics=metrics,
            int8=int8,
        )
        write_config(partial / CONFIG, info)
    return info
