"""The files that people mean when they name a folder. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def visible_files(folder: Path, onerror: Callable[[OSError], object]) -> Iterator[Path]:
    """Files at any depth below a folder whose names, and whose folders' names, do not begin with a dot.

    Args:
        onerror: called with what kept a folder from being looked into; it is passed over unless this raises.
    """
    for place, inner, names in os.walk(folder, onerror=onerror):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))
