"""Files and folders that are whole or not there."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to: renamed to ``path`` when the block ends well, removed when it does not."""
    partial = path.with_name(f".{secrets.token_hex(8)}.part")  # not longer for a longer name
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside ``path`` to fill: takes its place when the block ends well, removed when it does not."""
    repair_folder(path)
    partial, replaced = _beside(path)
    partial.mkdir(parents=True)
    try:
        yield partial
        if path.exists():
            path.rename(replaced)
        partial.rename(path)
    finally:
        repair_folder(path)


def repair_folder(path: Path) -> None:
    """Brings back the folder that was about to be replaced when the process was killed, and deletes what it left."""
    partial, replaced = _beside(path)
    if replaced.exists() and not path.exists():
        replaced.rename(path)
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(replaced, ignore_errors=True)


def _beside(path: Path) -> tuple[Path, Path]:
    """Where a folder is put together, and where the one that it replaces goes: it is not replaced in one step."""
    return path.with_name(f".{path.name}-new"), path.with_name(f".{path.name}-replaced")


def iter_files(folder: Path, onerror: Callable[[OSError], object]) -> Iterator[Path]:
    """Files at any depth below a folder whose names, and whose folders' names, do not begin with a dot.

    Args:
        onerror: called with what kept a folder from being looked into; it is passed over unless this raises.
    """
    for place, inner, names in os.walk(folder, onerror=onerror):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))
