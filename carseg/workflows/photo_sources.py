"""The photographs that are given for a report: found, each taken once, without those of earlier reports."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from carseg.errors import ImageNotFoundError, OptionError, excerpt, without_secrets
from carseg.hub import web_address
from carseg.images import is_data_uri
from carseg.inference import find_images, is_video
from carseg.workflows.car_report import Failure


def find_photos(photos: Any, out: Path | None) -> tuple[Iterable[Any], list[Failure]]:
    """Return the photographs, a list where it is known how many there are, and the places that hold none.

    Args:
        photos: a folder, pattern, address or image, or an iterable of these.
        out: the folder that will be replaced; photographs in it that lie below a given folder are left out.

    Raises:
        ImageNotFoundError: no given place holds a photograph.
        OptionError: a given photograph, or a given folder, lies in ``out``, and would be lost.
    """
    given = [photos] if isinstance(photos, (str, os.PathLike)) else find_images(photos)
    if not isinstance(given, (list, tuple)):
        return given, []
    found: dict[str | int, Any] = {}
    missing: list[Failure] = []
    for place in given:
        try:
            for photo in _expand(place, out):
                if is_video(photo):
                    name = without_secrets(excerpt(str(photo)))
                    missing.append(Failure(name, f"{name}: a video is no photograph: give frames of it"))
                    continue
                found.setdefault(os.path.realpath(photo) if _is_path(photo) else len(found), photo)
        except ImageNotFoundError as error:
            missing.append(Failure(without_secrets(excerpt(str(place))), str(error)))
    if not found:
        raise ImageNotFoundError(missing[0].error if missing else "no photograph was given")
    return list(found.values()), missing


def _expand(place: Any, out: Path | None) -> Iterator[Any]:
    """Yield the photographs that a given place stands for."""
    if not _is_path(place) or out is None:
        yield from find_images(place) if isinstance(place, (str, os.PathLike)) else [place]
        return
    photos = list(find_images(place))
    if out in (real := Path(os.path.realpath(place)), *real.parents):
        raise OptionError(f"{excerpt(str(place))} lies in {out}, which will be replaced: choose another folder")
    others = [photo for photo in photos if out not in Path(os.path.realpath(photo)).parents]
    if not others:
        raise ImageNotFoundError(f"{excerpt(str(place))}: it holds only photographs of an earlier report")
    yield from others


def _is_path(place: Any) -> bool:
    return isinstance(place, (str, os.PathLike)) and not (is_data_uri(place) or web_address(place))
