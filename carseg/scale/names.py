"""Names of the images in a folder, or of a pattern, here or where fsspec finds them.

Only one folder at a time is listed, so that the first name is known at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from carseg.errors import DataError
from carseg.images import SUFFIXES
from carseg.scale.opening import naming

_MAGIC = re.compile(r"[*?\[]")


def suffix(name: str) -> str:
    """Return what follows the last dot of a name, with the dot, in lower case."""
    return os.path.splitext(name)[1].lower()


def below(system: Any, folder: str) -> Iterator[str]:
    """Yield the paths of the visible images at any depth below a folder, folder by folder, each sorted.

    Raises:
        DataError: a folder cannot be looked into.
    """
    for place, names in _walk(system, folder):
        yield from (f"{place}/{name}" for name in names if suffix(name) in SUFFIXES)


def matching(system: Any, pattern: str) -> Iterator[str]:
    """Yield the visible files that match a pattern, folder by folder, each sorted; ``**`` stands for any depth.

    Raises:
        DataError: a folder cannot be looked into.
    """
    from fsspec.utils import glob_translate

    fixed = _MAGIC.split(pattern, maxsplit=1)[0].rpartition("/")[0]
    depth = None if "**" in pattern else pattern.removeprefix(fixed).count("/") - 1
    matches = re.compile(glob_translate(pattern)).match
    with naming(pattern, DataError):
        found = system.isdir(fixed)
    if found:
        for place, names in _walk(system, fixed, depth):
            yield from (path for name in names if matches(path := f"{place}/{name}"))


def _walk(system: Any, folder: str, depth: int | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield each visible folder, so deep at most, with the sorted names of its visible files."""

    def stop(error: OSError) -> None:
        raise error

    here = "file" in system.protocol  # of which fsspec would ask for the size of every file
    with naming(folder, DataError):
        for place, inner, names in (
            os.walk(folder, onerror=stop) if here else system.walk(folder, detail=True, on_error=stop)
        ):
            place = place.replace(os.sep, "/")
            deeper = depth is None or place.removeprefix(folder).count("/") < depth
            _keep(inner, sorted(name for name in inner if deeper and not name.startswith(".")))
            yield place, sorted(name for name in names if not name.startswith("."))


def _keep(folders: Any, names: list[str]) -> None:
    """Let a walk go into these alone of the folders that it found."""
    if isinstance(folders, dict):
        left = {name: folders[name] for name in names}
        folders.clear()
        folders.update(left)
    else:
        folders[:] = names
