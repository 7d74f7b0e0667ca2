"""``carseg.label``: labels for images that have none, in the format of the tool in which people correct them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from carseg._files import replaceable, replacing_folder
from carseg.data import LabeledFolder, load_splits, refuse_filled, refuse_own
from carseg.errors import CarsegError, DataError, OptionError
from carseg.hub import DEFAULT_MODEL
from carseg.inference import (
    Result,
    Segmenter,
    find_images,
    frame_name,
    is_video,
    load,
    prefetch,
    source_digest,
    stem_of,
)
from carseg.labels import LabelSet

_PORTION = 100  # images; what a killed run has written since the last portion is lost


@dataclass
class Labeled:
    """What ``label`` has written.

    Attributes:
        out: the folder.
        classes: the classes of the model, without the background.
        images: number of images that were labelled.
        pieces: number of pieces of parts in them.
        broken: images that could not be read, with the reason.
        skipped: images that had labels already and were left as they are.
    """

    out: Path
    classes: tuple[str, ...]
    images: int = 0
    pieces: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    skipped: int = 0

    def refuse(self, error: CarsegError) -> CarsegError:
        """Note that an image cannot be read, and return why."""
        self.broken[str(error.source)] = str(error)
        return error


def label(
    images: Any,
    out: str | os.PathLike[str],
    to: str = "labelme",
    *,
    model: str | os.PathLike[str] | Segmenter = DEFAULT_MODEL,
    tolerance: float | None = None,
    tile: int | None = None,
    sides: str = "consistent",
    threshold: float | None = None,
    min_area: float | None = None,
    batch_size: int | None = None,
    jobs: int | None = None,
    max_pixels: int | None = None,
    on_error: str = "yield",
    skip_existing: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Labeled:
    """Segment images and write them with their labels into a new folder, 100 images at a time.

    ``carseg.data.load(out)`` reads the folder, also after the labels were corrected.

    Args:
        images: what ``Segmenter.stream`` takes; subfolders are kept, and each frame of a video becomes an image.
        out: the folder. Other files in it stay; without ``skip_existing`` it must not have images or labels yet.
        to: "labelme", "yolo", "coco", "cvat", "label-studio", "voc" or "masks".
        model: a name or path as for ``carseg.load``, or a loaded model.
        tolerance: how much outlines are simplified, in pixels, without gaps between neighbours. 0 keeps every corner;
            None uses as few vertices as keep 98 % of the pixels of each piece; see ``carseg.masks.coverage.simplify``.
        tile: as for ``Segmenter.stream``, like all up to ``max_pixels``; ``jobs`` images are also written at once.
        on_error: "yield" leaves out images that cannot be read, and names them in the result; "raise" raises.
        skip_existing: continue a folder, for example after a kill: images that have labels in ``out``, by their names,
            stay as they are, corrected or not, and the others are added.
        progress: called with the number of images done so far.

    Raises:
        MissingExtraError: shapely, which simplifies outlines, is not installed.
        OptionError: the format is unknown, the tolerance is negative, or ``out`` cannot be replaced as a whole.
        DataError: ``out`` already has images, or labels of another format or other classes, or it is the folder of the
            images to be labelled.
        CarsegError: none of the images could be read; it is the error of the last one.
    """
    network = model if isinstance(model, Segmenter) else load(model)
    root, labels = replaceable(out), network.labels
    there = _labeled(root, out, to, labels, skip_existing=skip_existing)
    done = Labeled(Path(out), tuple(c for i, c in enumerate(labels.classes) if i != labels.background))
    names = _Names(images, there)
    cleaning: dict[str, Any] = {"sides": sides, "threshold": threshold, "min_area": min_area}
    running: dict[str, Any] = {"batch_size": batch_size, "jobs": jobs, "tile": tile, "max_pixels": max_pixels}
    results = network.stream(names.missing(done) if there else images, **cleaning, **running, on_error=on_error)
    for portion in _portions(results, done, empty=not there):
        with replacing_folder(root, keep=True) as partial:
            more = bool(there or done.images)
            with LabeledFolder(partial, labels, to, tolerance=tolerance, more=more) as folder:
                for _ in _fill(folder, portion, root, names, done, jobs):
                    if progress:
                        progress(done.images + len(done.broken))
            folder.writer.describe(partial, [folder.writer])
    return done


def _portions(
    results: Iterator[Result | CarsegError], done: Labeled, *, empty: bool
) -> Iterator[Iterable[Result | CarsegError]]:
    """Yield results some at a time, each portion beginning with an image; note what cannot be read before it.

    Raises:
        CarsegError: there was none, and the folder is ``empty``.
    """
    error: CarsegError = OptionError("there is no image to label")
    for result in results:
        if isinstance(result, CarsegError):
            error = done.refuse(result)
        else:
            yield itertools.chain([result], itertools.islice(results, _PORTION - 1))
    if empty and not done.images:
        raise error


def _labeled(root: Path, out: str | os.PathLike[str], to: str, labels: LabelSet, *, skip_existing: bool) -> set[str]:
    """Return the names of the images that have labels in a folder already, and may have.

    Raises:
        DataError: it holds labels of another format or of other classes, or splits, or any that it may not.
    """
    if not (skip_existing and root.is_dir() and any(root.iterdir())):
        refuse_filled(root, out, "", labels, to)
        return set()
    splits = load_splits(root)
    [(split, dataset), *others] = splits.items()
    if others or (split and to != "yolo"):  # which has to call them something
        raise DataError(f"{out} has the splits {', '.join(splits)}: write into a new folder")
    if dataset.format.replace("_", "-") != to or dataset.labels.classes != labels.classes:
        raise DataError(
            f"{out} holds labels of another format or other classes ({dataset.format}): write into a new folder"
        )
    return {sample.name for sample in dataset}


def _fill(
    folder: LabeledFolder,
    results: Iterable[Result | CarsegError],
    root: Path,
    names: _Names,
    done: Labeled,
    jobs: int | None,
) -> Iterator[None]:
    """Write results, and note them, one at a time."""

    def named() -> Iterator[tuple[Result | CarsegError, str]]:
        for result in results:
            name = "" if isinstance(result, CarsegError) else names.of(result)
            if name not in names.there:
                yield result, name

    def write(one: tuple[Result | CarsegError, str]) -> tuple[Result, Any] | CarsegError:
        result, name = one
        if isinstance(result, CarsegError):
            return result
        file = Path(result.source) if os.path.isfile(result.source) else None
        refuse_own(root, done.out, [file] if file else [])
        image = file if result.frame is None else None
        return result, folder.add_image(name, image, result.image, result)

    for written in prefetch(write, named(), jobs):
        if isinstance(written, CarsegError):
            done.refuse(written)
        else:
            result, labels = written
            folder.add_labels(labels)
            done.images += 1
            done.pieces += sum(len(part.pieces) for part in result.parts)
        yield


class _Names:
    """Names of images below the folder, without the extension; no two have the same.

    Args:
        images: what ``label`` is given.
        there: names of images that have labels already.
    """

    def __init__(self, images: Any, there: set[str]) -> None:
        self.images = images
        self.there = there
        self._root = str(images) if isinstance(images, (str, os.PathLike)) and os.path.isdir(images) else ""
        self._taken: set[str] = set()
        self._given: dict[str, str] = {}

    def missing(self, done: Labeled) -> Iterator[Any]:
        """Yield the images that have no labels yet, and count the others; all frames of videos are looked at."""
        for image in find_images(self.images):
            if isinstance(image, (str, os.PathLike)) and os.path.isfile(image) and not is_video(image):
                name = self._given[str(image)] = self._new(str(image))
                if name in self.there:
                    done.skipped += 1
                    continue
            yield image

    def of(self, result: Result) -> str:
        """Return the name of a result's image, or of its frame."""
        if result.frame is not None:
            return self._new(frame_name(result.source, result.frame))
        return self._given.pop(result.source, None) or self._new(result.source)

    def _new(self, given: str) -> str:
        """Return an image's path below its folder, or its own name."""
        source = PurePath(given)
        inside = os.path.relpath(source.parent, self._root) if self._root else "."
        stem = stem_of(given)
        names = (stem, source.name or stem, f"{stem}-{source_digest(given)}")
        name = next(name for name in names if os.path.join(inside, name).casefold() not in self._taken)
        self._taken.add(os.path.join(inside, name).casefold())
        return PurePath(inside, name).as_posix()
