"""Files of results that are on the disk already: whether they are whole, and were made of the same image alike.

A file says what it was made from: a PNG in a text called ``made_from``, a JSON in its last key, a JPEG or WebP behind
the name of its software.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from carseg._files import digest_file, to_json
from carseg.hub import ModelInfo, find_info
from carseg.images import is_data_uri
from carseg.inference.file_names import path_of
from carseg.inference.files import read_made_from
from carseg.inference.refiner import REFINER


def origin_of(
    image: str | os.PathLike[str],
    info: ModelInfo,
    *,
    cars: ModelInfo | None = None,
    precision: str,
    calibration: str | os.PathLike[str] | None = None,
    tile: int | None = None,
    threshold: float | None = None,
    min_area: float | None = None,
    sides: str = "consistent",
    edges: str = "network",
) -> str:
    """Return what is the same only for files made of the same image alike, for ``Result.save`` and ``is_saved``.

    Args:
        image: the path of the image, of which the content counts; of an address or a data URI it is the text.
        info: the weights, of which the sha256 and the name count.
        cars: those of the second network, if there is one.
        precision: in which the network computes, as ``segmenter.runtime.precision`` names it.
        calibration: as for ``carseg.load``; its content counts.
        tile: as for ``predict``, like ``threshold``, ``min_area``, ``sides`` and ``edges``.

    Returns:
        64 hexadecimal digits, or "" where the image or the calibration cannot be read.
    """
    try:
        content = str(image).encode("utf-8", "surrogateescape") if _is_text(image) else None
        seen = hashlib.sha256(content).hexdigest() if content is not None else _digest(image)
        ranges = None if calibration is None else _digest(calibration)
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return ""
    facts = {"image": seen, "weights": info.sha256, "model": info.name, "precision": precision, "calibration": ranges}
    facts |= {} if cars is None else {"cars": cars.sha256}
    min_area = info.labels.min_area if min_area is None else min_area
    settings = {"tile": tile, "threshold": threshold, "min_area": min_area, "sides": sides}
    if edges == "refined":
        settings["edges"] = find_info(REFINER).sha256
    return hashlib.sha256(to_json(facts | settings).encode()).hexdigest()


def is_saved(
    directory: str | os.PathLike[str], stem: str, kinds: Iterable[str], made_from: str, *, source: str = ""
) -> bool:
    """Return whether the files that ``Result.save`` would write are there, whole, and say the same ``made_from``.

    Args:
        directory: as for ``Result.save``, like ``stem`` and ``kinds``.
        made_from: what ``origin_of`` returns; "" is no file's.
        source: the path or address of the image, after whose name its overlay is a JPEG or a PNG.
    """
    paths = (path_of(directory, stem, kind, source) for kind in kinds)
    return bool(made_from) and all(read_made_from(path) == made_from for path in paths)


def _is_text(image: str | os.PathLike[str]) -> bool:
    return is_data_uri(image) or "://" in str(image)


def _digest(path: str | os.PathLike[str]) -> str:
    if not os.path.isfile(path):  # a pipe would be waited for
        raise OSError(f"{path} is no file")
    return digest_file(Path(path)).hex()
