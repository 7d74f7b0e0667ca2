"""YOLO's ``data.yaml``: the names of the classes, and where images and labels of each split lie."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from carseg.data.formats._base import (
    SPLIT_ORDER,
    SPLITS,
    exists,
    files_below,
    files_in,
    filled_lines,
    images_below,
    may_exist,
    subfolder,
)
from carseg.data.formats._class_files import Values
from carseg.data.formats._documents import brief, read_yaml
from carseg.data.formats._fields import at, class_name
from carseg.data.formats.masks import IMAGE_FOLDERS, MASK_SUFFIXES
from carseg.errors import DataError, excerpt
from carseg.labels import IGNORE

Files = dict[str, Path]

_log = logging.getLogger("carseg")

TEXTS = (".txt",)


@dataclass(frozen=True)
class Description:
    """The entries of a description, whose paths begin at ``folder``."""

    path: Path
    folder: Path
    entries: Mapping[str, Any]

    @property
    def masks_dir(self) -> str | None:
        """The folder that takes the place of "images" in the paths of label images; None: labels are text files."""
        stated = self.entries.get("masks_dir")
        if stated is not None and not isinstance(stated, str):
            raise DataError(f"{self.path} has masks_dir = {brief(stated)}, not a folder")
        if stated and not may_exist(self.folder / stated):
            raise DataError(f"{self.path} has masks_dir = {brief(stated)}, which no folder is called")
        return stated or None

    def names(self) -> Values:
        """Return the name of each class by its number, {} without any.

        Raises:
            DataError: they are neither a list nor numbered without gaps.
        """
        names = self.entries.get("names") or []
        if isinstance(names, dict):
            by_number = {int(n) if _is_number(str(n)) else n: name for n, name in names.items()}  # some are quoted
            if set(by_number) != set(range(len(names))):
                raise DataError(f"{self.path} numbers its classes {brief(list(names))}, not 0..{len(names) - 1}")
            names = [by_number[i] for i in range(len(names))]
        if not isinstance(names, list):
            raise DataError(f"{self.path} has names = {brief(names)}, not a list of classes")
        most = IGNORE if self.masks_dir else IGNORE - 1  # a background is put before the classes of polygons
        if len(names) > most:
            raise DataError(f"{self.path} names {len(names)} classes, of which a label takes {most} at most")
        with at(f"{self.path} has"):
            return {i: class_name(name, f"names[{i}]") for i, name in enumerate(names)}

    def places(self) -> tuple[dict[str, list[tuple[Files, Files]]], dict[str, dict[str, str]]]:
        """Return each split's images and labels by name, folder by folder or list by list; and what is not there.

        A test split may be without labels, or only be named: it is left out then.
        """
        places: dict[str, list[tuple[Files, Files]]] = {}
        missing: dict[str, dict[str, str]] = {}
        for split in SPLIT_ORDER:
            listed = self._stated(split)
            if listed and any(listed == self._stated(other) for other in places):  # as in Ultralytics' smallest sets
                _log.warning("%s has the same images for %s as for another split: it is left out", self.path, split)
                continue
            for place in listed:
                there = self._find(place)
                if there is not None and any(there == self.folder / end for end in _ends(place)):
                    _log.warning("%s names %s, which is not there: %s is read instead", self.path, place, there)
                if there is not None and there.is_file():
                    if there.suffix.lower() not in TEXTS:  # the error about a line in it would show any file's first
                        named = f"names {brief(place)} for {split}"
                        raise DataError(f"{self.path} {named}, which is neither a folder nor a list of images (.txt)")
                    places.setdefault(split, []).append(self._listed_in(there))
                elif there is not None and (split != "test" or self._labels_of(there).is_dir()):
                    prefix = f"{place.strip('./')}/" if len(listed) > 1 else ""  # a name may be in several of them
                    places.setdefault(split, []).append(below(there, self._labels_of(there), self._endings, prefix))
                elif split != "test":
                    reason = f"{self.path} names {place} for {split}, which is not there"
                    missing.setdefault(split, {})[place] = reason
        if not places:  # whatever it describes, it is not this folder
            return {}, {}
        return {split: places.get(split, []) for split in SPLIT_ORDER if split in places or split in missing}, missing

    @property
    def _endings(self) -> tuple[str, ...]:
        return MASK_SUFFIXES if self.masks_dir else TEXTS

    def _stated(self, split: str) -> list[str]:
        """Return the folders or lists of a split, which may be called in any of the usual ways."""
        keys = (split, *(key for key in SPLITS if SPLITS[key] == split))
        key = next((key for key in keys if self.entries.get(key)), split)
        stated = self.entries.get(key) or []
        listed = stated if isinstance(stated, list) else [stated]
        for place in listed:
            if not isinstance(place, str):
                raise DataError(f"{self.path} has {key} = {brief(stated)}, not a folder or a list of folders")
        return listed

    def _listed_in(self, file: Path) -> tuple[Files, Files]:
        """Return the images that a text file lists, and the labels that belong to them.

        CVAT writes ``data/`` before each, a folder that its archive has not.

        Raises:
            DataError: it lists one that is not there, or is no text.
        """
        images, labels = {}, {}
        try:
            lines = filled_lines(file.read_text("utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{file} cannot be read as a list of images: {error}") from None
        for line in lines:
            image = self._find(line, file.parent) or self._find(line.partition("/")[2] or line)
            if image is None:
                raise DataError(f"{file} lists {excerpt(line)}, which is not there")
            inside = image.relative_to(self.folder) if image.is_relative_to(self.folder) else image
            name, beside = inside.with_suffix("").as_posix(), self._labels_of(image)
            images[name] = image
            endings = (case for ending in self._endings for case in (ending, ending.upper()))
            label = next((path for ending in endings if (path := beside.with_suffix(ending)).is_file()), None)
            if label is not None:
                labels[name] = label
        return images, labels

    def _find(self, place: str, beside: Path | None = None) -> Path | None:
        """Return what a path of the description, or of a list, points to, None if there is nothing.

        Exporters write it relative to the entry ``path``, to this folder, or to the folder above; in the list
        ``beside`` which it stands, relative to that; or as a whole path on the machine that wrote it.
        """
        place = PureWindowsPath(place).as_posix()  # understands both kinds of slashes
        inside = place.removeprefix("../").removeprefix("./")
        root = self.folder / PureWindowsPath(str(self.entries.get("path") or "")).as_posix()
        candidates = [root / place, self.folder / place, self.folder / inside]
        candidates += [beside / place] if beside else []
        candidates += [self.folder / end for end in _ends(place)]
        # Not resolved: the labels of linked images lie beside the links.
        return next((Path(os.path.abspath(candidate)) for candidate in candidates if exists(candidate)), None)

    def _labels_of(self, place: Path) -> Path:
        """Return the path of a folder's or an image's labels: its last folder called like "images" is replaced."""
        parts = list(place.parts)
        for i in range(len(parts) - 1, -1, -1):
            if parts[i].lower() in IMAGE_FOLDERS:
                above = Path(*parts[:i])
                inner = Path(*parts[i + 1 :])
                name = self.masks_dir or "labels"
                if not (above / name).is_dir():  # Labels/ on Windows
                    return (subfolder(above, (name.lower(),)) or above / name) / inner
                return above / name / inner
        return place


def description(folder: Path, chosen: Path | None = None) -> Description | None:
    """Return the content of ``data.yaml``, or of another YAML file that names classes, or of the ``chosen`` one.

    Raises:
        DataError: it is ``data.yaml``, or chosen, and damaged; or there are several, and none is called so.
    """
    found = []
    there = sorted(files_in(folder, ".yaml", ".yml"), key=lambda path: path.name != "data.yaml")
    for path in [chosen] if chosen else there:
        usual = path.name == "data.yaml" or path == chosen
        try:
            entries = read_yaml(path)
        except DataError:
            if usual:
                raise
            continue
        if isinstance(entries, dict) and "names" in entries:
            found.append(Description(path, folder, entries))
            if usual:
                return found[0]
    fitting = [each for each in found if len(found) == 1 or each.places()[0]]
    if len(fitting) > 1:
        names = " and ".join(each.path.name for each in fitting)
        raise DataError(f"{folder} is described by {names}: open one of them, or call it data.yaml")
    return next(iter(fitting or found), None)


def below(
    image_root: Path, label_root: Path, endings: tuple[str, ...] = TEXTS, prefix: str = ""
) -> tuple[Files, Files]:
    """Return the images below a folder and the labels below another, by name."""
    images, labels = images_below(image_root), files_below(label_root, endings)
    return {prefix + name: path for name, path in images.items()}, {prefix + n: p for n, p in labels.items()}


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= len(str(IGNORE))


def _ends(place: str) -> Iterator[str]:
    """Yield the ends of a whole path, the longest first; of two names at least, since one may be anywhere."""
    if place.startswith("/") or PureWindowsPath(place).drive:
        parts = PurePosixPath(place).parts
        yield from ("/".join(parts[i:]) for i in range(1, len(parts) - 1))
