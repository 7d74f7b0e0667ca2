"""A data set decoded and resized once, as two memory-mapped arrays that training reads from."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import pickle
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from carseg._arrays import Uint8Array
from carseg._files import digest_file
from carseg.data.dataset import Sample
from carseg.errors import DataError


class Cache(NamedTuple):
    """The two arrays, mapped from the disk: images uint8 (N, 3, H, W) and masks uint8 (N, H, W)."""

    images: Uint8Array
    masks: Uint8Array


def build_cache(samples: Sequence[Sample], size: tuple[int, int], folder: Path, *, workers: int = 2) -> Cache:
    """Return every image and mask stretched to ``size`` (height, width), stored below ``folder``.

    A complete cache of the same images and labels is used as it is; where their content has changed since it was made,
    a warning says so, and it is made anew. Only one process at a time may build it.

    Raises:
        OSError: the disk has no room for it.
        ImageError, DataError: a sample cannot be used.
    """
    kind = f"{size[0]}x{size[1]}"
    key = f"{kind}-{_identity(samples, workers)}"
    images_path, masks_path = folder / f"{key}-images.npy", folder / f"{key}-masks.npy"
    if not masks_path.exists():  # the masks are put in place last
        folder.mkdir(parents=True, exist_ok=True)
        outdated = list(folder.glob(f"{kind}-*-*.npy"))
        if any(path.name.endswith("-masks.npy") for path in outdated):
            warnings.warn(f"images or labels have changed since {folder} was made: it is made anew", stacklevel=2)
        for path in (*outdated, *folder.glob(f".{kind}-*-*.npy")):  # the second: left by a process that was killed
            path.unlink()
        partial = [path.with_name(f".{path.name}") for path in (images_path, masks_path)]
        try:
            _fill(samples, size, partial[0], partial[1], workers)
            partial[0].replace(images_path)
            partial[1].replace(masks_path)
        finally:
            for path in partial:
                path.unlink(missing_ok=True)
    return Cache(np.load(images_path, mmap_mode="c"), np.load(masks_path, mmap_mode="c"))


def cache_bytes(count: int, size: tuple[int, int]) -> int:
    """Return the bytes on the disk that a cache of so many images of ``size`` (height, width) takes."""
    return count * 4 * size[0] * size[1]  # three channels and a label


def load_resized(sample: Sample, size: tuple[int, int]) -> tuple[Uint8Array, Uint8Array]:
    """Return an image uint8 (3, H, W) and its mask uint8 (H, W), stretched to ``size`` (height, width).

    The image is antialiased, the mask keeps the nearest label.

    Raises:
        ImageError, DataError: the sample cannot be used.
    """
    image = sample.open_image()
    nearest = Image.fromarray(sample.load_mask(*image.size)).resize((size[1], size[0]), Image.Resampling.NEAREST)
    return np.ascontiguousarray(image.resized(size).transpose(2, 0, 1)), np.array(nearest)


def _identity(samples: Sequence[Sample], workers: int) -> str:
    """Return a name for the content of the samples: their names, labels and files."""
    identity = hashlib.sha256()
    digest_once = functools.cache(_digest_input)  # a stack of images is one file
    with ThreadPoolExecutor(max(workers, 1)) as pool:  # reading and hashing work outside the interpreter lock
        for digest in pool.map(lambda sample: _digest(sample, digest_once), samples):
            identity.update(digest)
    return identity.hexdigest()[:16]


def _digest(sample: Sample, digest_input: Callable[[Path], bytes]) -> bytes:
    """Return a digest of a sample: its name, how it is read, and the content of the files it is read from."""
    files: list[Path] = []

    class Pickler(pickle.Pickler):
        """Notes the files instead of writing where they lie: a folder may be moved."""

        def persistent_id(self, value: object) -> str | None:
            if not isinstance(value, Path):
                return None
            files.append(value)
            return value.name

    written = io.BytesIO()
    try:
        Pickler(written).dump((sample.name, sample.image, sample.label, sample.table))
    except (pickle.PicklingError, AttributeError, TypeError):  # a caller's own way of reading, which cannot be written
        files.clear()
        written = io.BytesIO(b"".join(array.tobytes() for array in sample.load()))
    return hashlib.sha256(written.getvalue() + b"".join(map(digest_input, files))).digest()


def _digest_input(path: Path) -> bytes:
    try:
        return digest_file(path)
    except FileNotFoundError:
        return b""  # loading the sample will say what is missing
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _fill(samples: Sequence[Sample], size: tuple[int, int], images_path: Path, masks_path: Path, workers: int) -> None:
    count = len(samples)
    images = _allocate(images_path, (count, 3, *size))
    masks = _allocate(masks_path, (count, *size))

    def store(i: int) -> None:
        images[i], masks[i] = load_resized(samples[i], size)

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
