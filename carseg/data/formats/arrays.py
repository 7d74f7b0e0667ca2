"""Images and labels as numpy arrays: ``.npy`` and ``.npz`` stacks, and one ``.npy`` per image.

    images.npy (N, H, W, 3) + labels.npy (N, H, W)     also x / y, train_images / train_labels; grey (N, H, W[, 1]);
                                                       one-hot labels (N, H, W, C)
    set.npz with two such arrays
    set.npy (N, H, W, 4), or one (H, W, 4) per image   the fourth channel is the label

Channels may stand before H and W too. Images are uint8, or floats in 0..1. Labels are whole numbers, or one-hot (the
largest channel wins, pixels without any are ignored). A file called train, val or test is that split.
"""

from __future__ import annotations

import functools
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from carseg.data.formats._base import SPLIT_ORDER, SPLITS, Found, Item, files_in
from carseg.errors import DataError, excerpt
from carseg.images import pixel_limit
from carseg.labels import IGNORE

NAME = "arrays"
LAYOUT = "*.npy or *.npz with images and labels"

_IMAGE_WORDS = frozenset(("x", "image", "images", "img", "imgs", "picture", "pictures", "rgb"))
_LABEL_WORDS = frozenset(("y", "label", "labels", "mask", "masks", "seg", "target", "targets", "gt"))

_FARTHEST = 1 << 31  # far outside of 0..255, and within what every number can be


@dataclass(frozen=True)
class Array:
    """One array of a file: ``key`` inside an ``.npz``, "" for ``.npy``; ``index`` of a stack, None for the whole."""

    path: Path
    key: str = ""
    index: int | None = None

    def __str__(self) -> str:
        return f"{self.path} {self.key}".strip()

    def values(self) -> np.ndarray:
        """Return this image's array, channels last."""
        whole = _load(self.path, self.key)
        if whole.dtype.kind not in "biuf":
            raise DataError(f"{self} holds {whole.dtype} values, no numbers")
        return _channels_last(np.asarray(whole if self.index is None else whole[self.index]))


@dataclass(frozen=True)
class ArrayImage:
    """An array's first three channels, or its only one as grey."""

    array: Array

    def read(self) -> np.ndarray:
        pixels = self.array.values()
        if pixels.ndim == 2 or pixels.shape[2] == 1:
            pixels = np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
        if pixels.shape[2] not in (3, 4):
            raise DataError(f"{self.array.path} holds images of {pixels.shape[2]} channels")
        pixels = pixels[..., :3]
        if pixels.dtype == np.uint8:
            return np.ascontiguousarray(pixels)
        whole = pixels.dtype.kind in "iu" and pixels.min() >= 0 and pixels.max() <= 255
        unit = pixels.dtype.kind == "f" and pixels.min() >= 0 and pixels.max() <= 1
        if not (whole or unit):
            raise DataError(
                f"{self.array.path} holds {pixels.dtype} images outside 0..{1 if pixels.dtype.kind == 'f' else 255}"
            )
        return np.rint(pixels * 255 if unit else pixels).astype(np.uint8)


@dataclass(frozen=True)
class ArrayLabel:
    """A label array (H, W), one-hot (H, W, C), or the last channel of an array of image and label."""

    array: Array
    last_channel: bool = False

    def read(self, height: int, width: int) -> np.ndarray:
        values = self.array.values()
        if self.last_channel:
            values = values[..., -1]
        if values.ndim == 3 and values.shape[2] > 1:
            if values.dtype.kind == "f" or (np.count_nonzero(values, axis=2) <= 1).all():
                return np.where(values.any(axis=2), values.argmax(axis=2), IGNORE)
            if (values != values[..., :1]).any():
                raise DataError(f"{self.array.path} holds labels that are neither one number per pixel nor one-hot")
            values = values[..., 0]  # grey, as image readers give it
        values = values.reshape(values.shape[:2])
        if values.dtype == bool or values.dtype.kind in "iu":
            return values.astype(np.uint8) if values.dtype == bool else values
        if not (np.isfinite(values).all() and (values == np.rint(values)).all()):
            raise DataError(f"{self.array.path} holds labels that are no whole numbers")
        return values.clip(-_FARTHEST, _FARTHEST).astype(np.int64)


def read(folder: Path) -> dict[str, Found] | None:
    """Return the arrays of a folder (or of one file) as splits."""
    files = [folder] if folder.is_file() else files_in(folder, ".npy", ".npz")
    arrays: list[Array] = []
    problems: dict[str, str] = {}
    for path in files:
        try:
            arrays += [Array(path, key) for key, shape in _shapes(path).items() if len(shape) > 2]
        except DataError as error:
            problems[path.stem] = str(error)
    if not arrays and not problems:
        return None
    if arrays and all(
        array.path.suffix == ".npy" and len(_shape(array)) == 3 and _combined(_shape(array)) for array in arrays
    ):
        records = [Item(a.path.stem, ArrayImage(a), ArrayLabel(a, last_channel=True)) for a in arrays]
        return {"": Found(NAME, records, problems=problems)}
    if problems:
        raise DataError("; ".join(problems.values()))
    found: dict[str, list[Item]] = {}
    roles: dict[tuple[str, str], Array] = {}  # images and labels of each split; a stack of both is both
    for array in arrays:
        words = f"{array.path.stem}_{array.key}".lower().replace("-", "_").split("_")
        split = next((SPLITS[word] for word in words if word in SPLITS), "")
        role = "image" if _IMAGE_WORDS & {*words} else "label" if _LABEL_WORDS & {*words} else ""
        if not role and not (_combined(_shape(array)) and len(_shape(array)) == 4):
            raise DataError(f"{array}: not clear whether it holds images or labels; name it images or labels")
        for held in (role,) if role else ("image", "label"):
            first = roles.setdefault((split, held), array)
            if first is not array:
                raise DataError(f"{first} and {array} both hold {held}s of one split; join them, or name their splits")
    for (split, role), array in roles.items():
        needed = "label" if role == "image" else "image"
        other = roles.get((split, needed))
        if other is None or _shape(other)[0] != _shape(array)[0]:
            raise DataError(f"{array} has no {needed}s array of the same length beside it")
        if _sides(other) != _sides(array):  # before any of it is read: the larger may fill the memory
            sizes = " and ".join(f"{_sides(each)[1]}x{_sides(each)[0]}" for each in (array, other))
            raise DataError(f"{array} and {other} hold {role}s and {needed}s of different sizes, {sizes} pixels")
        _refuse_large(array)
        if role == "image":
            found[split] = [
                Item(name, ArrayImage(replace(array, index=i)), ArrayLabel(replace(other, index=i), other is array))
                for i, name in enumerate(_names(array))
            ]
    return {split: Found(NAME, found[split]) for split in ("", *SPLIT_ORDER) if split in found} or None


def _refuse_large(array: Array) -> None:
    """Raise DataError where the images or labels of a stack have more pixels than any image may have."""
    (height, width), limit = _sides(array), pixel_limit()
    if limit is not None and height * width > limit:
        raise DataError(
            f"{array} holds {width}x{height} pixels per image, more than {limit}; if that is right, raise "
            "CARSEG_MAX_PIXELS"
        )


def _names(array: Array) -> list[str]:
    return [f"{i:06d}" for i in range(_shape(array)[0])]


def _shape(array: Array) -> tuple[int, ...]:
    return _shapes(array.path)[array.key]


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays in a file by their keys, "" in an ``.npy``."""
    return _of_file(_shapes_once, path, "")


def _sides(array: Array) -> tuple[int, ...]:
    """Return height and width of the images or labels of a stack."""
    inner = _shape(array)[1:]
    return inner[1:] if len(inner) == 3 and inner[0] < min(inner[1:]) else inner[:2]


def _load(path: Path, key: str) -> np.ndarray:
    """Return the array of a file, mapped where the file allows it; pickled arrays are refused."""
    return _of_file(_load_once, path, key)


def _of_file(read: Callable[[Path, str, int, int], Any], path: Path, key: str) -> Any:
    """Return what ``read`` gives for an array of a file, in its present state."""
    try:
        state = path.stat()
        return read(path, key, state.st_mtime_ns, state.st_size)
    except MemoryError:
        raise DataError(f"{path} does not fit into memory: split it into several files") from None
    except Exception as error:  # a broken file: OSError, zlib.error, whatever unpacking raises
        raise DataError(f"{path} is no numpy array: {excerpt(str(error)) or type(error).__name__}") from None


@functools.lru_cache(maxsize=64)
def _shapes_once(path: Path, key: str, changed: int, size: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all arrays; those in an archive are not unpacked, but must announce what is packed there."""
    if path.suffix != ".npz":
        return {"": tuple(np.load(path, mmap_mode="r").shape)}
    with zipfile.ZipFile(path) as archive:  # opened once, as that takes its time where it has many members
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        return {member.filename.removesuffix(".npy"): _packed_shape(archive, member) for member in members}


def _packed_shape(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[int, ...]:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read_header(file)
        packed = member.file_size - file.tell()
    if kind.hasobject or min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != packed:
        sizes = excerpt("x".join(map(str, shape)))
        raise ValueError(f"{excerpt(member.filename)} announces {sizes} {kind} numbers, and holds {packed} bytes")
    return shape


@functools.lru_cache(maxsize=8)
def _load_once(path: Path, key: str, changed: int, size: int) -> np.ndarray:
    """Return the array of a file, cached until the file changes.

    Reading from the mapping of a file that has been cut short would end the process.
    """
    if key:
        with np.load(path) as archive:
            return np.asarray(archive[key])
    return np.load(path, mmap_mode="r")


def _combined(shape: tuple[int, ...]) -> bool:
    return shape[-1] == 4 or shape[-3] == 4


def _channels_last(array: np.ndarray) -> np.ndarray:
    """Return (C, H, W) with few channels as (H, W, C), every other array as it is."""
    if array.ndim == 3 and array.shape[0] < min(array.shape[1:]):
        return np.moveaxis(array, 0, -1)
    return array
