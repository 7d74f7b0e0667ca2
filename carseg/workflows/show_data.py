"""``carseg.workflows.show_data``: a data set as a page, what should be looked at first."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from carseg._files import iter_files, replaceable, replacing_folder
from carseg.data import Findings, Seen, check
from carseg.errors import CarsegError, OptionError, OutputError
from carseg.labels import LabelSet
from carseg.workflows.data_page import IMAGES, PAGE, ShownImage, write_data_page
from carseg.workflows.pictures import labeled


def show_data(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
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
    """Write a page of labelled images, their labels drawn over them, and return what ``carseg.data.check`` found.

    ``OUT/index.html`` begins with the images that should be looked at and why, then come the classes and all images.
    They lie beside it, made small, in ``OUT/images``. The folder appears as a whole; an earlier page is replaced.

    Args:
        path: as for ``carseg.data.check``, like all other arguments but ``out``.
        out: the folder of the page.

    Raises:
        OptionError: ``out`` lies in the data set, or holds something else than such a page, which would be lost.
        DataError: the folder cannot be recognised, or its classes do not fit.
        OutputError: the disk is full, or the folder cannot be written to.
    """
    folder = _page_folder(path, out)
    try:
        with replacing_folder(folder) as new:
            images_shown = _Images(new)
            findings = check(
                path,
                format=format,
                images=images,
                annotations=annotations,
                labels=labels,
                mapping=mapping,
                background_images=background_images,
                line_width=line_width,
                progress=progress,
                on_sample=images_shown.add,
            )
            write_data_page(findings, images_shown.shown, new / PAGE)
    except OSError as error:
        if isinstance(error, CarsegError):
            raise
        raise OutputError(
            f"cannot write {folder}: {error.strerror}; free some space or choose another folder"
        ) from error
    return findings


class _Images:
    """The images of a page, written one by one into its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown: dict[tuple[str, str], ShownImage] = {}
        (folder / IMAGES).mkdir()

    def add(self, seen: Seen) -> None:
        """Write the image of a sample."""
        place, size = None, None
        if seen.image is not None:
            place, size = f"{IMAGES}/{len(self.shown)}.jpg", (seen.image.shape[1], seen.image.shape[0])
            boxes = [box for problem in seen.suspicious for box in problem.boxes]
            (self.folder / place).write_bytes(labeled(seen.image, seen.mask, seen.labels, boxes))
        classes = () if seen.mask is None else np.flatnonzero(np.bincount(seen.mask.ravel()))
        self.shown[seen.split, seen.name] = ShownImage(place, size, tuple(classes))


def _page_folder(path: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Return the real path of the folder that the page of a data set may be written to."""
    folder = replaceable(out)
    if folder.is_relative_to(os.path.realpath(path)):
        raise OptionError(
            f"{out} lies in {path}, where its images would become part of the data: choose a folder beside it"
        )
    files = sorted(path.relative_to(folder).as_posix() for path in iter_files(folder, lambda error: None))
    others = [name for name in files if name != PAGE and not _is_image(name)]
    if others or (files and PAGE not in files):
        raise OptionError(
            f"{out} holds {(others or files)[0]}, which is not from such a page and would be lost: choose another "
            "folder"
        )
    return folder


def _is_image(name: str) -> bool:
    place, _, file = name.partition("/")
    return place == IMAGES and file.endswith(".jpg") and file.removesuffix(".jpg").isdecimal()
