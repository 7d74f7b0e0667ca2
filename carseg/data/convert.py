"""``carseg.data.convert``: any data set in another format; ``carseg.data.load`` gives it back unchanged.

See ``carseg.data.write`` for the folder that is written.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from carseg._files import replaceable, replacing_folder
from carseg.data.dataset import Dataset, files_of
from carseg.data.write import LabeledFolder, refuse_filled, refuse_own
from carseg.errors import DataError


def convert(
    dataset: Dataset,
    out: str | os.PathLike[str],
    format: str = "png",
    *,
    tolerance: float | None = 0,
    skip_bad: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Write a data set in another format; several splits go to the same ``out``, one call each.

    It appears as a whole or not at all.

    Args:
        dataset: what to write; every sample is verified first.
        out: the folder; the split's part of it must not exist yet.
        format: "labelme", "yolo", "coco", "cvat", "label-studio", "voc" or "masks" ("png" is the same). Outlines have a
            class "ignore" for ignored pixels where the label set has a background, and leave them bare where it has
            none.
        tolerance: how far outlines are simplified, in pixels, without gaps between neighbours; 0: exact to the pixel,
            in COCO as run lengths; None: as few vertices as leave 98 % of each region; see
            ``carseg.masks.coverage.simplify``.
        skip_bad: leave samples out that cannot be used instead of raising; ``broken`` of the result names them.
        progress: called with the number of samples written so far and their total.

    Returns:
        The data set that was written: the samples given, without those that were left out.

    Raises:
        MissingExtraError: shapely, which simplifies, is not installed.
        OptionError: no such format, a negative tolerance, or ``out`` is a file, holds the working folder or is the top
            of a disk.
        DataError: samples cannot be used, or ``out`` holds them, this split already or another label set.
        OSError: ``out`` cannot be written; it is as it was before.
    """
    [written] = convert_splits([dataset], out, format, tolerance=tolerance, skip_bad=skip_bad, progress=progress)
    return written


def convert_splits(
    splits: Iterable[Dataset],
    out: str | os.PathLike[str],
    format: str = "png",
    *,
    tolerance: float | None = 0,
    skip_bad: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Dataset]:
    """Write several splits of a data set together, all or none of them; see ``convert``."""
    root = replaceable(out)
    splits = list(splits)
    for dataset in splits:
        refuse_own(root, out, (file for sample in dataset for file in files_of(sample)))
        refuse_filled(root, out, dataset.split, dataset.labels, format)
    splits = [dataset.verified(skip_bad=skip_bad) for dataset in splits]
    for dataset in splits:
        _refuse_names([sample.name for sample in dataset])
    total, done, writers = sum(map(len, splits)), 0, []
    with replacing_folder(root, keep=True) as partial:
        for dataset in splits:
            with LabeledFolder(partial, dataset.labels, format, split=dataset.split, tolerance=tolerance) as folder:
                for sample in dataset:
                    rgb, mask = sample.load()
                    folder.add(sample.name, sample.image, rgb, mask)
                    done += 1
                    if progress is not None:
                        progress(done, total)
            writers.append(folder.writer)
        writers[0].describe(partial, writers)
    return splits


def _refuse_names(names: list[str]) -> None:
    """Raise DataError unless every name can become a file of its own below the new folder."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{len(twice)} names belong to several images, {twice[0]} for one: rename or separate them first"
        )
    outside = [name for name in names if os.path.isabs(name) or ".." in Path(name).parts]
    if outside:
        raise DataError(f"{outside[0]} would be written outside the new folder")
