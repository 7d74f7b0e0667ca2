"""Files and folders: written as a whole or not at all, and listed; the JSON in them, which may be anybody's.

What a process that was killed left is removed, or put back, by the next one that writes to the same place.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from carseg.errors import OptionError

if sys.platform != "win32":
    import fcntl

    _OWN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW  # flags to open a file of one's own: never through a link

_PARTIAL = ".{}.part"  # names that ``replacing`` writes to; 16 hexadecimal digits stand in the middle
_NO_MEMORY = "there is not enough memory for what it holds"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to: renamed to ``path`` if the block succeeds, removed if it fails."""
    with _partial(path) as partial:
        try:
            yield partial
            partial.replace(path)
        except BaseException:
            with suppress(OSError):  # what the block raised says more
                partial.unlink(missing_ok=True)
            raise


def discard_partial(path: Path) -> None:
    """Remove what a process left that was killed as it wrote ``path``, where ``path`` is not to be written again."""
    if os.path.lexists(_own_partial(path)):
        with suppress(OSError), _partial(path) as partial:
            partial.unlink(missing_ok=True)


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` that no other writer has, of fixed length, so that it is valid where ``path`` is.

    It is always the same one, so that what a killed process left is written over, unless another process or thread is
    writing there now. Whether one is, a lock tells, which ends with its process. Windows has no such locks.
    """
    partial = _own_partial(path)
    lock = _lock(partial)
    try:
        yield path.with_name(_PARTIAL.format(secrets.token_hex(8))) if lock is None else partial
    finally:
        if lock is not None:
            os.close(lock)


def _own_partial(path: Path) -> Path:
    return path.with_name(_PARTIAL.format(hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]))


def _lock(path: Path) -> int | None:
    """Make a file and lock it; return what unlocks it by being closed, None where another has it or nothing has locks.

    What is wrong with the folder is left for the writer to find.
    """
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(path, _OWN, 0o666)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.lstat(path)):  # else its writer has just renamed it
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:  # a file system without locks, where nobody writes to it
        with suppress(OSError):
            path.unlink()
    os.close(descriptor)
    return None


@contextmanager
def replacing_folder(path: Path, *, keep: bool = False) -> Iterator[Path]:
    """Yield a folder beside ``path`` to fill: replaces ``path`` if the block succeeds, removed if it fails.

    Args:
        path: the folder.
        keep: begin with what it has, as links where the file system has them, and not with nothing.
    """
    repair_folder(path)
    partial, replaced = _beside(path)
    try:
        partial.mkdir(parents=True)
        if keep and path.exists():
            rest = shutil.ignore_patterns(_PARTIAL.format("?" * 16))
            shutil.copytree(path, partial, symlinks=True, ignore=rest, copy_function=_link, dirs_exist_ok=True)
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


def replaceable(folder: str | os.PathLike[str]) -> Path:
    """Return the real path of a folder, which need not exist.

    Raises:
        OptionError: it is a file, or it cannot be renamed: it holds the working folder or is the top of a disk.
    """
    path = Path(os.path.realpath(folder))
    if path.exists() and not path.is_dir():
        raise OptionError(f"{folder} is a file: choose a folder")
    if path in (Path.cwd(), *Path.cwd().parents) or path.is_mount():
        raise OptionError(
            f"{folder} cannot be replaced as a whole, as it holds the working folder or is the top of a disk: choose a "
            "folder in it"
        )
    return path


@contextmanager
def scratch_folder(main: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``main`` for it and the files that belong to it, until ``placing`` them."""
    partial, _ = _beside(main)
    _repair_files(main)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def placing(files: Sequence[Path], folder: Path) -> Iterator[tuple[Path, ...]]:
    """Move files that belong together into a folder and yield their new paths; if the block fails all is as before.

    The first is the main one. It is the first that is taken away and the last that is put there, so that where it is
    the others are those that belong to it, even if the process is killed in between.
    """
    targets = tuple(folder / file.name for file in files)
    _, replaced = _beside(targets[0])
    placed: list[Path] = []
    try:
        replaced.mkdir()
        for target in targets:
            if target.exists():
                target.rename(replaced / target.name)
        for file, target in reversed(list(zip(files, targets, strict=True))):
            file.rename(target)
            placed.append(target)
        yield targets
    except BaseException:
        for target in reversed(placed):
            target.unlink()
        raise
    finally:
        _repair_files(targets[0])


def _repair_files(main: Path) -> None:
    """Put back the files that were being replaced when a process was killed, unless all new ones were there."""
    _, replaced = _beside(main)
    if replaced.exists() and not main.exists():
        for file in sorted(replaced.iterdir(), key=lambda file: file.name == main.name):
            file.replace(main.with_name(file.name))
    shutil.rmtree(replaced, ignore_errors=True)


def _beside(path: Path) -> tuple[Path, Path]:
    """Return the paths of the new folder and of the replaced one: a folder cannot be replaced in one step."""
    return path.with_name(f".{path.name}-new"), path.with_name(f".{path.name}-replaced")


def _link(source: str, target: str) -> None:
    """Put the same file in another place: files are replaced here, never changed."""
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)


def iter_files(folder: Path, onerror: Callable[[OSError], object]) -> Iterator[Path]:
    """Yield the files at any depth below a folder, without those whose name or folder begins with a dot.

    Args:
        folder: the folder to search.
        onerror: called with the error of a folder that cannot be read; the folder is skipped unless this raises.
    """
    for place, inner, names in os.walk(folder, onerror=onerror):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def digest_file(path: Path) -> bytes:
    """Return the sha256 of a file's content, which is never in memory as a whole."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


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
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:  # Python's own words are about a setting of Python
        raise ValueError("it has a number of thousands of digits") from None


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
