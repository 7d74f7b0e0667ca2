"""What a writer of a format is given of each image, and what writers share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, Self

import numpy as np
from PIL import Image

from carseg._files import replacing, to_json
from carseg.labels import IGNORE, Color, LabelSet
from carseg.masks import coverage, polygons

IGNORED = "ignore"  # what pixels that count for nothing are called where a format has shapes
_IGNORED_COLOR = (224, 224, 224)


@dataclass(frozen=True)
class Region:
    """Pixels of one class that are labelled together.

    Attributes:
        label: its label id; 255 where the pixels count for nothing.
        rings: its outlines, exact to the pixel.
        score: 0..1, None where no network made it.
    """

    label: int
    rings: Sequence[coverage.Ring]
    score: float | None = None


class _Piece(Protocol):
    @property
    def score(self) -> float | None: ...
    @property
    def polygons(self) -> list[coverage.Ring]: ...


class _Part(Protocol):
    @property
    def label(self) -> int: ...
    @property
    def pieces(self) -> Sequence[_Piece]: ...


class SegmentedImage(Protocol):
    """The fields of a result that are written; see ``carseg.Result``."""

    mask: Any
    source: str
    model: str
    labels: LabelSet

    @property
    def parts(self) -> Sequence[_Part]: ...


@dataclass(frozen=True)
class LabeledImage:
    """One image and its labels.

    Attributes:
        file: its path below the folder of images, with slashes.
        mask: uint8 (H, W), label ids, 255 where a pixel counts for nothing.
        labels: what the ids mean.
        regions: what is outlined: pieces of a result, or of each class of a mask.
        tolerance: of the outlines, as for ``coverage.simplify``.
        model: name of the network that made it, "" where none did.
    """

    file: str
    mask: np.ndarray
    labels: LabelSet
    regions: Sequence[Region]
    tolerance: float | None = 0
    model: str = ""

    @property
    def name(self) -> str:
        """The image's path without its extension."""
        return PurePosixPath(self.file).with_suffix("").as_posix()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.mask.shape[1], self.mask.shape[0]

    @cached_property
    def outlined(self) -> list[tuple[Region, list[coverage.Polygon]]]:
        """Each region with its polygons, simplified together."""
        simplified = coverage.simplify([region.rings for region in self.regions], self.tolerance)
        return list(zip(self.regions, simplified, strict=True))

    def rings(self) -> Iterator[tuple[Region, coverage.Ring]]:
        """Yield every polygon as one ring, with the region that it belongs to: for formats without holes."""
        for region, its_polygons in self.outlined:
            for polygon in its_polygons:
                yield region, coverage.joined(polygon)

    def class_of(self, region: Region) -> str:
        """Return the name of a region's class."""
        return IGNORED if region.label == IGNORE else self.labels.classes[region.label]


def of_result(result: SegmentedImage, file: str, tolerance: float | None) -> LabeledImage:
    """Return a result as it is written, each connected piece a region of its own."""
    regions = [Region(part.label, piece.polygons, piece.score) for part in result.parts for piece in part.pieces]
    return LabeledImage(file, result.mask, result.labels, regions, tolerance, result.model)


def of_mask(mask: np.ndarray, labels: LabelSet, file: str, tolerance: float | None) -> LabeledImage:
    """Return a mask as it is written: a region for all pixels of a class that touch by their sides."""
    present = [label for label in np.unique(mask).tolist() if label != labels.background]
    if labels.background is None:  # bare pixels are ignored
        present = [label for label in present if label != IGNORE]
    regions = [
        Region(label, polygon) for label in present for polygon in coverage.nested(polygons.rings(mask == label))
    ]
    return LabeledImage(file, mask, labels, regions, tolerance)


class Writer(ABC):
    """Writes the labels of one split in one format, image by image; the images themselves are put there by the caller.

    Args:
        folder: the split's folder; it appears as a whole, so that a new file need not be atomic. What is there already
            is never written to, as it may be linked: it is replaced.
        labels: the classes.
        split: its name, "" where there are no splits.
    """

    IMAGES = "images"  # where the images go, below the folder

    def __init__(self, folder: Path, labels: LabelSet, split: str = "") -> None:
        self.folder = folder
        self.labels = labels
        self.split = split

    def go_on(self) -> None:  # noqa: B027 - most have a file for each image
        """Take over what the folder has already, before the first image is added."""

    @abstractmethod
    def add(self, image: LabeledImage) -> None:
        """Write the labels of an image."""

    def close(self) -> None:  # noqa: B027 - some have nothing to do
        """Write what one file holds for all images."""

    def discard(self) -> None:  # noqa: B027
        """Close what is open, where the folder is not to be: writing has failed."""

    @classmethod  # noqa: B027
    def describe(cls, root: Path, writers: Sequence[Self]) -> None:
        """Write what one file holds for all splits, of which each has had a writer."""


class DocumentWriter(Writer):
    """Writes one text file for all images, piece by piece, so that memory does not grow with their number."""

    FILE = ""

    def __init__(self, folder: Path, labels: LabelSet, split: str = "") -> None:
        super().__init__(folder, labels, split)
        self._file: IO[str] | None = None
        self._between = ""  # what separates the next item of a list from the one before

    @property
    def file(self) -> IO[str]:
        """The file, begun with ``head`` when it is first used."""
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / self.FILE).unlink(missing_ok=True)
            self._file = (self.folder / self.FILE).open("w", encoding="utf-8", errors="surrogateescape")
            self._file.write(self.head())
        return self._file

    def write_item(self, item: Mapping[str, Any]) -> None:
        """Write the next item of the list, in JSON, that ``head`` has begun."""
        self.file.write(f"{self._between}\n{to_json(item)}")
        self._between = ","

    @abstractmethod
    def head(self) -> str:
        """Return what comes before the first image."""

    @abstractmethod
    def foot(self) -> str:
        """Return what comes behind the last image."""

    def close(self) -> None:
        with self.file as file:
            file.write(self.foot())

    def discard(self) -> None:
        if self._file is not None:
            self._file.close()


def classes_of(labels: LabelSet) -> dict[int, str]:
    """Return the classes that are outlined, all but the background, by label id."""
    return {label: name for label, name in enumerate(labels.classes) if label != labels.background}


def colors_by_name(labels: LabelSet) -> dict[str, Color]:
    """Return the classes with their colours, and that of pixels that count for nothing behind them."""
    return {**dict(zip(labels.classes, labels.colors, strict=True)), IGNORED: _IGNORED_COLOR}


def hex_color(color: Color) -> str:
    """Return a colour as web pages have it."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def write_text(path: Path, text: str) -> None:
    """Write a text file, and the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(text, "utf-8", "surrogateescape")


def write_json(path: Path, value: Any, *, indent: int | None = None) -> None:
    """Write a JSON file, and the folder that it is in."""
    write_text(path, to_json(value, indent=indent))


def write_png(path: Path, image: Image.Image) -> None:
    """Write a PNG, and the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        image.save(partial, format="PNG")
