"""Files and folders: written as a whole or not at all, and listed; the JSON in them, which may be anybody's."""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NO_MEMORY = "there is not enough memory for what it holds"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to: renamed to ``path`` if the block succeeds, removed if it fails."""
    partial = path.with_name(f".{secrets.token_hex(8)}.part")  # of fixed length, so that it is valid where ``path`` is
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``path`` to fill: replaces ``path`` if the block succeeds, removed if it fails."""
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
    """Restore the folder that was being replaced when a process was killed, and delete what the process left."""
    partial, replaced = _beside(path)
    if replaced.exists() and not path.exists():
        replaced.rename(path)
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(replaced, ignore_errors=True)


def _beside(path: Path) -> tuple[Path, Path]:
    """Return the paths of the new folder and of the replaced one: a folder cannot be replaced in one step."""
    return path.with_name(f".{path.name}-new"), path.with_name(f".{path.name}-replaced")


def iter_files(folder: Path, onerror: Callable[[OSError], object]) -> Iterator[Path]:
    """Yield the files at any depth below a folder, without those whose name or folder begins with a dot.

    Args:
        folder: the folder to search.
        onerror: called with the error of a folder that cannot be read; the folder is skipped unless this raises.
    """
    for place, inner, names in os.walk(folder, onerror=onerror):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def read_json(path: Path, *, limit: int | None = None) -> Any:
    """Return the content of a JSON file; ``NaN`` and ``Infinity`` in it are floats, as Python writes them.

    Args:
        path: the file.
        limit: bytes that it may have.

    Raises:
        ValueError: why it cannot be read, in words that go on after its name: missing, too large, no JSON, too deep.
    """
    try:
        with path.open("rb") as file:
            content = file.read(-1 if limit is None else limit + 1)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except MemoryError:
        raise ValueError(_NO_MEMORY) from None
    if limit is not None and len(content) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    return parse_json(content)


def parse_json(content: str | bytes) -> Any:
    """Return what a JSON text stands for.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or does not fit into the memory.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except MemoryError:
        raise ValueError(_NO_MEMORY) from None


def to_json(value: Any, *, indent: int | None = None, ensure_ascii: bool = True) -> str:
    """Return JSON as its standard has it: null in place of NaN and infinity, which other programs refuse to read."""
    try:
        return json.dumps(value, indent=indent, ensure_ascii=ensure_ascii, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), indent=indent, ensure_ascii=ensure_ascii, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value
