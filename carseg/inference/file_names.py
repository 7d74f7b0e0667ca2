"""Names of the files of results: an ending for each kind, and a stem that no two results of a process share.

They share one where the caller names both alike.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from carseg.inference.files import CUTOUT_KINDS

_log = logging.getLogger("carseg")

# The ending of each kind of file, after its stem.
OUTPUT_SUFFIXES = {
    "mask": ".mask.png",
    "overlay": ".overlay.png",
    "cutout": ".cutout.png",
    "json": ".json",
    "gray": ".gray.png",
    "coco": ".coco.json",
}
# Those of other jobs' files too, and of overlays of photographs, which as PNG are many times larger than these.
FILE_SUFFIXES = {kind: f".{kind}" for kind in (*CUTOUT_KINDS.values(), "overlay.jpg")} | OUTPUT_SUFFIXES
_PHOTOGRAPHS = (".jpg", ".jpeg", ".webp", ".heic", ".heif")
_UNNAMED = "picture"
_NAMELESS = re.compile(rf"|{_UNNAMED}-\d+")
_owners: dict[int, int] = {}  # of a place, folder and stem, to the result that has it; hashes, since there may be many
_lock = threading.Lock()  # results are saved on several threads


def path_of(directory: str | os.PathLike[str], stem: str, kind: str, source: str = "") -> Path:
    """Return the path of a kind of file, as ``Result.save`` and ``carseg.cutout`` have it.

    Args:
        directory: as for ``Result.save``, like ``stem`` and ``kind``.
        source: the path or address of the image.
    """
    name = urlsplit(source).path if "://" in source else source
    if kind == "overlay" and name[-5:].lower().endswith(_PHOTOGRAPHS):
        kind = "overlay.jpg"
    return Path(directory) / (stem + FILE_SUFFIXES[kind])


def numbered(number: int) -> str:
    """Return the name of the image that comes at a place, counted from 1, among those of a stream."""
    return f"{_UNNAMED}-{number}"


def frame_name(source: str, frame: int) -> str:
    """Return the path or address of a video as that of one of its frames would be: ``drive-000012.mp4``."""
    before, slash, name = source.rpartition("/" if "://" in source else os.sep)
    path = PurePath(name)
    return f"{before}{slash}{path.stem}-{frame:06}{path.suffix}"


def claim_stem(directory: str | os.PathLike[str], stem: str | None, source: str, serial: int) -> str:
    """Return what the names of a result's files begin with; no other result has it in the folder.

    Args:
        directory: the folder.
        stem: the caller's own, which is taken as it is; None for that of the source, with a digest of the source where
            another image's result has it, or with the serial number where the image has no name of its own.
        source: the path, address or name of the image; results of one source are those of one image. "" and what
            ``numbered`` returns are no names.
        serial: the number of the result, by which it is known where its image has no name.
    """
    folder = os.path.abspath(directory)
    nameless = _NAMELESS.fullmatch(source)
    owner = hash((serial,) if nameless else source if "://" in source else os.path.abspath(source))
    with _lock:
        if stem is not None:
            _owners[_place(folder, stem)] = owner
            return stem
        wanted = stem = stem_of(source)
        while _owners.setdefault(_place(folder, stem), owner) != owner:
            stem = f"{stem}-{serial if nameless else source_digest(source)}"
    if stem != wanted:
        _log.info(f"{wanted} is the name of another result in {directory}: this one is saved as {stem}")
    return stem


def stem_of(source: str) -> str:
    """Return the name of a file, or the last piece of an address, without its last extension."""
    path = unquote(urlsplit(source).path) if "://" in source else source
    return PurePath(path).stem or _UNNAMED


def source_digest(source: str) -> str:
    """Return what tells files apart that are made of images of the same name: 8 hexadecimal digits."""
    return hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _place(folder: str, stem: str) -> int:
    return hash((folder, stem.casefold()))  # names that differ by their case alone are one file on macOS
