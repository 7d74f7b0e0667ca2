"""``carseg.data.load``: recognise a folder, choose its split, settle its classes."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from carseg.data.background_and_lines import as_stated
from carseg.data.classes import known_labels, settle_classes
from carseg.data.dataset import READ_OF_MORE, READ_WHOLE, Dataset, Sample, value_table
from carseg.data.formats import masks
from carseg.data.formats._base import SPLITS, Found, Item, absolute
from carseg.data.formats._class_files import ClassFile, Values, class_file
from carseg.data.recognize import AUTO, StrPath, is_description, recognize
from carseg.data.soft_edges import soft_values
from carseg.errors import DataError
from carseg.labels import IGNORE, LabelSet

_log = logging.getLogger("carseg")
_UNNAMED = "class_"  # followed by its value: the name of a class without one


def load(
    path: StrPath,
    *,
    format: str = AUTO,
    images: StrPath | None = None,
    annotations: StrPath | None = None,
    labels: str | LabelSet | None = None,
    split: str | None = None,
    mapping: Mapping[str, str] | None = None,
    background_images: bool = False,
    line_width: float | None = None,
) -> Dataset:
    """Open labelled images in any format of the guide to measuring. Images are read when they are used.

    Args:
        path: the folder, its ``train`` / ``val`` / ``test`` folder, YOLO's ``data.yaml``, or one COCO or numpy file.
        format: "auto" uses the first format that recognises the folder, and logs others that do; or one of
            "cityscapes", "voc", "bdd100k", "carvana", "supervisely", "yolo", "labelme", "coco", "cvat",
            "label_studio", "camvid", "masks" and "arrays".
        images: the folder of the images, if it is not the one of the format: an absolute path, or one relative to
            ``path`` or to the folder of each split. Cityscapes, BDD100K, Supervisely and arrays do not have this.
        annotations: the folder of the labels, in the same way, or one COCO file.
        labels: a label set or its name. If the folder names its classes, they are matched by name; if not, value V is
            ``class_V`` or the class at position V. None uses the folder's own names (the known label set if they
            agree), else a class ``class_V`` for every value V in the labels.
        split: "train", "val" or "test", for folders that have several.
        mapping: class name to new name, to rename or merge; "" or "ignore" ignores a class.
        background_images: treat images without a label file as background, in YOLO and labelme.
        line_width: width of lines and points in pixels, in labelme and Supervisely; 0 leaves them out. With None,
            a label with a line is broken.

    Raises:
        DataError: the folder does not exist, or has no known format or not the one named; a split is missing, not
            chosen, or in two folders; or the classes do not fit.
        OptionError: the format does not have ``images``, ``annotations`` or ``background_images``, or ``line_width``
            is negative.
        UnknownNameError: the format, the label set, or a class in ``mapping`` does not exist.
    """
    splits = load_splits(
        path,
        format=format,
        images=images,
        annotations=annotations,
        labels=labels,
        mapping=mapping,
        background_images=background_images,
        line_width=line_width,
    )
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
    path: StrPath,
    *,
    format: str = AUTO,
    images: StrPath | None = None,
    annotations: StrPath | None = None,
    labels: str | LabelSet | None = None,
    mapping: Mapping[str, str] | None = None,
    background_images: bool = False,
    line_width: float | None = None,
) -> dict[str, Dataset]:
    """Return every split of a folder by name ("" if it has no splits), all under one label set; see ``load``."""
    folder = root_of(path)
    parts = recognize(path, format=format, images=images, annotations=annotations)
    parts = {split: as_stated(part, background_images, line_width) for split, part in parts.items()}
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
        datasets[split] = Dataset(
            name,
            split,
            part.format,
            settled,
            samples,
            dict(part.problems),
            other_formats=part.others,
            evidence=part.evidence,
        )
    if not any(len(dataset) or dataset.problems for dataset in datasets.values()):
        raise DataError(f"{folder} holds no images")
    return datasets


def names_classes(path: StrPath, parts: Mapping[str, Found]) -> bool:
    """Return True if a folder says which class a stored value is; in others values mean places of a label set.

    Args:
        path: what ``load`` reads.
        parts: what ``recognize`` returned for it.
    """
    return all(part.values is not None for part in parts.values()) or _class_file(root_of(path)) is not None


def root_of(path: StrPath) -> Path:
    """Return the folder or the file that ``load`` reads: YOLO's ``data.yaml`` stands for its folder."""
    place = absolute(path)
    return place.parent if is_description(place) else place


def _class_file(place: Path) -> ClassFile | None:
    """Return the class file of a folder, or of that in which a file lies."""
    return class_file(place if place.is_dir() else place.parent)


def _settle(
    folder: Path, name: str, parts: list[Found], known: LabelSet | None, mapping: Mapping[str, str]
) -> tuple[LabelSet, list[dict[int, int]]]:
    """Return the label set and, for each split, stored value to label id.

    Folders without class names get them from a class file or from ``known``.
    """
    written = _class_file(folder)
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
        values = _unnamed_values(folder, records)
        target, stated = None, set(values) != {0}
    if not stated:
        values = _matched(folder, records, values, written=written is not None)
    return settle_classes(name, [replace(part, values=values) for part in parts], target, mapping)


def _matched(folder: Path, records: list[Item], values: Values, *, written: bool) -> Values:
    """Return the classes of a list of names by stored value: their places, or 0 and 255 where labels hold only those.

    Raises:
        DataError: labels of 0 and 255 for one name, or other values that are soft edges.
    """
    classes = [c for c in values.values() if c is not None]
    named = {*values, IGNORE}
    seen = masks.scan_values(records[:1])  # which decides the usual case
    if not (seen <= named and (1 in seen or len(classes) > 2)):
        seen = masks.scan_values(records, limit=64)
    if not seen <= named:
        _refuse_soft_edges(folder, records, values)
    if len(classes) > 2 or IGNORE not in seen or not seen <= {0, IGNORE}:
        return values
    if written and len(classes) == 1:
        raise DataError(f"{folder} names one class, {classes[0]!r}, and its labels hold 0 and 255: name both")
    return {0: classes[0], IGNORE: classes[1] if len(classes) == 2 else "class_1"}


def _unnamed_values(folder: Path, records: list[Item]) -> Values:
    """Return a class for every value that labels without class names hold.

    Raises:
        DataError: values that are no classes, or may be none.
    """
    many = len(records) > READ_WHOLE
    stored = masks.scan_values(records, limit=READ_OF_MORE if many else None)
    if many:
        _log.warning(
            f"{folder} names no classes: they are the values in {READ_OF_MORE} of its {len(records)} labels, evenly "
            "spread; write labels.json to be sure"
        )
    seen = stored - {IGNORE} or {0}
    low, high = min(seen), max(seen)
    if low < 0 or high > IGNORE:
        raise DataError(
            f"{folder} has label values {low}..{high}; they must lie in 0..{IGNORE}: save the ids of classes"
        )
    _refuse_soft_edges(folder, records)
    if IGNORE in stored and high >= IGNORE // 2:
        example = json.dumps({"0": "background", f"{IGNORE}": "car"})
        raise DataError(
            f"{folder} has label values up to {high} beside {IGNORE}, soft edges or grey levels, which nothing "
            f"names: write labels.json, such as {example}, or save masks with hard edges"
        )
    return {value: f"{_UNNAMED}{value}" for value in sorted(seen)}


def _refuse_soft_edges(folder: Path, records: list[Item], named: Collection[int] = ()) -> None:
    """Raise DataError where values that nothing names are those of soft edges."""
    soft, share = soft_values(masks.stored_labels(records, limit=32), named)
    if soft:
        listed = ", ".join(map(str, soft[:6])) + (f" and {len(soft) - 6} more" if len(soft) > 6 else "")
        raise DataError(
            f"{folder} has label values that lie along borders only, between those of classes: {listed}, {share:.1%} "
            "of the pixels; these are soft edges, as resizing, antialiasing and JPEG leave them, so save the masks "
            "with hard edges (threshold them, or resize with nearest neighbour), or, if they are classes, name all in "
            "labels.json"
        )


def _values_of(labels: LabelSet) -> Values:
    """Return the classes by the values that stand for them in a folder without names.

    Class ``class_V`` has the value V; in other label sets a class has its place as value.
    """
    numbers = [name.removeprefix(_UNNAMED) for name in labels.classes]
    if all(name.startswith(_UNNAMED) for name in labels.classes) and all(number.isdecimal() for number in numbers):
        return {int(number): name for number, name in zip(numbers, labels.classes, strict=True)}
    return {value: name for value, name in enumerate(labels.classes)}
