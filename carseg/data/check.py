"""``carseg.data.check``: everything about a data set that would spoil a training, found before it starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from carseg.data.coverage import coverage_warnings
from carseg.data.dataset import Dataset, Sample
from carseg.data.load import load_splits
from carseg.data.near_duplicates import fingerprint, near_duplicate_pairs
from carseg.data.suspicions import suspicions
from carseg.errors import CarsegError, MissingExtraError
from carseg.images import exif_transpose, open_image
from carseg.labels import IGNORE, LabelSet
from carseg.masks import rle

SCHEMA = 1  # version of the JSON; docs/schemas/findings.schema.json describes it


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or may be.

    Attributes:
        kind: "image" or "label" (cannot be read), "pairing" (an image without a label or the reverse), "size" or
            "orientation" (the label does not fit the image), "values" (values that are not a class), "near-duplicates"
            (nearly the same image in two splits). Suspicious only: "sides" (a part lies where its counterpart on the
            other side would be), "empty" (no pixel has a class), "tiny" (pieces too small to be drawn on purpose).
        split: the sample's split, "" for a folder without splits.
        name: the sample's name.
        text: what is wrong, in one sentence.
        boxes: where it is in the image: x, y, width, height in pixels; () if it has no place in the image.
    """

    kind: str
    split: str
    name: str
    text: str
    boxes: tuple[rle.Box, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What ``check`` has seen of a sample, before it knows of near-duplicates.

    Attributes:
        split: its split.
        name: its name.
        labels: the classes.
        image: RGB uint8 (H, W, 3), None where it cannot be read.
        mask: its label ids, uint8 (H, W), None where they cannot be used.
        suspicious: what should be looked at in its label.
    """

    split: str
    name: str
    labels: LabelSet
    image: np.ndarray | None = None
    mask: np.ndarray | None = None
    suspicious: tuple[Problem, ...] = ()


@dataclass
class SplitFindings:
    """Figures of one split; counts are over the readable samples.

    Attributes:
        images: number of samples, readable or not.
        sizes: (width, height) of the smallest and the largest image by area; None if none can be read.
        rotated: images that EXIF rotates; their labels must be drawn on the rotated image.
        class_pixels: pixels of each class, by label id.
        class_images: images in which each class occurs, by label id.
        ignored_pixels: pixels that are ignored.
        near_duplicates: pairs of nearly the same image in this split: (the earlier one, the later one).
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
        path: path of the data set.
        format: format of the files.
        labels: the classes.
        splits: figures by split; the name is "" for a folder without splits.
        problems: what is wrong, sorted by split and name.
        unpaired: classes with a side but no counterpart; flips give them the wrong side.
        absent: classes that no readable label has.
        warnings: what a training could not learn, or a figure not measure, one sentence each; see ``class_warnings``.
        other_formats: other formats that recognise the folder, if ``format`` was not given.
        evidence: the content of labels, such as their colours, by which the format was recognised; "" if it was
            recognised by names of files.
        suspicious: what looks wrong but need not be, sorted by split and name.
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
    suspicious: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there are no problems; warnings, unpaired or absent classes and suspicious labels do not count."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as a dict for JSON."""
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
    on_sample: Callable[[Seen], None] | None = None,
) -> Findings:
    """Read every image and label of every split once, and return what is wrong with a data set.

    Args:
        path: as for ``carseg.data.load``, like all other arguments except the last two.
        progress: called with the number of samples read so far and their total.
        on_sample: called with each sample that was read, so that a caller that shows them need not read them again.

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
    examination = _Examination(sum(len(dataset) for dataset in datasets.values()), progress, on_sample)
    for split, dataset in datasets.items():
        examination.add(split, dataset)
    splits, found = examination.splits, next(iter(datasets.values()))
    pixels = np.sum([figures.class_pixels for figures in splits.values()], axis=0)
    return Findings(
        str(Path(path)),
        found.format,
        found.labels,
        splits,
        tuple(examination.problems + examination.near_duplicates()),
        found.labels.unpaired,
        tuple(c for c, count in zip(found.labels.classes, pixels, strict=True) if not count),
        _warnings(found.labels, splits),
        found.other_formats,
        found.evidence,
        tuple(examination.suspicious),
    )


def _warnings(labels: LabelSet, splits: Mapping[str, SplitFindings]) -> tuple[str, ...]:
    """Return what to say of classes, from the splits of which any label could be read."""
    readable = {split: each for split, each in splits.items() if any(each.class_pixels) or each.ignored_pixels}
    seen = {split: np.flatnonzero(each.class_images).tolist() for split, each in readable.items()}
    return tuple(coverage_warnings(labels, seen))


@dataclass
class _Examination:
    """Every sample read once, and what was found in it.

    Attributes:
        total: number of samples of all splits.
        progress: as for ``check``, like ``on_sample``.
        splits: figures by split.
        problems: what is wrong, without near-duplicates.
        suspicious: what may be.
        prints: fingerprints of the readable images.
        owners: split and name of each of them.
    """

    total: int
    progress: Callable[[int, int], None] | None
    on_sample: Callable[[Seen], None] | None
    splits: dict[str, SplitFindings] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    suspicious: list[Problem] = field(default_factory=list)
    prints: list[np.ndarray] = field(default_factory=list)
    owners: list[tuple[str, str]] = field(default_factory=list)

    def add(self, split: str, dataset: Dataset) -> None:
        """Read the samples of a split."""
        count, before = len(dataset.labels), sum(each.images for each in self.splits.values())
        figures = self.splits[split] = SplitFindings(len(dataset), [0] * count, [0] * count)
        self.problems += [Problem("pairing", split, name, text) for name, text in dataset.problems.items()]
        for done, sample in enumerate(dataset, start=before + 1):
            seen, problem = _examine(sample, Seen(split, sample.name, dataset.labels), figures)
            if problem is not None:
                self.problems.append(problem)
            if seen.image is not None:
                self.prints.append(fingerprint(seen.image))
                self.owners.append((split, sample.name))
            self.suspicious += seen.suspicious
            if self.on_sample is not None:
                self.on_sample(seen)
            if self.progress is not None:
                self.progress(done, self.total)

    def near_duplicates(self) -> list[Problem]:
        """Note the near-duplicates within each split; return a problem for each image with one in an earlier split."""
        within: dict[int, int] = {}  # an image's first near-duplicate in its own split
        across: dict[int, list[int]] = {}
        for i, j in near_duplicate_pairs(np.array(self.prints)) if self.prints else ():
            if self.owners[i][0] == self.owners[j][0]:
                within.setdefault(j, i)
            else:
                across.setdefault(j, []).append(i)
        for j, i in sorted(within.items()):
            self.splits[self.owners[j][0]].near_duplicates.append((self.owners[i][1], self.owners[j][1]))
        problems = []
        for j, others in sorted(across.items()):
            (split, name), (first_split, first) = self.owners[j], self.owners[others[0]]
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            problems.append(
                Problem("near-duplicates", split, name, f"shows nearly the same as {first} of {first_split}{more}")
            )
        return problems


def _examine(sample: Sample, seen: Seen, figures: SplitFindings) -> tuple[Seen, Problem | None]:
    """Add a sample to the figures; return what was seen of it and what is wrong, None if nothing."""

    def wrong(kind: str, error: CarsegError) -> tuple[Seen, Problem]:
        return seen, Problem(kind, seen.split, seen.name, str(error))

    try:
        rgb = sample.load_image()
    except CarsegError as error:
        return wrong("image", error)
    seen = replace(seen, image=rgb)
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
        return wrong("label", error)
    try:
        ids = sample.to_ids(stored, height, width)
    except CarsegError as error:
        fits, turned = stored.shape == (height, width), stored.shape == (width, height)
        return wrong("values" if fits else "orientation" if turned else "size", error)
    counts = np.bincount(ids.ravel(), minlength=IGNORE + 1)
    figures.ignored_pixels += int(counts[IGNORE])
    for label in range(len(figures.class_pixels)):
        figures.class_pixels[label] += int(counts[label])
        figures.class_images[label] += bool(counts[label])
    noticed = suspicions(ids, seen.labels)
    suspicious = tuple(Problem(each.kind, seen.split, seen.name, each.text, each.boxes) for each in noticed)
    return replace(seen, mask=ids, suspicious=suspicious), None


def _is_rotated(sample: Sample) -> bool:
    if not isinstance(sample.image, Path):
        return False
    with open_image(sample.image) as image:
        return exif_transpose(image) is not None
