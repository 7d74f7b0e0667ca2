"""Pictures with label pictures of the same name: ``images/`` beside ``masks/``, index, palette or grey PNG.

A label picture's values are its palette indices, or its grey levels; 255 is ignored. Two-class folders whose masks hold
nothing but 0 and 255 mean class 1 by 255.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from carseg.data.found import Found, Record, files_below, pictures_below, split_folders, subfolder
from carseg.errors import DataError
from carseg.labels import IGNORE

IMAGE_FOLDERS = ("images", "image", "imgs", "img")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "gt")
MASK_SUFFIXES = (".png", ".gif", ".bmp", ".tif", ".tiff")
MASK_ENDINGS = ("", "_mask", "_label", "_labels", "_seg", "_gt", "_L", "_P")


@dataclass(frozen=True)
class MaskFile:
    """A label stored as a picture of class values."""

    path: Path

    def read(self, height: int, width: int) -> np.ndarray:
        return read_values(self.path)


def read_values(path: Path) -> np.ndarray:
    """Integer (H, W): palette indices or grey levels of a label picture.

    Raises:
        DataError: missing, broken, or coloured without a palette.
    """
    pixels = read_pixels(path)
    if pixels.ndim == 3:
        if not (pixels == pixels[..., :1]).all():
            raise DataError(f"{path} is coloured, but no file beside it says which colour is which class")
        pixels = pixels[..., 0]
    return pixels


def read_pixels(path: Path) -> np.ndarray:
    """A label picture as stored: integer (H, W), or uint8 (H, W, 3) where it is coloured; an alpha channel is dropped."""
    try:
        with Image.open(path) as picture:
            if picture.mode in ("RGBA", "LA", "CMYK", "YCbCr"):
                picture = picture.convert("L" if picture.mode == "LA" else "RGB")
            pixels = np.asarray(picture)
    except FileNotFoundError:
        raise DataError(f"there is no label {path}") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"the label {path} cannot be read: {error}") from None
    if pixels.dtype == bool:
        return pixels.astype(np.uint8)
    if pixels.dtype.kind not in "iu":
        raise DataError(f"the label {path} holds {pixels.dtype} numbers, not class ids")
    return pixels


def read_folder(folder: Path) -> dict[str, Found] | None:
    """``images/`` and ``masks/``, each perhaps with ``train/``, ``val/``, ``test/`` inside."""
    images, masks = subfolder(folder, IMAGE_FOLDERS), subfolder(folder, MASK_FOLDERS)
    if images is None or masks is None:
        return None
    if not files_below(masks, MASK_SUFFIXES):
        return None
    inner = split_folders(images)
    if not inner:
        return {"": _found(images, masks)}
    labels = split_folders(masks)
    return {split: _found(inner[split], labels[split]) for split in inner if split in labels}


def _found(images: Path, masks: Path) -> Found:
    records, problems = pair(pictures_below(images), files_below(masks, MASK_SUFFIXES), MaskFile)
    return Found("masks", records, problems=problems)


def pair(
    pictures: dict[str, Path], labels: dict[str, Path], make: Callable[[Path], MaskFile]
) -> tuple[list[Record], dict[str, str]]:
    """Pictures with the labels of the same name (or with one of ``MASK_ENDINGS``), and what stays without partner."""
    records, problems, used = [], {}, set()
    for name, picture in pictures.items():
        label = next((name + ending for ending in MASK_ENDINGS if name + ending in labels), None)
        if label is None:
            problems[name] = f"the picture {picture} has no label"
        else:
            used.add(label)
            records.append(Record(name, picture, make(labels[label])))
    for name in labels.keys() - used:
        problems[name] = f"the label {labels[name]} has no picture"
    return records, dict(sorted(problems.items()))


def scan_values(records: list[Record], limit: int | None = None) -> set[int]:
    """Values stored in the labels of these records, in at most ``limit`` of them evenly spread; broken ones are left out."""
    step = max(1, len(records) // limit) if limit else 1
    values: set[int] = set()
    for record in records[::step]:
        if isinstance(record.label, MaskFile):
            try:
                values.update(np.unique(record.label.read(0, 0)).tolist())
            except DataError:
                continue  # verify() and check() name it
        if limit and 1 in values:
            break
    return values


def stores_binary(records: list[Record]) -> bool:
    """Whether the labels hold nothing but 0 and 255, as far as 64 of them tell."""
    values = scan_values(records, limit=64)
    return IGNORE in values and values <= {0, IGNORE}
