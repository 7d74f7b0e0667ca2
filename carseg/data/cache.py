"""A data set decoded and resized once, as two memory-mapped arrays that training reads from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from carseg._arrays import Uint8Array
from carseg.data.dataset import Sample
from carseg.images import resize


class Cache(NamedTuple):
    """The two arrays, mapped from the disk: images uint8 (N, 3, H, W) and masks uint8 (N, H, W)."""

    images: Uint8Array
    masks: Uint8Array


def build_cache(samples: Sequence[Sample], size: tuple[int, int], folder: Path, *, workers: int = 2) -> Cache:
    """Return every image and mask stretched to ``size`` (height, width), stored below ``folder``.

    Images are antialiased, masks keep the nearest label. A complete cache of samples of the same names and classes is
    used as it is: delete the folder if their files have changed. Only one process at a time may build it.

    Raises:
        OSError: the disk has no room for it.
        ImageError, DataError: a sample cannot be used.
    """
    identity = hashlib.sha256(repr(size).encode())
    for sample in samples:
        identity.update(sample.name.encode() + sample.table.tobytes())
    key = identity.hexdigest()[:16]
    images_path, masks_path = folder / f"{key}-images.npy", folder / f"{key}-masks.npy"
    if not masks_path.exists():  # the masks are put in place last
        folder.mkdir(parents=True, exist_ok=True)
        partial = [path.with_name(f".{path.name}") for path in (images_path, masks_path)]
        try:
            _fill(samples, size, partial[0], partial[1], workers)
            partial[0].replace(images_path)
            partial[1].replace(masks_path)
        finally:
            for path in partial:
                path.unlink(missing_ok=True)
    return Cache(np.load(images_path, mmap_mode="c"), np.load(masks_path, mmap_mode="c"))


def _fill(samples: Sequence[Sample], size: tuple[int, int], images_path: Path, masks_path: Path, workers: int) -> None:
    count = len(samples)
    images = _allocate(images_path, (count, 3, *size))
    masks = _allocate(masks_path, (count, *size))

    def store(i: int) -> None:
        rgb, mask = samples[i].load()
        images[i] = resize(rgb, size).transpose(2, 0, 1)
        masks[i] = np.asarray(Image.fromarray(mask).resize((size[1], size[0]), Image.Resampling.NEAREST))

    with ThreadPoolExecutor(max(workers, 1)) as pool:  # Pillow decodes and resizes outside the interpreter lock
        list(pool.map(store, range(count)))  # raises what a thread raised
    images.flush()
    masks.flush()


def _allocate(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """Return a memory-mapped array whose room on the disk is reserved.

    Writing into a mapping on a full disk would kill the process.
    """
    array: np.memmap[Any, np.dtype[np.uint8]] = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
