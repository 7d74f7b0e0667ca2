"""``carseg.data.load``: recognise a folder, choose its split, settle its classes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from carseg.data.classes import known_labels, settle_classes
from carseg.data.dataset import Dataset, Sample, value_table
from carseg.data.formats import FORMATS, arrays, coco, masks, yolo
from carseg.data.formats._base import SPLITS, Found, absolute, images_below, missing_label, split_folders
from carseg.data.formats._class_files import Values, class_file
from carseg.errors import DataError
from carseg.labels import IGNORE, LabelSet

_UNNAMED = "class_"  # followed by its value: the name of a class without one


def load(
    path: str | os.PathLike[str],
    *,
    labels: str | LabelSet | None = None,
    split: str | None = None,
    mapping: Mapping[str, str] | None = None,
) -> Dataset:
    """Return labelled images in any of the formats in the guide to measuring; images are read when they are used.

    Args:
        path: the folder, its ``train`` / ``val`` / ``test`` folder, YOLO's ``data.yaml``, or one COCO or numpy file.
        labels: a known label set's name, or a label set. Where the folder names its classes they are matched by name;
            where it does not, value V is ``class_V`` or the class in place V. None: the folder's own names (the known
            set where they agree), else one class ``class_V`` for every value V that occurs.
        split: "train", "val" or "test", for folders that hold several.
        mapping: class name to new name, to rename or merge; "" or "ignore" ignores a class.

    Raises:
        DataError: no such folder, no known format, a split that is not there, not chosen or in two folders, classes
            that do not fit.
        UnknownNameError: a label set, or a class in ``mapping``, that does not exist.
    """
    splits = load_splits(path, labels=labels, mapping=mapping)
    present = list(splits)
    if split is None:
        if len(present) > 1:
            raise DataError(f"{path} has the splits {', '.join(present)}: say which")
        return splits[present[0]]
    wanted = SPLITS.get(split.lower(), split)
    if wanted not in present:
        has = f"the splits {', '.join(present)}" if present != [""] else "no splits"
        raise DataError(f"{path} has no split {split!r}; it has {has}")
    return splits[wanted]


def load_splits(
    path: str | os.PathLike[str],
    *,
    labels: str | LabelSet | None = None,
    mapping: Mapping[str, str] | None = None,
) -> dict[str, Dataset]:
    """Return every split of a folder by name ("" if it has no splits), all under one label set; see ``load``."""
    folder = root_of(path)
    parts = recognize(path)
    name = folder.stem if folder.is_file() else folder.name
    if folder.name.lower() in SPLITS:
        name = folder.parent.name
        if list(parts) == [""]:
            parts = {SPLITS[folder.name.lower()]: parts[""]}
    known = known_labels(labels) if labels is not None else None
    settled, tables = _settle(folder, name, list(parts.values()), known, mapping or {})
    datasets = {}
    for (split, part), ids in zip(parts.items(), tables, strict=True):
        table = value_table(ids)
        samples = tuple(Sample(record.name, record.image, record.label, table) for record in part.records)
        datasets[split] = Dataset(name, split, part.format, settled, samples, dict(part.problems))
    if not any(len(dataset) or dataset.problems for dataset in datasets.values()):
        raise DataError(f"{folder} holds no images")
    return datasets


def root_of(path: str | os.PathLike[str]) -> Path:
    """Return the folder or the file that ``load`` reads: YOLO's ``data.yaml`` stands for its folder."""
    place = absolute(path)
    return place.parent if _is_description(place) else place


def _is_description(place: Path) -> bool:
    return place.suffix.lower() in (".yaml", ".yml")


def recognize(path: str | os.PathLike[str]) -> dict[str, Found]:
    """Return the splits of a folder by name, "" where it has none.

    Raises:
        DataError: there is no such folder, or no reader knows it; the message names what was looked for.
    """
    folder = absolute(path)
    if not folder.exists():
        raise DataError(f"there is no folder {folder}")
    if folder.is_file() and _is_description(folder):
        described = yolo.read(folder.parent, folder)
        if not described:
            raise DataError(f"{folder} names no classes, or no folders of images and labels/*.txt")
        return described
    if folder.is_file():
        return {"": coco.read_file(folder)} if folder.suffix == ".json" else _one_file(folder)
    parts = _ask(folder)
    places = split_folders(folder) if not parts else {}
    for split, place in places.items():
        found = _ask(place)
        if list(found) == [""]:
            parts[split] = found[""]
    if "train" in parts and "val" in places and "val" not in parts:  # a test split often has no labels, this one should
        problems = {name: missing_label(image) for name, image in images_below(places["val"]).items()}
        parts["val"] = replace(parts["train"], records=[], problems=problems)
    if not parts:
        looked = "".join(f"\n  {form.NAME}: {form.LAYOUT}" for form in FORMATS)
        raise DataError(
            f"{folder} holds no labelled images in a known format; looked in it, train/, val/, test/ for{looked}"
        )
    return parts


def _one_file(path: Path) -> dict[str, Found]:
    found = arrays.read(path)
    if not found:
        raise DataError(f"{path} is neither a folder, nor a COCO .json file, nor a numpy .npy or .npz file")
    return found


def _ask(folder: Path) -> dict[str, Found]:
    for form in FORMATS:
        found = form.read(folder)
        if found:
            return found
    return {}


def _settle(
    folder: Path, name: str, parts: list[Found], known: LabelSet | None, mapping: Mapping[str, str]
) -> tuple[LabelSet, list[dict[int, int]]]:
    """Return the label set and, for each split, stored value to label id.

    Folders without class names get them from a class file or from ``known``.
    """
    written = class_file(folder if folder.is_dir() else folder.parent)
    if all(part.values is not None for part in parts):
        # A whole label set may lie beside the data, as convert writes it.
        own = written.labels if written and not mapping else None
        return settle_classes(name, parts, known or own, mapping)
    records = [record for part in parts for record in part.records]
    if written is not None:
        values, target, stated = written.values, known or (written.labels if not mapping else None), written.stated
    elif known is not None:
        # The label set names the values; a class map then makes a label set of its own.
        values, target, stated = _values_of(known), known if not mapping else None, False
    else:
        seen = masks.scan_values(records) - {IGNORE} or {0}
        values, target, stated = {value: f"{_UNNAMED}{value}" for value in sorted(seen)}, None, seen != {0}
        if max(values) > IGNORE or min(values) < 0:
            raise DataError(f"{folder} has label values {min(values)}..{max(values)}; they must lie in 0..{IGNORE}")
    classes = [c for c in values.values() if c is not None]
    if not stated and len(classes) <= 2 and masks.stores_binary(records):
        if written and len(classes) == 1:
            raise DataError(f"{folder} names one class, {classes[0]!r}, and its labels hold 0 and 255: name both")
        values = {0: classes[0], IGNORE: classes[1] if len(classes) == 2 else "class_1"}
    return settle_classes(name, [replace(part, values=values) for part in parts], target, mapping)


def _values_of(labels: LabelSet) -> Values:
    """Return the classes by the values that stand for them in a folder without names.

    Class ``class_V`` has the value V; in other label sets a class has its place as value.
    """
    numbers = [name.removeprefix(_UNNAMED) for name in labels.classes]
    if all(name.startswith(_UNNAMED) for name in labels.classes) and all(number.isdecimal() for number in numbers):
        return {int(number): name for number, name in zip(numbers, labels.classes, strict=True)}
    return {value: name for value, name in enumerate(labels.classes)}
