"""Saving of a trained network as a hub entry: a folder with ``model.safetensors`` and ``config.json``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from carseg._files import replacing_folder
from carseg.architectures import Network
from carseg.hub.checkpoint import save_state
from carseg.hub.manifest import CONFIG, write_config
from carseg.hub.model_info import ModelInfo
from carseg.hub.verify import hash_file


def save_model(folder: Path, network: Network, info: ModelInfo, *, keep_float16: tuple[str, ...] = ()) -> ModelInfo:
    """Write a hub entry; one that is already there is replaced as a whole.

    Args:
        folder: becomes the entry's folder.
        network: the network whose weights are stored, as ``info.storage`` says.
        info: what is known about them; size, digest and number of parameters are filled in.
        keep_float16: names of tensors that "int8" stores as float16 instead.

    Returns:
        The completed ``info``.
    """
    with replacing_folder(folder) as partial:
        file = partial / info.file
        save_state(file, network, storage=info.storage, keep_float16=keep_float16)
        training_only = tuple(f"{name}." for name in network.training_only)
        count = sum(p.numel() for key, p in network.named_parameters() if not key.startswith(training_only))
        info = replace(info, sha256=hash_file(file), bytes=file.stat().st_size, parameters=count)
        write_config(partial / CONFIG, info)
    return info
