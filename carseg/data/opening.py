"""``carseg.data.open``: recognise a folder, choose its split, settle its classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from carseg.data import coco, masks
from carseg.data.classes import class_file, known_labels, resolve
from carseg.data.dataset import Dataset, Sample, value_table
from carseg.data.found import SPLITS, Found, split_folders
from carseg.errors import DataError
from carseg.labels import IGNORE, LabelSet, label_set

# Asked in this order; the first that recognises the folder reads it. The text says what each looks for.
READERS: dict[str, tuple[Callable[[Path], dict[str, Found] | None], str]] = {
    "coco": (coco.read_folder, "a COCO *.json beside the pictures or images/, or annotations/*.json"),
    "masks": (masks.read_folder, "images/ and masks/ with label pictures of the same names"),
}


def open(
    path: str | os.PathLike[str],
    *,
    labels: str | LabelSet | None = None,
    split: str | None = None,
    mapping: Mapping[str, str] | None = None,
) -> Dataset:
    """Opens a folder of labelled pictures in any of the formats of ``READERS``; pictures are read when they are used.

    Args:
        path: the folder, or its ``train`` / ``val`` / ``test`` folder.
        labels: a known label set's name or a label set. Where the folder names its classes they are matched by name; where
            it does not, value i is class i. None: the folder's own names (a known set where they agree), else ``class_0``...
        split: "train", "val" or "test", for folders that hold several.
        mapping: class name to new name, to rename or merge; "" or "ignore" ignores a class.

    Raises:
        DataError: no such folder, no known format, a split that is not there or not chosen, classes that do not fit.
        UnknownNameError: a label set or a class in ``mapping`` that does not exist.
    """
    folder = Path(path).expanduser()
    if not folder.exists():
        raise DataError(f"there is no folder {folder}")
    parts = recognise(folder)
    name, own_split = (folder.resolve().name, "")
    if name.lower() in SPLITS:
        name, own_split = folder.resolve().parent.name, SPLITS[name.lower()]
    chosen = _choose(folder, list(parts), own_split, split)
    known = known_labels(labels) if labels is not None else None
    settled, tables = _settle(folder, name, list(parts.values()), known, mapping or {})
    part = parts[chosen if chosen in parts else ""]
    table = value_table(tables[list(parts.values()).index(part)])
    samples = tuple(Sample(record.name, record.picture, record.label, table) for record in part.records)
    return Dataset(name, chosen, part.format, settled, samples, dict(part.problems))


def recognise(folder: Path) -> dict[str, Found]:
    """The splits of a folder by name, "" where it has none.

    Raises:
        DataError: no reader knows the folder; the message says what was looked for.
    """
    whole = _ask(folder)
    if whole is not None:
        return whole
    parts: dict[str, Found] = {}
    for split, inner in split_folders(folder).items() if folder.is_dir() else ():
        found = _ask(inner)
        if found is not None and list(found) == [""]:
            parts[split] = found[""]
    if not parts:
        looked = "".join(f"\n  {name}: {text}" for name, (_, text) in READERS.items())
        raise DataError(
            f"{folder} is no data set of a known format; looked here and in train/, val/, test/ for{looked}"
        )
    return parts


def _ask(folder: Path) -> dict[str, Found] | None:
    for read, _ in READERS.values():
        found = read(folder)
        if found:
            return found
    return None


def _choose(folder: Path, present: list[str], own: str, split: str | None) -> str:
    if split is None:
        if len(present) > 1:
            raise DataError(f"{folder} has the splits {', '.join(present)}: say which")
        return present[0] or own
    wanted = SPLITS.get(split.lower(), split)
    if wanted in present or (present == [""] and wanted == own):
        return wanted
    has = f"the splits {', '.join(present)}" if present != [""] else "no splits"
    raise DataError(f"{folder} has no split {split!r}; it has {has}")


def _settle(
    folder: Path, name: str, parts: list[Found], known: LabelSet | None, mapping: Mapping[str, str]
) -> tuple[LabelSet, list[dict[int, int]]]:
    """Label set and value tables of all splits; folders without names get them from a class file or from ``known``."""
    if any(part.values is not None for part in parts):
        return resolve(name, parts, known, mapping)
    written = class_file(folder, name)
    if written is None and folder.name.lower() in SPLITS:
        written = class_file(folder.parent, name)
    source = written or known or _numbered(name, parts)
    values: dict[int, str | None] = dict(enumerate(source.classes))
    if len(source) == 2 and masks.stores_binary([r for part in parts for r in part.records]):
        values = {0: source.classes[0], IGNORE: source.classes[1]}
    named = [replace(part, values=values) for part in parts]
    target = known if written is not None or not mapping else None
    if target is None and not mapping:
        target = source
    return resolve(name, named, target, mapping)


def _numbered(name: str, parts: list[Found]) -> LabelSet:
    """``class_0``... for every value that occurs in any split, so that train and val agree."""
    seen = masks.scan_values([record for part in parts for record in part.records])
    top = 1 if seen <= {0, IGNORE} else max(seen - {IGNORE})
    if top >= IGNORE:
        raise DataError(f"{name} holds label values up to {top}; a mask has room for 0..{IGNORE - 1}")
    return label_set(name, tuple(f"class_{i}" for i in range(top + 1)))
