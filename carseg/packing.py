"""A trained network as a hub entry: a folder with ``model.safetensors`` and the ``config.json`` that says all about
it.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from carseg import checkpoint
from carseg.architectures.network import Network
from carseg.atomic import replacing_folder
from carseg.integrity import hash_file
from carseg.manifest import CONFIG, Entry, Metric, write_config
from carseg.metrics import Scores

PROTOCOL = "original size, one confusion matrix, 255 ignored, 95 % bootstrap over pictures"


def pack(folder: Path, network: Network, entry: Entry, *, keep_float16: tuple[str, ...] = ()) -> Entry:
    """Writes a hub entry; one that is already there is replaced as a whole.

    Args:
        folder: becomes the entry's folder.
        network: whose weights are stored, as ``entry.storage`` says.
        entry: what is known about them; file, size, digest and number of parameters are filled in.
        keep_float16: names of tensors that int8 storage keeps in float16.

    Returns:
        The completed entry.
    """
    with replacing_folder(folder) as partial:
        file = partial / entry.file
        checkpoint.save(file, network, storage=entry.storage, keep_float16=keep_float16)
        training_only = tuple(f"{name}." for name in network.training_only)
        count = sum(p.numel() for key, p in network.named_parameters() if not key.startswith(training_only))
        entry = replace(entry, sha256=hash_file(file), bytes=file.stat().st_size, parameters=count)
        write_config(partial / CONFIG, entry)
    return entry


def metric(scores: Scores, dataset: str, split: str) -> Metric:
    """Measured scores as the manifest states them."""
    names = {f.name for f in fields(Metric)}
    figures = {k: v for k, v in scores.to_dict().items() if k in names and v not in (None, [None, None])}
    return Metric(dataset=dataset, split=split, protocol=PROTOCOL, **figures)
