"""Cut-outs of cars as files: photographs become a set of pictures with one background and one framing."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from carseg._arrays import Uint8Array
from carseg._files import to_json
from carseg.errors import CarNotFoundError, CarsegError, ImageError, OptionError, excerpt
from carseg.inference import (
    CUTOUT_KINDS,
    LONGEST,
    CutoutOptions,
    Result,
    Segmenter,
    best_edges,
    encode_photo,
    holes_notice,
    load,
    path_of,
    prefetch,
    write_file,
)
from carseg.labels import Color

_log = logging.getLogger("carseg")


class CutoutFiles:
    """The files of a set of cut-outs: one picture per image, ``STEM.cutout.png``, ``.jpg`` or ``.webp``.

    Args:
        options: how the cars are shown.
        format: png, jpg or webp.

    Attributes:
        options: how the cars are shown.
        format: png, jpg or webp.
        kind: that of the files, for ``carseg.inference.path_of`` and ``is_saved``.

    Raises:
        OptionError: no such format, or one that cannot be transparent, as the background is.
    """

    def __init__(self, options: CutoutOptions, format: str = "png") -> None:
        if format not in CUTOUT_KINDS:
            raise OptionError(f"format must be one of {', '.join(CUTOUT_KINDS)}, got {excerpt(repr(format))}")
        if format == "jpg" and options.background is None:
            raise OptionError(
                "a jpg cannot be transparent: give it a background, such as white (--background white), or use the "
                "format png or webp"
            )
        if options.size and (reason := self._too_long(options.size, format)):
            raise OptionError(f"size={options.size[0]}x{options.size[1]}: {reason}")
        background = options.background
        if isinstance(background, Image.Image) and options.size:  # once for all, and not for each image
            options = replace(options, background=ImageOps.fit(background, options.size))
        self.options, self.format, self.kind = options, format, CUTOUT_KINDS[format]

    def check(self, model: Segmenter) -> None:
        """Raise OptionError where a model's classes do not tell what the options need; log what they leave out."""
        self.options.check(model.labels)
        if model.cars is None and (notice := holes_notice(model.labels)):
            _log.warning(notice)

    def made_from(self, origin: str) -> str:
        """Return what is the same only for pictures of the same image made alike, "" where ``origin`` is.

        Args:
            origin: what ``carseg.inference.origin_of`` returns of the image.
        """
        shown = self.options.background
        if isinstance(shown, Image.Image):
            shown = [*shown.size, hashlib.sha256(shown.tobytes()).hexdigest()]
        facts = vars(self.options) | {"background": shown, "format": self.format, "origin": origin}
        return hashlib.sha256(to_json(facts).encode()).hexdigest() if origin else ""

    def save(
        self, result: Result, directory: str | os.PathLike[str], stem: str | None = None, *, made_from: str = ""
    ) -> Path:
        """Write the picture of an image and return its path; an older one is replaced.

        Args:
            result: the image.
            directory: made when missing.
            stem: what the file's name begins with; by default that of the image, as for ``Result.save``.
            made_from: a line that the file carries, in ASCII.

        Raises:
            CarNotFoundError: the image has no car, or none of that number.
            ImageError: the picture is larger than the format can have it.
            OutputError: the file cannot be written; nothing half-written is left.
        """
        seen = result.cars if result.tells_cars and not self.options.all else result.alpha.any()
        if not seen:
            raise CarNotFoundError(
                f"{result.source or 'the image'}: no car was found in it by {result.model or 'the model'}, so there is "
                "nothing to cut out: leave it out, or try another model"
            )
        picture = result.cutout(**vars(self.options))
        if reason := self._too_long(picture.size, self.format):
            raise ImageError(f"{result.source or 'the image'}: {reason}")
        path = path_of(directory, result.claim_stem(directory, stem), self.kind)
        write_file(path, lambda file: encode_photo(picture, file, self.format, made_from))
        return path

    @staticmethod
    def _too_long(size: tuple[int, int], format: str) -> str | None:
        """Return why a picture of that width and height cannot be written; None where it can."""
        most = LONGEST.get(format, max(size))
        longer = f"a side of a {format} has at most {most} pixels: take a smaller size, or the format png"
        return longer if max(size) > most else None


def cutout(
    sources: Any,
    out: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | Segmenter = "car",
    background: Color | str | os.PathLike[str] | Image.Image | Uint8Array | None = None,
    shadow: bool = False,
    margin: str | float | None = None,
    size: str | tuple[int, int] | None = None,
    format: str = "png",
    car: int | None = None,
    all: bool = False,
    glass: str = "keep",
    feather: float = 0,
    edges: str | None = None,
    jobs: int | None = None,
    on_error: str = "raise",
) -> list[Path | CarsegError]:
    """Cut cars out of photographs and return the files, in order: ``STEM.cutout.FORMAT`` below ``out``.

    Args:
        sources: a folder (its subfolders are kept), a pattern, or an iterable of what ``predict`` takes.
        out: folder for the files; created if it does not exist.
        model: a model that finds whole cars, or its name or path as for ``carseg.load``.
        background: as for ``Result.cutout``, like all following arguments up to ``feather`` except ``format``.
        shadow: draw a shadow on the ground.
        margin: share of the canvas that stays free on each side, such as "8%".
        size: width and height of the canvas, such as "1920x1080".
        format: png, jpg (which cannot be transparent) or webp.
        car: number of the car; by default the largest.
        all: show all cars.
        glass: "keep" or "tint".
        feather: fade the edge inwards over this many pixels.
        edges: as for ``Segmenter.predict``; by default what ``carseg.inference.best_edges`` returns for the model.
        jobs: as for ``Segmenter.stream``; also the number of pictures made at the same time.
        on_error: "raise", or "keep" to continue and get the exception instead of the file; its ``source`` is the image.

    Raises:
        OptionError: an option has a value that is not allowed, or does not suit the model.
        CarNotFoundError: an image has no car, or none with this number.
        ImageError: an image, or the background, cannot be read.
        OutputError: a file cannot be written.
    """
    if on_error not in ("raise", "keep"):
        raise OptionError(f"on_error must be 'raise' or 'keep', got {on_error!r}")
    files = CutoutFiles(CutoutOptions(background, shadow, margin, size, car, all, glass, feather), format)
    segmenter = load(model) if isinstance(model, (str, os.PathLike)) else model
    files.check(segmenter)
    edges = edges or best_edges(segmenter.info)
    results = segmenter.stream(sources, edges=edges, jobs=jobs, on_error="yield" if on_error == "keep" else "raise")
    return list(_written(results, Path(out), files, jobs, on_error))


def _written(
    results: Iterator[Result | CarsegError], out: Path, files: CutoutFiles, jobs: int | None, on_error: str
) -> Iterator[Path | CarsegError]:
    """Yield the picture of each image, or why there is none; names go by the order of the images."""

    def named() -> Iterator[tuple[Result | CarsegError, str]]:
        for result in results:
            if isinstance(result, CarsegError):
                yield result, ""
            else:
                yield result, result.claim_stem(out / _place_below(result))

    def write(one: tuple[Result | CarsegError, str]) -> Path | CarsegError:
        result, stem = one
        if isinstance(result, CarsegError):
            return result
        try:
            return files.save(result, out / _place_below(result), stem)
        except (CarNotFoundError, ImageError) as error:
            if on_error == "raise":
                raise
            error.source = result.source
            return error

    return prefetch(write, named(), jobs)


def _place_below(result: Result) -> Path:
    """Return the folder of an image below the given folder that it was found in, if any."""
    return Path(result.source).parent.relative_to(result.root) if result.root else Path()
