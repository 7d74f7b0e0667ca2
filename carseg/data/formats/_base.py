"""The splits that readers of formats hand over, and the listing and pairing of files that readers share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from carseg._files import iter_files
from carseg.data.dataset import ImageSource, Label
from carseg.errors import DataError
from carseg.images import SUFFIXES
from carseg.labels import Color

SPLIT_ORDER = ("train", "val", "test")
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Item:
    """An image and its label, not read yet."""

    name: str
    image: Path | ImageSource
    label: Label


@dataclass(frozen=True)
class Found:
    """One split of a folder that a reader recognised.

    Attributes:
        format: the reader's name.
        records: images with their labels, by name.
        values: class name of each stored value, None for values to ignore, in the order the classes shall have;
            None where the folder says nothing about names (value i is then class i, 255 is ignored).
        colors: colour of each class name, {} where the folder gives none.
        maps: class maps that apply unless the caller's differs, by the name of the label set asked for, "" for none.
        problems: images without a label and labels without an image, name to reason.
        unlabeled: images without a label, by name, which are background where the caller says so; None where such an
            image is a mistake in any case.
        others: formats that recognise the folder too, where the reader was not named.
        evidence: what made the reader recognise it, where that was the content of labels and no name or class file.
    """

    format: str
    records: list[Item]
    values: Mapping[int, str | None] | None = None
    colors: Mapping[str, Color] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    unlabeled: Mapping[str, Path] | None = None
    others: tuple[str, ...] = ()
    evidence: str = ""


class Format(Protocol):
    """A way of storing labelled images.

    Attributes:
        NAME: the format's name.
        LAYOUT: what a folder of it holds, for the message where no format recognises one.
    """

    NAME: str
    LAYOUT: str

    def read(self, folder: Path) -> dict[str, Found] | None:
        """Return the splits of a folder by name ("" where it has none), None where this is not the folder's format.

        Raises:
            DataError: the folder is of this format, and cannot be used.
        """
        ...


class MovableFormat(Format, Protocol):
    """A format whose images and annotations may lie anywhere."""

    def read(
        self, folder: Path, images: Path | None = None, annotations: Path | None = None
    ) -> dict[str, Found] | None:
        """Return the splits as ``Format.read`` does, the folders given taking the place of the layout's own."""
        ...


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return a user's path from the root on: ``.`` and ``..`` have names then, and ``~`` is the home.

    Links are not followed: a linked folder is the split that it is called, and labels lie beside links to images.
    """
    return Path(os.path.abspath(os.path.expanduser(path)))


def exists(path: Path) -> bool:
    """Return whether there is such a file or folder; a path from a label file may be none at all."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def may_exist(path: Path) -> bool:
    """Return whether a file or folder could have this path: no zero in it, nor a name that is too long."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return True
    except (OSError, ValueError):
        return False
    return True


def files_in(folder: Path, *endings: str) -> list[Path]:
    """Return the visible files of a folder itself, sorted.

    macOS leaves a hidden ``._NAME`` beside each file on disks of other systems.
    """
    return sorted(path for ending in endings for path in folder.glob(f"[!.]*{ending}"))


def filled_lines(text: str) -> list[str]:
    """Return the lines that are not blank, without the spaces around them."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def files_below(folder: Path, suffixes: Iterable[str]) -> dict[str, Path]:
    """Return the visible files below a folder by their path without extension, sorted; equal stems keep theirs.

    Raises:
        DataError: a folder below it cannot be opened.
    """
    wanted = frozenset(suffixes)
    paths = (p for p in iter_files(folder, _refuse) if p.suffix.lower() in wanted and p.is_file())
    named: dict[str, list[Path]] = {}
    for path in sorted(paths):
        named.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    files = {}
    for name, same in named.items():
        files.update({name: same[0]} if len(same) == 1 else {name + path.suffix: path for path in same})
    return files


def _refuse(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):  # what is no folder holds no files
        raise DataError(f"{error.filename} cannot be opened ({error.strerror})") from None


def images_below(folder: Path) -> dict[str, Path]:
    """Return the image files below a folder by name, see ``files_below``."""
    return files_below(folder, SUFFIXES)


def pair(
    images: Mapping[str, Path],
    labels: Mapping[str, Path],
    make: Callable[[Path], Label],
    endings: Iterable[str] = ("",),
) -> tuple[list[Item], dict[str, str]]:
    """Return images with the label of the same name (plus one of ``endings``), and what has no partner, name to reason.

    Labels among the images, where both lie in one folder, are no images.
    """
    records, problems, used, files = [], {}, set(), set(labels.values())
    for name, image in images.items():
        if image in files:
            continue
        label = next((name + ending for ending in endings if name + ending in labels), None)
        if label is None:
            problems[name] = missing_label(image)
        else:
            used.add(label)
            records.append(Item(name, image, make(labels[label])))
    for name in sorted(labels.keys() - used):
        problems[name] = f"the label {labels[name]} has no image"
    return records, problems


def missing_label(image: Path) -> str:
    """Return the problem of an image without a label as a text."""
    return f"the image {image} has no label"


def maybe_background(image: Path) -> str:
    """Return the problem of an image without a label, in a format where that may mean nothing but background."""
    way = "background_images=True (--background-images on the command line) takes such images for background"
    return f"{missing_label(image)}; {way}"


def subfolder(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the first of these sub-folders that exists, whatever its case, None if none does."""
    if not folder.is_dir():
        return None
    present = {p.name.lower(): p for p in sorted(folder.iterdir()) if p.is_dir()}
    return next((present[name] for name in names if name in present), None)


def roots(
    folder: Path, image_names: Iterable[str], label_names: Iterable[str], images: Path | None, labels: Path | None
) -> tuple[Path | None, Path | None]:
    """Return the folders of images and of labels: the one given, else the sub-folder of such a name, None without one.

    Where only one of the two is given, the other may be the folder itself.
    """
    own = folder if images or labels else None
    return images or subfolder(folder, image_names) or own, labels or subfolder(folder, label_names) or own


def labeled_splits(
    images: Mapping[str, Path], labels: Mapping[str, Path], suffixes: Iterable[str]
) -> dict[str, tuple[Path, Path]]:
    """Return the folders of images and of labels of every split that has labels: files with one of these suffixes.

    Those of the validation split too where only the training split has some: a test split often has none, but
    validation images without labels are a mistake, which ``pair`` reports.
    """
    paired = {split: (images[split], labels[split]) for split in images if split in labels}
    paired = {split: folders for split, folders in paired.items() if files_below(folders[1], suffixes)}
    if "train" in paired and "val" in images and "val" not in paired:
        paired["val"] = (images["val"], labels.get("val", labels["train"].with_name(images["val"].name)))
    return paired


def folders_like_splits(folder: Path) -> list[Path]:
    """Return the sub-folders that are named like splits, in the order of the splits."""
    there = [p for p in folder.iterdir() if p.name.lower() in SPLITS and p.is_dir()]
    return sorted(there, key=lambda p: (SPLIT_ORDER.index(SPLITS[p.name.lower()]), p.name))


def split_folders(folder: Path) -> dict[str, Path]:
    """Return the sub-folders that are named like splits, by the split's canonical name.

    Raises:
        DataError: two of them are named like one split.
    """
    there: dict[str, Path] = {}
    for place in folders_like_splits(folder):
        other = there.setdefault(SPLITS[place.name.lower()], place)
        if other is not place:
            raise DataError(f"{folder} has two folders of one split, {other.name} and {place.name}: rename one of them")
    return there
