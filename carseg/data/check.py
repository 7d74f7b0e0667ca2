"""``carseg.data.check``: everything about a data set that would spoil a training, found before it starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from carseg.data.coverage import coverage_warnings
from carseg.data.dataset import Dataset, Sample
from carseg.data.load import load_splits
from carseg.data.near_duplicates import fingerprint, near_duplicate_pairs
from carseg.errors import CarsegError, MissingExtraError
from carseg.images import exif_transpose, open_image
from carseg.labels import IGNORE, LabelSet

SCHEMA = 1  # version of the JSON; docs/schemas/findings.schema.json describes it


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: "image" or "label" (cannot be read), "pairing" (an image without a label or the reverse), "size" or
            "orientation" (the label does not fit the image), "values" (values that are no class), "near-duplicates"
            (nearly the same image in two splits).
        split: the sample's split, "" for a folder without splits.
        name: the sample's name.
        text: what is wrong, one sentence.
    """

    kind: str
    split: str
    name: str
    text: str


@dataclass
class SplitFindings:
    """Figures of one split; counts are over the readable samples.

    Attributes:
        images: number of samples, readable or not.
        sizes: (width, height) of the smallest and the largest image by area, None where none can be read.
        rotated: images that an EXIF flag turns; their labels must be drawn on the turned image.
        class_pixels: pixels of each class, by label id.
        class_images: images in which each class occurs, by label id.
        ignored_pixels: pixels that are ignored.
        near_duplicates: images of this split that show nearly the same as an earlier one: (the earlier one, the image).
    """

    images: int
    class_pixels: list[int]
    class_images: list[int]
    sizes: tuple[tuple[int, int], tuple[int, int]] | None = None
    rotated: int = 0
    ignored_pixels: int = 0
    near_duplicates: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Findings:
    """Everything that ``check`` found in a data set.

    Attributes:
        path: what was checked.
        format: how it is stored.
        labels: the classes.
        splits: figures by split, "" for a folder without splits.
        problems: what is wrong, by split and name.
        unpaired: classes of a left or right side that have no counterpart: flips give them the wrong side.
        absent: classes that no readable label holds.
        warnings: what a training could not learn, or a figure not measure, one sentence each; see ``class_warnings``.
        other_formats: formats that recognise the folder too, where ``format`` was not named.
        evidence: what the format was recognised by, where that was the labels' content, such as their colours; else "".
    """

    path: str
    format: str
    labels: LabelSet
    splits: dict[str, SplitFindings]
    problems: tuple[Problem, ...]
    unpaired: tuple[str, ...]
    absent: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    other_formats: tuple[str, ...] = ()
    evidence: str = ""

    @property
    def ok(self) -> bool:
        """True if nothing is wrong; warnings, unpaired and absent classes are no errors."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as a dict ready for JSON."""
        return {
            "schema": SCHEMA,
            **asdict(self),
            "labels": {"name": self.labels.name, "classes": list(self.labels.classes)},
            "ok": self.ok,
        }


def check(
    path: str | os.PathLike[str],
    *,
    format: str = "auto",
    images: str | os.PathLike[str] | None = None,
    annotations: str | os.PathLike[str] | None = None,
    labels: str | LabelSet | None = None,
    mapping: Mapping[str, str] | None = None,
    background_images: bool = False,
    line_width: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Findings:
    """Return what is wrong with a data set, after reading every image and label of every split once.

    Args:
        path: see ``carseg.data.load``, like all other arguments but ``progress``.
        progress: called with the number of samples read so far and their total.

    Raises:
        DataError: the folder cannot be recognised, or its classes do not fit; broken files are findings, not errors.
        MissingExtraError: the labels are COCO polygons and pycocotools is not installed.
    """
    datasets = load_splits(
        path,
        format=format,
        images=images,
        annotations=annotations,
        labels=labels,
        mapping=mapping,
        background_images=background_images,
        line_width=line_width,
    )
    splits: dict[str, SplitFindings] = {}
    problems: list[Problem] = []
    prints, owners = _examine_all(datasets, splits, problems, progress)
    problems += _near_duplicates(np.array(prints), owners, splits) if prints else []
    found = next(iter(datasets.values()))
    seen = np.sum([figures.class_pixels for figures in splits.values()], axis=0)
    absent = tuple(c for c, pixels in zip(found.labels.classes, seen, strict=True) if not pixels)
    return Findings(
        str(Path(path)),
        found.format,
        found.labels,
        splits,
        tuple(problems),
        found.labels.unpaired,
        absent,
        _warnings(found.labels, splits),
        found.other_formats,
        found.evidence,
    )


def _warnings(labels: LabelSet, splits: Mapping[str, SplitFindings]) -> tuple[str, ...]:
    """Return what to say of classes, from the splits of which any label could be read."""
    readable = {split: each for split, each in splits.items() if any(each.class_pixels) or each.ignored_pixels}
    seen = {split: np.flatnonzero(each.class_images).tolist() for split, each in readable.items()}
    return tuple(coverage_warnings(labels, seen))


def _near_duplicates(
    prints: np.ndarray, owners: list[tuple[str, str]], splits: dict[str, SplitFindings]
) -> list[Problem]:
    """Note the near-duplicates within each split; return a problem for each image with one in an earlier split."""
    within: dict[int, int] = {}  # an image's first near-duplicate in its own split
    across: dict[int, list[int]] = {}
    for i, j in near_duplicate_pairs(prints):
        if owners[i][0] == owners[j][0]:
            within.setdefault(j, i)
        else:
            across.setdefault(j, []).append(i)
    for j, i in sorted(within.items()):
        splits[owners[j][0]].near_duplicates.append((owners[i][1], owners[j][1]))
    problems = []
    for j, others in sorted(across.items()):
        (split, name), (first_split, first) = owners[j], owners[others[0]]
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        problems.append(
            Problem("near-duplicates", split, name, f"shows nearly the same as {first} of {first_split}{more}")
        )
    return problems


def _examine(sample: Sample, split: str, figures: SplitFindings) -> tuple[np.ndarray | None, Problem | None]:
    """Add a sample to the figures; return its image, None if it cannot be read, and what is wrong, None if nothing."""
    try:
        rgb = sample.load_image()
    except CarsegError as error:
        return None, Problem("image", split, sample.name, str(error))
    height, width = rgb.shape[:2]
    size = (width, height)
    small, large = figures.sizes or (size, size)
    figures.sizes = min(small, size, key=np.prod), max(large, size, key=np.prod)
    figures.rotated += _is_rotated(sample)
    try:
        stored = sample.label.read(height, width)
    except MissingExtraError:
        raise  # nothing is wrong with the label
    except CarsegError as error:
        return rgb, Problem("label", split, sample.name, str(error))
    try:
        ids = sample.to_ids(stored, height, width)
    except CarsegError as error:
        fits, turned = stored.shape == (height, width), stored.shape == (width, height)
        return rgb, Problem("values" if fits else "orientation" if turned else "size", split, sample.name, str(error))
    counts = np.bincount(ids.ravel(), minlength=IGNORE + 1)
    figures.ignored_pixels += int(counts[IGNORE])
    for label in range(len(figures.class_pixels)):
        figures.class_pixels[label] += int(counts[label])
        figures.class_images[label] += bool(counts[label])
    return rgb, None


def _examine_all(
    datasets: Mapping[str, Dataset],
    splits: dict[str, SplitFindings],
    problems: list[Problem],
    progress: Callable[[int, int], None] | None,
) -> tuple[list[np.ndarray], list[tuple[str, str]]]:
    """Add every sample to ``splits`` and ``problems``; return the readable images' fingerprints, and whose they are."""
    total, done = sum(len(dataset) for dataset in datasets.values()), 0
    prints: list[np.ndarray] = []
    owners: list[tuple[str, str]] = []
    for split, dataset in datasets.items():
        count = len(dataset.labels)
        figures = splits[split] = SplitFindings(len(dataset), [0] * count, [0] * count)
        problems += [Problem("pairing", split, name, text) for name, text in dataset.problems.items()]
        for sample in dataset:
            rgb, problem = _examine(sample, split, figures)
            if problem is not None:
                problems.append(problem)
            if rgb is not None:
                prints.append(fingerprint(rgb))
                owners.append((split, sample.name))
            done += 1
            if progress is not None:
                progress(done, total)
    return prints, owners


def _is_rotated(sample: Sample) -> bool:
    if not isinstance(sample.image, Path):
        return False
    with open_image(sample.image) as image:
        return exif_transpose(image) is not None
