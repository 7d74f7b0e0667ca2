"""A folder of images and their labels in one format, filled image by image; ``carseg.data.load`` reads it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from carseg._files import replacing
from carseg.data.formats import WRITERS
from carseg.data.formats._base import images_below
from carseg.data.formats._class_files import JSON_FILE
from carseg.data.formats._documents import read_json
from carseg.data.formats._writing import (
    LabeledImage,
    SegmentedImage,
    Writer,
    of_mask,
    of_result,
    write_json,
    write_png,
)
from carseg.errors import DataError, OptionError
from carseg.images import exif_transpose, open_image
from carseg.labels import LabelSet

_OTHER_NAMES = {"png": "masks"}  # what was written by that name before there were others


def writer_of(format: str) -> type[Writer]:
    """Return what writes a format.

    Raises:
        OptionError: there is no such format, or it is only read.
    """
    name = _OTHER_NAMES.get(format, format)
    if name not in WRITERS:
        raise OptionError(f"can write {', '.join((*WRITERS, *_OTHER_NAMES))}, not {format!r}")
    return WRITERS[name]


class LabeledFolder:
    """Writes images and labels of one split; used as ``with LabeledFolder(...) as folder``.

    OUT/[SPLIT/]images/NAME.*    the images: copied, or written anew as PNG where an EXIF flag turns them
    OUT/[SPLIT/]...              the labels, where the format has them
    OUT/labels.json              the label set

    Args:
        root: the folder; it is expected to appear as a whole.
        labels: the classes.
        format: one that ``writer_of`` knows.
        split: its name, "" where there are no splits.
        tolerance: of outlines in pixels, as for ``carseg.masks.coverage.simplify``.
        more: the folder has labelled images of this format already, to which others are added.
    """

    def __init__(
        self,
        root: Path,
        labels: LabelSet,
        format: str,
        *,
        split: str = "",
        tolerance: float | None = 0,
        more: bool = False,
    ) -> None:
        self.root = root
        self.labels = labels
        self.tolerance = tolerance
        self.writer = writer_of(format)(root / split, labels, split)
        self._images = root / split / self.writer.IMAGES
        if more:
            self.writer.go_on()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self.writer.discard()
            return
        self.writer.close()
        write_json(self.root / JSON_FILE, described(self.labels), indent=1)

    def add(self, name: str, image: Any, rgb: np.ndarray, labeled: SegmentedImage | np.ndarray) -> None:
        """Write an image and its labels; the arguments are those of ``add_image``."""
        self.add_labels(self.add_image(name, image, rgb, labeled))

    def add_image(self, name: str, image: Any, rgb: np.ndarray, labeled: SegmentedImage | np.ndarray) -> LabeledImage:
        """Write an image and return its labels for ``add_labels``; several threads may at once.

        Args:
            name: its path below the folder of images, without the extension.
            image: its file, which is copied where it is upright; else ``rgb`` is written.
            rgb: uint8 (H, W, 3).
            labeled: a result, or a mask, uint8 (H, W).
        """
        file = _write_image(self._images, name, image, rgb).relative_to(self._images).as_posix()
        if isinstance(labeled, np.ndarray):
            return of_mask(labeled, self.labels, file, self.tolerance)
        return of_result(labeled, file, self.tolerance)

    def add_labels(self, labels: LabeledImage) -> None:
        """Write the labels of an image that is written."""
        self.writer.add(labels)


def refuse_filled(root: Path, out: str | os.PathLike[str], split: str, labels: LabelSet, format: str) -> None:
    """Raise DataError where a folder holds a split already, or names other classes.

    Args:
        root: the folder.
        out: the folder as it was given, for the message; the other arguments are those of ``LabeledFolder``.
    """
    inner = writer_of(format).IMAGES
    place = root / split / inner
    if place.exists() if inner else place.is_dir() and images_below(place):
        raise DataError(f"{Path(out, split)} holds images already; write into a new folder")
    if (root / JSON_FILE).exists() and read_json(root / JSON_FILE) != described(labels):
        raise DataError(f"{Path(out, JSON_FILE)} already exists and names other classes; write into a new folder")


def refuse_own(root: Path, out: str | os.PathLike[str], files: Iterable[Path]) -> None:
    """Raise DataError where a file that is to be read lies in the folder that is to be written.

    Args:
        root: the folder's real path.
        out: the folder as it was given, for the message.
        files: what is read.
    """
    own = next((file for file in files if Path(os.path.realpath(file)).is_relative_to(root)), None)
    if own is not None:
        raise DataError(f"{out} holds {own}, which is to be read; write into a new folder")


def described(labels: LabelSet) -> dict[str, Any]:
    """Return a label set as ``labels.json`` has it."""
    return {
        "name": labels.name,
        "classes": list(labels.classes),
        "colors": [list(color) for color in labels.colors],
        "background": labels.background,
        "foreground": list(labels.foreground),
        "min_area": labels.min_area,
    }


def _write_image(folder: Path, name: str, image: Any, rgb: np.ndarray) -> Path:
    """Copy the file, or write the upright pixels where a reader without EXIF would see something else."""
    if isinstance(image, Path):
        with open_image(image) as opened:
            upright = exif_transpose(opened) is None
        path = folder / (name + image.suffix)
        if upright:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as partial:
                shutil.copyfile(image, partial)
            return path
    path = folder / f"{name}.png"
    write_png(path, Image.fromarray(rgb))
    return path
