"""Hostile files and all that reads them: carseg's own errors and nothing else, soon and in little memory.

``hostile_texts.py`` has what stands in place of a whole file, and of each field of a sound one, at any depth;
``hostile_labels.py`` and ``hostile_own.py`` have the files: text, JSON, YAML, numpy's, safetensors' and torch's.

    python tests/hostile.py              every text and every value, through every reader: minutes
    python tests/hostile.py --every 19   every 19th of them, as in the tests
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch._dynamo  # noqa: F401 - what torch imports late would count as the memory of a case

import carseg.data
from carseg.cli.data import _report
from carseg.cli.terminal import echo
from carseg.errors import CarsegError, DataError

from hostile_labels import LABELS
from hostile_own import OWN
from hostile_texts import TEXTS, VALUES

SECONDS = 5.0  # of the processor's time
BYTES = 1 << 30  # beyond what the process has before
LONGEST = 2000  # characters of a message
_NAMED = ("the label of a ", "train.txt lists")  # does not fit its image; of a list, which is called so
_HERE = "@"  # stands for the value


@dataclass(frozen=True)
class Reader:
    """A reader of files.

    Attributes:
        sound: a file that it reads: an object for JSON, else the file's content.
        read: takes a folder and the content of the file, and returns what is printed.
    """

    sound: Any
    read: Callable[[Path, bytes], str]

    @property
    def content(self) -> bytes:
        return self.sound if isinstance(self.sound, bytes) else json.dumps(self.sound).encode()

    def cases(self) -> Iterator[tuple[str, bytes]]:
        """Yield the files to read, with what each has been made of."""
        yield from TEXTS.items()
        if not isinstance(self.sound, bytes):
            for place, broken in damaged(self.sound):
                text = json.dumps(broken)
                for name, value in VALUES.items():
                    yield f"{place}: {name}", text.replace(f'"{_HERE}"', value).encode()


def damaged(document: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the place of each field and item of a document, at any depth, and a copy in which ``_HERE`` is there."""
    parts = document.items() if isinstance(document, dict) else enumerate(document) if _is_list(document) else ()
    for key, value in parts:
        for inside, inner in ((f"{place}.{key}", _HERE), *damaged(value, f"{place}.{key}")):
            whole = dict(document) if isinstance(document, dict) else list(document)
            whole[key] = inner
            yield inside, whole


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _labels(write: Callable[[Path, bytes], str]) -> Callable[[Path, bytes], str]:
    """Return a reader of labels, of which ``write`` writes a folder and names the format."""

    def read(folder: Path, content: bytes) -> str:
        findings = carseg.data.check(folder, format=write(folder, content))
        echo(json.dumps(findings.to_dict()))
        echo("\n".join(_report(findings)))
        for problem in findings.problems:  # an error as the command would end with for one image
            raise DataError(problem.text)
        return ""

    return read


READERS = {name: Reader(sound, _labels(write)) for name, (sound, write) in LABELS.items()} | {
    name: Reader(sound, read) for name, (sound, read) in OWN.items()
}


class OutOfBoundsError(BaseException):
    """A reader takes more than its time; no handler of ordinary errors swallows it."""


def _out_of_time(*_: object) -> None:
    raise OutOfBoundsError(f"takes more than {SECONDS:g} s")


def trouble(read: Callable[[], str], *, named: Iterable[str], is_sound: bool) -> str:
    """Return what is wrong with how a reader takes a file, "" where nothing is.

    Args:
        read: reads the file.
        named: an error has one of these texts.
        is_sound: there must be no error.
    """
    printed = io.StringIO()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with contextlib.redirect_stdout(printed):
            echo(read())
    except CarsegError as error:
        message = str(error)
        lines = message.split("\n  ")  # of a list
        if not all(map(str.isprintable, lines)) or len(max(lines, key=len)) > LONGEST:
            return f"says {message[:300]!r}"
        if is_sound or not any(name in message for name in named):
            return f"is refused: {message}"
    except BaseException as error:
        return f"raises {type(error).__name__}: {str(error)[:300]!r}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if not all(map(str.isprintable, printed.getvalue().split("\n"))):
        return f"prints {printed.getvalue()[:300]!r}"
    return ""


def main() -> int:
    """Take the files through the readers, print what is wrong, and return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("readers", nargs="*", default=list(READERS))
    options = parser.parse_args()
    signal.signal(signal.SIGPROF, _out_of_time)
    with tempfile.TemporaryDirectory() as place:
        folders = (Path(place) / str(number) for number in range(sys.maxsize))

        def taken(reader: Reader, content: bytes, *, is_sound: bool = False) -> str:
            folder = next(folders)
            folder.mkdir()
            return trouble(lambda: reader.read(folder, content), named=(str(folder), *_NAMED), is_sound=is_sound)

        sound = {name: taken(READERS[name], READERS[name].content, is_sound=True) for name in options.readers}
        wrong = [f"{name}: the sound file {reason}" for name, reason in sound.items() if reason]
        _limit_memory()
        count = 0
        for name in options.readers:
            for case, content in READERS[name].cases():
                count += 1
                if count % options.every == 0 and (reason := taken(READERS[name], content)):
                    wrong.append(f"{name}: {case} {reason}")
    print("\n".join(wrong) or f"{count // options.every} files, and nothing but carseg's own errors")
    return int(bool(wrong))


def _limit_memory() -> None:
    import resource

    before = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (before + BYTES, resource.RLIM_INFINITY))


if __name__ == "__main__":
    sys.exit(main())
