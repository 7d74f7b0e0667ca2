"""The inspection of a car's photographs: ``report``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from carseg._arrays import Uint8Array
from carseg.cars import KINDS, find_view
from carseg.errors import CarsegError, ImageError, ImageNotFoundError, OptionError, excerpt, without_secrets
from carseg.hub import DEFAULT_MODEL
from carseg.images import enough_memory
from carseg.inference import Result, Segmenter, load, prefetch
from carseg.labels import LabelSet, without_side
from carseg.workflows.car_report import BestPhoto, Failure, Report
from carseg.workflows.inspecting import inspect_photo
from carseg.workflows.photo import Photo
from carseg.workflows.photo_sources import find_photos
from carseg.workflows.pictures import crop, thumbnail
from carseg.workflows.report_files import report_folder, write_report
from carseg.workflows.requirements import LIDS, parse_requirements
from carseg.workflows.wheels import WHEEL

Progress = Callable[[int, int], None]  # (done, of how many)


def report(
    photos: Any,
    out: str | os.PathLike[str] | None = None,
    *,
    model: Segmenter | str | os.PathLike[str] = DEFAULT_MODEL,
    require: str | Iterable[str] = (),
    batch_size: int | None = None,
    jobs: int | None = None,
    max_pixels: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Return what photographs of one car show: its parts and views, what is missing, and faults of the photographs.

    Only a record and a small JPEG of each photograph are kept.

    Args:
        photos: a folder, pattern, address or image, a list of these, or any iterable of images, as for ``predict``.
        out: a folder for ``report.json``, ``report.html`` and ``crops/``, which replace an earlier report; None writes
            nothing.
        model: a model that finds car parts, or its name or path as for ``carseg.load``.
        require: what the photographs have to show, such as ``"front,rear,left,right,wheel:4"`` or a list of such words:
            sides, views, classes, and kinds of classes with a number. ``Report.missing`` has what they do not show.
        batch_size: as for ``Segmenter.stream``, like ``jobs`` and ``max_pixels``.
        progress: called with the number of finished photographs and the total, which is 0 if it is not known.

    Raises:
        OptionError: the model does not find car parts, ``require`` asks for something that it does not know, or ``out``
            has other files than a report.
        UnknownNameError: the model does not exist, or a side, view or part to require.
        ImageNotFoundError: there are no photographs.
        OutputError: the report cannot be written.
    """
    folder = None if out is None else report_folder(out)
    segmenter = load(model) if isinstance(model, (str, os.PathLike)) else model
    labels, tells_views = segmenter.labels, _tells_views(segmenter.labels)
    required = parse_requirements(require, labels, views=tells_views)
    sources, failed = find_photos(photos, folder)
    gathered = _Gathered(failed)
    total = len(sources) + len(failed) if isinstance(sources, list) else 0
    results = segmenter.stream(sources, batch_size=batch_size, jobs=jobs, max_pixels=max_pixels, on_error="yield")
    for seen in prefetch(_look_at, enumerate(results, 1), jobs):
        gathered.add(seen)
        if progress:
            progress(gathered.done, total)
    if not gathered.done:
        raise ImageNotFoundError("no photograph was given")
    made = Report(
        model=segmenter.name,
        cars_model=segmenter.cars.name if segmenter.cars else None,
        labels=labels,
        tells_views=tells_views,
        photos=tuple(gathered.photos),
        thumbnails=tuple(gathered.thumbnails),
        failed=tuple(gathered.failed),
        best=gathered.best,
        required=required,
    )
    if folder:
        write_report(made, folder)
    return made


@dataclass(frozen=True)
class _Seen:
    """A photograph that was looked at; its pixels are let go of once the crops are made."""

    photo: Photo
    thumbnail: bytes
    rgb: Uint8Array


class _Gathered:
    """What is kept of the photographs."""

    def __init__(self, failed: list[Failure]) -> None:
        self.photos: list[Photo] = []
        self.thumbnails: list[bytes] = []
        self.failed = failed
        self.best: dict[str, BestPhoto] = {}
        self._ranks: dict[str, tuple[bool, float]] = {}

    @property
    def done(self) -> int:
        return len(self.photos) + len(self.failed)

    def add(self, seen: _Seen | Failure) -> None:
        """Keep the record of a photograph, and crops of the parts that no earlier one shows better."""
        if isinstance(seen, Failure):
            self.failed.append(seen)
            return
        self.photos.append(seen.photo)
        self.thumbnails.append(seen.thumbnail)
        for part in seen.photo.parts:
            for each in (seen.photo.wheels if part.name == WHEEL else ()) or (part,):
                rank = not seen.photo.is_spoiled, each.quality
                for name in {part.name, each.name}:
                    if rank > self._ranks.get(name, (False, -1.0)):
                        self._ranks[name] = rank
                        self.best[name] = BestPhoto(seen.photo.number, each, crop(seen.rgb, each.bbox))


def _look_at(numbered: tuple[int, Result | CarsegError]) -> _Seen | Failure:
    """Return what is seen in a photograph, given its place, from 1, or why nothing is."""
    number, result = numbered
    if isinstance(result, CarsegError):
        named = isinstance(result.source, (str, os.PathLike))
        source = without_secrets(excerpt(str(result.source))) if named else f"photograph {number}"
        return Failure(source, str(result))
    try:
        with enough_memory(result.source):
            return _Seen(inspect_photo(result, number), thumbnail(result.image), result.image)
    except ImageError as error:
        return Failure(result.source, str(error))


def _tells_views(labels: LabelSet) -> bool:
    """Return whether classes tell the front of a car from its rear.

    Raises:
        OptionError: they tell no parts of cars at all.
    """
    if {*map(without_side, labels.classes)}.isdisjoint((*KINDS, *LIDS)):
        raise OptionError(
            f"a report needs a model that finds car parts, and the classes of {labels.name} are others "
            f"({excerpt(', '.join(labels.classes))}): use the model parts"
        )
    return find_view(np.arange(len(labels), dtype=np.uint8)[None], labels) is not None
