"""``carseg.label``: labels for images that have none, in the format of the tool in which people correct them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from carseg._files import replaceable, replacing_folder
from carseg.data import LabeledFolder, refuse_filled, refuse_own
from carseg.errors import CarsegError, OptionError
from carseg.hub import DEFAULT_MODEL
from carseg.inference import Result, Segmenter, frame_name, load, prefetch, source_digest, stem_of


@dataclass
class Labeled:
    """What ``label`` has written.

    Attributes:
        out: the folder.
        classes: the classes of the model, without the background.
        images: number of images that were labelled.
        pieces: number of pieces of parts in them.
        broken: images that could not be read, with the reason.
    """

    out: Path
    classes: tuple[str, ...]
    images: int = 0
    pieces: int = 0
    broken: dict[str, str] = field(default_factory=dict)


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
    progress: Callable[[int], None] | None = None,
) -> Labeled:
    """Segment images and write them with their labels into a new folder, completely or not at all.

    ``carseg.data.load(out)`` reads the folder, also after the labels were corrected.

    Args:
        images: what ``Segmenter.stream`` takes; subfolders are kept, and each frame of a video becomes an image.
        out: the folder. Other files in it stay, but it must not have images or labels yet.
        to: "labelme", "yolo", "coco", "cvat", "label-studio", "voc" or "masks".
        model: a name or path as for ``carseg.load``, or a loaded model.
        tolerance: how much outlines are simplified, in pixels, without gaps between neighbours. 0 keeps every corner;
            None uses as few vertices as keep 98 % of the pixels of each piece; see ``carseg.masks.coverage.simplify``.
        tile: as for ``Segmenter.stream``, like all up to ``max_pixels``; ``jobs`` images are also written at once.
        on_error: "yield" leaves out images that cannot be read, and names them in the result; "raise" raises.
        progress: called with the number of images done so far.

    Raises:
        MissingExtraError: shapely, which simplifies outlines, is not installed.
        OptionError: the format is unknown, the tolerance is negative, or ``out`` cannot be replaced as a whole.
        DataError: ``out`` already has images, or is the folder of the images to be labelled.
        CarsegError: none of the images could be read; it is the error of the last one.
    """
    network = model if isinstance(model, Segmenter) else load(model)
    root, labels = replaceable(out), network.labels
    refuse_filled(root, out, "", labels, to)
    done = Labeled(Path(out), tuple(c for i, c in enumerate(labels.classes) if i != labels.background))
    results = network.stream(
        images,
        batch_size=batch_size,
        jobs=jobs,
        tile=tile,
        sides=sides,
        threshold=threshold,
        min_area=min_area,
        max_pixels=max_pixels,
        on_error=on_error,
    )
    with replacing_folder(root, keep=True) as partial:
        with LabeledFolder(partial, labels, to, tolerance=tolerance) as folder:
            for number in _fill(folder, results, root, done, jobs):
                if progress:
                    progress(number)
        folder.writer.describe(partial, [folder.writer])
    return done


def _fill(
    folder: LabeledFolder, results: Iterable[Result | CarsegError], root: Path, done: Labeled, jobs: int | None
) -> Iterator[int]:
    """Write results, and note them; yield how many there were so far."""
    taken: set[str] = set()
    error: CarsegError = OptionError("there is no image to label")

    def named() -> Iterator[tuple[Result | CarsegError, str]]:
        for result in results:
            yield result, "" if isinstance(result, CarsegError) else _name_of(result, taken)

    def write(one: tuple[Result | CarsegError, str]) -> tuple[Result, Any] | CarsegError:
        result, name = one
        if isinstance(result, CarsegError):
            return result
        file = Path(result.source) if os.path.isfile(result.source) else None
        refuse_own(root, done.out, [file] if file else [])
        image = file if result.frame is None else None
        return result, folder.add_image(name, image, result.image, result)

    for number, written in enumerate(prefetch(write, named(), jobs), start=1):
        if isinstance(written, CarsegError):
            error = written
            done.broken[str(error.source)] = str(error)
        else:
            result, labels = written
            folder.add_labels(labels)
            done.images += 1
            done.pieces += sum(len(part.pieces) for part in result.parts)
        yield number
    if not done.images:
        raise error


def _name_of(result: Result, taken: set[str]) -> str:
    """Return an image's path below its folder, without the extension, or its own name; no other image has it."""
    given = result.source if result.frame is None else frame_name(result.source, result.frame)
    source = PurePath(given)
    inside = os.path.relpath(source.parent, result.root) if result.root else "."
    stem = stem_of(given)
    names = (stem, source.name or stem, f"{stem}-{source_digest(given)}")
    name = next(name for name in names if os.path.join(inside, name).casefold() not in taken)
    taken.add(os.path.join(inside, name).casefold())
    return PurePath(inside, name).as_posix()
