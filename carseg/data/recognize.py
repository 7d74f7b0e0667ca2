"""Which format a folder of labelled images is in, where the caller does not say it, and where its files lie."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from carseg.data.formats import ELSEWHERE, FORMATS, Format, arrays, coco, yolo
from carseg.data.formats._base import (
    SPLITS,
    Found,
    absolute,
    folders_like_splits,
    images_below,
    maybe_background,
    missing_label,
    split_folders,
)
from carseg.data.nearest import nearest
from carseg.errors import DataError, OptionError, unknown_name

AUTO = "auto"

StrPath = str | os.PathLike[str]

_log = logging.getLogger("carseg")


def recognize(
    path: StrPath, *, format: str = AUTO, images: StrPath | None = None, annotations: StrPath | None = None
) -> dict[str, Found]:
    """Return the splits of a folder by name, "" where it has none; see ``carseg.data.load`` for the arguments.

    Raises:
        DataError: there is no such folder, or no reader knows it; the message names what was looked for.
        OptionError: ``images`` or ``annotations`` for a format whose files lie in places of its own.
        UnknownNameError: there is no such format.
    """
    folder = absolute(path)
    forms = _named(format)
    if not folder.exists():
        raise DataError(f"there is no folder {folder}")
    if folder.is_file():
        forms = [_format_of(folder, forms)]
    if images is not None or annotations is not None:
        forms = _with_files_elsewhere(forms)
    if folder.is_file():
        return _read_file(folder, forms[0], images, annotations)
    parts = _ask(folder, forms, images, annotations)
    if "" in parts:
        _refuse_splits_below(folder, parts[""], forms, images, annotations)
    places = split_folders(folder) if not parts else {}
    for split, place in places.items():
        found = _ask(place, forms, images, annotations)
        if list(found) == [""]:
            parts[split] = found[""]
    if "train" in parts and "val" in places and "val" not in parts:  # a test split often has no labels, this one should
        parts["val"] = _without_labels(parts["train"], images_below(places["val"]))
    if parts and places and images is None and annotations is None:
        _say_what_lies_beside(folder, forms)
    if not parts:
        _refuse_missing((folder, *places.values()), images, annotations)
        raise DataError(_unknown(folder, forms, guessed=format == AUTO))
    _say_what_else(folder, parts)
    return parts


def is_description(place: Path) -> bool:
    """Return True for YOLO's ``data.yaml``, which stands for its folder."""
    return place.suffix.lower() in (".yaml", ".yml")


def _named(name: str) -> Sequence[Format]:
    known = {form.NAME: form for form in FORMATS}
    name = name.replace("-", "_")  # as it is called where it is written
    if name == AUTO:
        return FORMATS
    if name not in known:
        raise unknown_name("format of labelled images", name, (AUTO, *known))
    return [known[name]]


def _with_files_elsewhere(forms: Sequence[Format]) -> Sequence[Format]:
    able = [form for form in forms if form in ELSEWHERE]
    if not able:
        names = ", ".join(form.NAME for form in ELSEWHERE)
        raise OptionError(
            f"the format {forms[0].NAME} has its files in places of its own, {forms[0].LAYOUT}: "
            f"images and annotations are for {names}"
        )
    return able


def _format_of(file: Path, forms: Sequence[Format]) -> Format:
    """Return the format of a single file, by its ending."""
    form: Format = yolo if is_description(file) else coco if file.suffix == ".json" else arrays
    if form not in forms:
        raise DataError(
            f"{file} cannot be read as {forms[0].NAME}, which expects {forms[0].LAYOUT}; "
            f"a single {file.suffix or 'file'} is read as {form.NAME}"
        )
    return form


def _read_file(file: Path, form: Format, images: StrPath | None, annotations: StrPath | None) -> dict[str, Found]:
    _refuse_missing((file.parent,), images, annotations)
    image_root, note_root = _at(file.parent, images), _at(file.parent, annotations)
    if form is coco:
        if note_root is not None:
            raise OptionError(f"{file} holds the annotations: give its folder instead, to have them elsewhere")
        return {"": coco.read_file(file, image_root)}
    if form is yolo:
        described = yolo.read(file.parent, image_root, note_root, chosen=file)
        if not described:
            raise DataError(f"{file} names no classes, or no folders of images and labels that are there")
        return described
    found = arrays.read(file)
    if not found:
        raise DataError(f"{file} is neither a folder, nor a COCO .json file, nor a numpy .npy or .npz file")
    return found


def _ask(
    folder: Path, forms: Sequence[Format], images: StrPath | None, annotations: StrPath | None
) -> dict[str, Found]:
    """Return what the first format that recognises a folder finds there, with the names of the others that do."""
    places = _at(folder, images), _at(folder, annotations)
    for number, form in enumerate(forms, start=1):
        found = _read(form, folder, *places)
        if found:
            others = _fitting(folder, forms[number:], *places)
            return {
                split: replace(part, others=tuple(name for name in others if name != part.format))
                for split, part in found.items()
            }
    return {}


def _refuse_splits_below(
    folder: Path, part: Found, forms: Sequence[Format], images: StrPath | None, annotations: StrPath | None
) -> None:
    """Raise DataError where a folder that is called like a split holds labelled images that ``part`` does not."""
    read = {record.image for record in part.records}
    for place in folders_like_splits(folder):
        for below in _readable(place, forms, images, annotations).values():
            if any(record.image not in read for record in below.records):
                raise DataError(
                    f"{folder} holds labelled images ({part.format}), and so does its folder {place.name} "
                    f"({below.format}), which would not be read: open one of the two, or put all into folders of splits"
                )


def _say_what_lies_beside(folder: Path, forms: Sequence[Format]) -> None:
    """Log which folders beside those of splits hold labelled images too."""
    others = (place for place in sorted(folder.glob("[!.]*")) if place.name.lower() not in SPLITS and place.is_dir())
    left = [place.name for place in others if _readable(place, forms)]
    if left:
        _log.warning(
            "of %s the folders of splits are read; %s, which holds labelled images too, is not: open it by itself, or "
            "call it as a split",
            folder,
            " or ".join(left),
        )


def _readable(
    place: Path, forms: Sequence[Format], images: StrPath | None = None, annotations: StrPath | None = None
) -> dict[str, Found]:
    """Return what a folder holds, {} where that cannot be read."""
    try:
        return _ask(place, forms, images, annotations)
    except DataError:
        return {}


def _without_labels(part: Found, images: Mapping[str, Path]) -> Found:
    """Return a split like ``part`` of images that all lack a label."""
    if part.unlabeled is None:
        return replace(part, records=[], problems={name: missing_label(image) for name, image in images.items()})
    problems = {name: maybe_background(image) for name, image in images.items()}
    return replace(part, records=[], problems=problems, unlabeled=images)


def _say_what_else(folder: Path, parts: Mapping[str, Found]) -> None:
    """Log which format was taken, where others recognise the folder too: one line, however many splits there are."""
    others = dict.fromkeys(name for part in parts.values() for name in part.others)
    if others:
        why = dict.fromkeys(part.format + f" ({part.evidence})" * bool(part.evidence) for part in parts.values())
        taken = " and ".join(why)
        listed = " or ".join(others)
        _log.warning("%s is read as %s, but could be %s: format= or --data-format says which", folder, taken, listed)


def _read(form: Format, folder: Path, images: Path | None, annotations: Path | None) -> dict[str, Found]:
    """Return what a format finds in a folder, {} where it does not recognise it or a place is not there."""
    if images is None and annotations is None:
        return form.read(folder) or {}
    if (images and not images.is_dir()) or (annotations and not annotations.exists()):
        return {}
    if annotations and annotations.is_file() and form is not coco:  # the only one that has all annotations in a file
        return {}
    [movable] = [each for each in ELSEWHERE if each is form]
    return movable.read(folder, images, annotations) or {}


def _fitting(
    folder: Path, forms: Sequence[Format], images: Path | None = None, annotations: Path | None = None
) -> tuple[str, ...]:
    """Return the names of the formats that can read a folder."""
    names = []
    for form in forms:
        with suppress(DataError):  # it recognises the folder, but cannot read it
            if _read(form, folder, images, annotations):
                names.append(form.NAME)
    return tuple(names)


def _at(folder: Path, place: StrPath | None) -> Path | None:
    return None if place is None else Path(os.path.abspath(folder / Path(place).expanduser()))


def _refuse_missing(folders: Sequence[Path], images: StrPath | None, annotations: StrPath | None) -> None:
    """Raise DataError where a place that the caller names is in none of the folders."""
    images_there = [place.is_dir() for folder in folders if (place := _at(folder, images))]
    notes_there = [place.exists() for folder in folders if (place := _at(folder, annotations))]
    for what, there, given in (("images", images_there, images), ("annotations", notes_there, annotations)):
        if there and not any(there):
            raise DataError(
                f"there are no {what} at {_at(folders[0], given)}: name them from {folders[0]} on, or in full"
            )


def _unknown(folder: Path, forms: Sequence[Format], *, guessed: bool) -> str:
    """Return the sentence about a folder that none of these formats recognises."""
    fitting = () if guessed else _fitting(folder, FORMATS)
    near = "" if fitting else nearest(folder, lambda place: _fitting(place, FORMATS))
    if guessed:
        looked = "".join(f"\n  {form.NAME}: {form.LAYOUT}" for form in forms)
        way = f"; {near}" if near else ""
        return (
            f"{folder} holds no labelled images in a known format{way}; looked in it, train/, val/, test/ for{looked}"
        )
    entries = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    listed = ", ".join(entries[:8]) + (", ..." if len(entries) > 8 else "")
    looks = f"it looks like {' or '.join(fitting)}" if fitting else near or f"it holds {listed or 'nothing'}"
    return f"{folder} cannot be read as {forms[0].NAME}, which expects {forms[0].LAYOUT}; {looks}"
