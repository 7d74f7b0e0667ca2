"""``carseg.data.convert``: any data set as index PNG or as COCO; ``carseg.data.load`` gives it back unchanged.

OUT/[SPLIT/]images/NAME.*      the images: copied, or written anew as PNG where an EXIF flag turns them
OUT/[SPLIT/]masks/NAME.png     format "png": label ids with the palette embedded, 255 ignored
OUT/[SPLIT/]annotations.json   format "coco": one run-length annotation per class and image
OUT/labels.json                the label set
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from carseg._files import replaceable, replacing, replacing_folder, to_json
from carseg.data.dataset import Dataset, Sample, files_of
from carseg.data.formats._class_files import JSON_FILE
from carseg.data.formats._documents import read_json
from carseg.errors import DataError, OptionError
from carseg.images import exif_transpose, index_image, open_image
from carseg.labels import IGNORE, LabelSet
from carseg.masks import rle


def convert(
    dataset: Dataset,
    out: str | os.PathLike[str],
    format: str = "png",
    *,
    skip_bad: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Write a data set in another format; several splits go to the same ``out``, one call each.

    It appears as a whole or not at all.

    Args:
        dataset: what to write; every sample is verified first.
        out: the folder; the split's part of it must not exist yet.
        format: "png" or "coco". COCO gives ignored pixels a category "ignore" where the label set has a background, and
            leaves them bare where it has none.
        skip_bad: leave samples out that cannot be used instead of raising; ``broken`` of the result names them.
        progress: called with the number of samples written so far and their total.

    Returns:
        The data set that was written: the samples given, without those that were left out.

    Raises:
        OptionError: no such format, or ``out`` is a file, holds the working folder or is the top of a disk.
        DataError: samples cannot be used, or ``out`` holds them, this split already or another label set.
        OSError: ``out`` cannot be written; it is as it was before.
    """
    [written] = convert_splits([dataset], out, format, skip_bad=skip_bad, progress=progress)
    return written


def convert_splits(
    splits: Iterable[Dataset],
    out: str | os.PathLike[str],
    format: str = "png",
    *,
    skip_bad: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Dataset]:
    """Write several splits of a data set together, all or none of them; see ``convert``."""
    if format not in ("png", "coco"):
        raise OptionError(f"can convert to 'png' and 'coco', not {format!r}")
    root = replaceable(out)
    splits = list(splits)
    for dataset in splits:
        if (root / dataset.split / "images").exists():
            raise DataError(f"{Path(out, dataset.split)} holds images already; convert into a new folder")
        for sample in dataset:
            own = next((path for path in files_of(sample) if Path(os.path.realpath(path)).is_relative_to(root)), None)
            if own is not None:
                raise DataError(f"{out} holds {own}, which is to be converted; convert into a new folder")
    splits = [dataset.verified(skip_bad=skip_bad) for dataset in splits]
    for dataset in splits:
        _refuse_names([sample.name for sample in dataset])
        _refuse_labels(Path(out, JSON_FILE), dataset.labels)
    total, before = sum(map(len, splits)), 0
    with replacing_folder(root, keep=True) as partial:
        for dataset in splits:
            _write(partial / JSON_FILE, to_json(_described(dataset.labels), indent=1).encode())
            for done in _write_split(partial / dataset.split, dataset, format):
                if progress is not None:
                    progress(before + done, total)
            before += len(dataset)
    return splits


def _write_split(folder: Path, dataset: Dataset, format: str) -> Iterator[int]:
    """Write a split; yield the number of its samples that were written so far."""
    images: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for done, sample in enumerate(dataset, start=1):
        rgb, mask = sample.load()
        image = _write_image(folder / "images", sample, rgb)
        if format == "png":
            _write_png(folder / "masks" / f"{sample.name}.png", index_image(mask, dataset.labels))
        else:
            file = image.relative_to(folder / "images").as_posix()
            images.append({"id": done, "file_name": file, "height": mask.shape[0], "width": mask.shape[1]})
            notes += _annotations(mask, dataset.labels, done, len(notes) + 1)
        yield done
    if format == "coco":
        categories = [{"id": i + 1, "name": name} for i, name in enumerate(dataset.labels.classes)]
        if any(note["category_id"] > len(categories) for note in notes):
            categories.append({"id": len(categories) + 1, "name": "ignore"})
        document = {"images": images, "annotations": notes, "categories": categories}
        _write(folder / "annotations.json", to_json(document).encode())


def _refuse_names(names: list[str]) -> None:
    """Raise DataError unless every name can become a file of its own below the new folder."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{len(twice)} names belong to several images, {twice[0]} for one: rename or part them first")
    outside = [name for name in names if os.path.isabs(name) or ".." in Path(name).parts]
    if outside:
        raise DataError(f"{outside[0]} would be written outside the new folder")


def _annotations(mask: np.ndarray, labels: LabelSet, image_id: int, first_id: int) -> list[dict[str, Any]]:
    """Return the COCO annotations of all classes but the background; category i + 1 is label id i."""
    notes: list[dict[str, Any]] = []
    for label in np.unique(mask).tolist():
        if label == labels.background or (label == IGNORE and labels.background is None):
            continue
        run_lengths = rle.encode(mask == label)
        notes.append(
            {
                "id": first_id + len(notes),
                "image_id": image_id,
                "category_id": min(label, len(labels)) + 1,
                "segmentation": run_lengths,
                "area": rle.area(run_lengths),
                "bbox": list(rle.bbox(run_lengths)),
                "iscrowd": 0,
            }
        )
    return notes


def _write_image(folder: Path, sample: Sample, rgb: np.ndarray) -> Path:
    """Copy the file, or write the upright pixels where a reader without EXIF would see something else."""
    if isinstance(sample.image, Path):
        with open_image(sample.image) as image:
            upright = exif_transpose(image) is None
        path = folder / (sample.name + sample.image.suffix)
        if upright:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as partial:
                shutil.copyfile(sample.image, partial)
            return path
    path = folder / f"{sample.name}.png"
    _write_png(path, Image.fromarray(rgb))
    return path


def _write_png(path: Path, drawn: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        drawn.save(partial, format="PNG")


def _refuse_labels(path: Path, labels: LabelSet) -> None:
    """Raise DataError where a folder names other classes already."""
    if path.exists() and read_json(path) != _described(labels):
        raise DataError(f"{path} is there already and names other classes; convert into a new folder")


def _described(labels: LabelSet) -> dict[str, Any]:
    return {
        "name": labels.name,
        "classes": list(labels.classes),
        "colors": [list(color) for color in labels.colors],
        "background": labels.background,
        "foreground": list(labels.foreground),
    }


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(content)
