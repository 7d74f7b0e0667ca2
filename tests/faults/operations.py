"""What a command does to files, counted; the operation of one number fails, or ends the process."""

from __future__ import annotations

import builtins
import errno
import functools
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import carseg

# In place of the number of an error: the process ends, or is asked to end, as by a terminal that is closed.
KILL, HANG_UP = 0, -1
_ENDS = {KILL: "kill", HANG_UP: "hang-up"}
PACKAGE = str(Path(carseg.__file__).parent)
# Operations that need room on the disk, which a full one refuses from then on.
NEEDS_ROOM = {"write", "mkdir", "link"}
CLEARS_UP = {"unlink", "rmdir", "list"}


@dataclass(frozen=True)
class Fault:
    """What happens at an operation.

    Attributes:
        at: the number of the operation, counted from 1.
        error: the number of the error that it raises, or ``KILL`` or ``HANG_UP``.
        lasting: whether all operations fail from then on; with a full disk those that need room.
    """

    at: int
    error: int
    lasting: bool = False

    def __str__(self) -> str:
        what = _ENDS.get(self.error) or os.strerror(self.error)
        return f"{what} at operation {self.at}{' and ever after' if self.lasting else ''}"


class Operations:
    """Counts operations on files below the given folders, and writes a line about each to ``log``.

    It replaces functions of the standard library for the rest of the process.
    """

    def __init__(self, folders: list[Path], log: int, fault: Fault | None) -> None:
        self._folders = tuple(f"{os.path.realpath(folder)}{os.sep}" for folder in folders)
        self._log, self._fault, self._count = log, fault, 0
        self._lock, self._write = threading.Lock(), os.write

    def install(self) -> None:
        """Take the place of ``open`` and of the functions of ``os`` that change folders."""
        self._replace_open()
        os.open = self._wrapped(os.open, _kind_of_open)
        kinds = {"rename": "rename", "replace": "rename", "mkdir": "mkdir", "unlink": "unlink", "remove": "unlink"}
        for name, kind in {**kinds, "rmdir": "rmdir", "link": "link", "symlink": "link"}.items():
            setattr(os, name, self._wrapped(getattr(os, name), lambda *_, kind=kind: kind))
        for name in ("fsync", "posix_fallocate"):
            setattr(os, name, self._wrapped(getattr(os, name), lambda *_: "write"))

    def wrap_writer(self, module: Any, name: str, place: int) -> None:
        """Count a function of a library that writes a file by itself; ``place`` is the argument with its path."""
        write = getattr(module, name)

        @functools.wraps(write)
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            path = arguments[place]
            if isinstance(path, (str, os.PathLike)) and self._is_inside(path):
                self.step("write", path)
            return write(*arguments, **keywords)

        setattr(module, name, wrapped)

    def step(self, kind: str, path: Any) -> None:
        """Count an operation; raise its error, or end the process, if it is the one.

        Raises:
            OSError: the operation fails.
        """
        with self._lock:
            self._count += 1
            number = self._count
            self._write(self._log, f"{kind}\t{_site()}\t{path}\n".encode("utf-8", "replace"))
        fault = self._fault
        if fault is None or number < fault.at:
            return
        if number > fault.at and not (fault.lasting and (fault.error != errno.ENOSPC or kind in NEEDS_ROOM)):
            return
        if fault.error == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.error == HANG_UP:
            os.kill(os.getpid(), signal.SIGHUP)
            return
        raise OSError(fault.error, os.strerror(fault.error), str(path))

    def _is_inside(self, path: Any) -> bool:
        return not isinstance(path, int) and os.path.abspath(os.fsdecode(path)).startswith(self._folders)

    def _wrapped(self, function: Callable[..., Any], kind_of: Callable[..., str]) -> Callable[..., Any]:
        def wrapped(path: Any, *arguments: Any, **keywords: Any) -> Any:
            # A path beside the descriptor of a folder is of a tree that is being removed.
            if isinstance(path, int) or keywords.get("dir_fd") is not None or self._is_inside(path):
                self.step(kind_of(path, *arguments), path)
            return function(path, *arguments, **keywords)

        return functools.update_wrapper(wrapped, function)

    def _replace_open(self) -> None:
        original, step, is_inside = io.open, self.step, self._is_inside

        class Raw(io.FileIO):
            def write(self, content: Any) -> int:
                try:
                    step("write", self.name)
                except OSError:
                    super().write(memoryview(content).cast("B")[: len(content) // 2])  # as much as there was room for
                    raise
                return super().write(content)

        def counted(
            file: Any,
            mode: str = "r",
            buffering: int = -1,
            encoding: str | None = None,
            errors: str | None = None,
            newline: str | None = None,
            closefd: bool = True,
            opener: Any = None,
        ) -> Any:
            if not is_inside(file):
                return original(file, mode, buffering, encoding, errors, newline, closefd, opener)
            step("open", file)
            if not set(mode) & set("wax+"):
                return original(file, mode, buffering, encoding, errors, newline, closefd, opener)
            raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
            if buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline)

        builtins.open = io.open = counted  # type: ignore[assignment]


def _kind_of_open(_: Any, flags: int, *__: Any) -> str:
    return "open" if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else "list"


def _site() -> str:
    """Return the lines of carseg that an operation comes from: the innermost one, and who uses its file functions."""
    frame: FrameType | None = sys._getframe(2)
    lines = []
    while frame is not None and (not lines or lines[-1].startswith("_files.py")):
        if frame.f_code.co_filename.startswith(PACKAGE):
            lines.append(f"{os.path.relpath(frame.f_code.co_filename, PACKAGE)}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join((lines[0], lines[-1]) if len(lines) > 1 else lines or ["?"])
