"""A command in a process of its own, in which one operation fails or ends it, and what must hold after that."""

from __future__ import annotations

import errno
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from carseg.cli import entry

from faults.commands import Command, Tree, arguments
from faults.operations import CLEARS_UP, HANG_UP, KILL, Fault, Operations

ERRORS = (errno.ENOSPC, errno.EIO, errno.EMFILE, KILL, HANG_UP)
_INTERRUPTED = 130
_SECONDS = 120  # a command that takes longer hangs


class Step(NamedTuple):
    """An operation as it was counted: what it was, the lines it came from, the path."""

    kind: str
    site: str
    path: str


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        status: its exit status, below 0 the number of the signal that ended it.
        out: what it wrote on stdout.
        err: what it wrote on stderr.
        steps: its operations.
    """

    status: int
    out: str
    err: str
    steps: list[Step]


class Broken(Exception):
    """What must hold after a fault does not; the message says what."""


@dataclass
class Bench:
    """Tries a command: it runs whole once, and then as often as asked, with a fault, in a folder of its own.

    Attributes:
        command: the command.
        inputs: the folder of what it works on.
        address: where the hub in it is served.
        work: a folder for what it writes.
    """

    command: Command
    inputs: Path
    address: str
    work: Path

    def __post_init__(self) -> None:
        self.work.mkdir(parents=True)
        self._cache = self.work / "cache"
        first = self.work / "first"
        first.mkdir()
        ended = self._run(first, None)
        if ended.status != 0:
            raise Broken(f"it does not even run without a fault: {ended.err}")
        if self.command.argv[0] == "export":  # what is made of the network once, and takes seconds
            shutil.copytree(first / "cache", self._cache)
            shutil.rmtree(first)
            first.mkdir()
            ended = self._run(first, None)
        self.steps, self.whole = ended.steps, tree(first)

    def sites(self) -> list[int]:
        """Return the number of the first operation of each kind from each line; one line may rename several files."""
        first: dict[tuple[str, str, str], int] = {}
        for number, step in enumerate(self.steps, 1):
            first.setdefault((step.kind, step.site, step.path if step.kind == "rename" else ""), number)
        return list(first.values())

    def trial(self, fault: Fault) -> bool:
        """Run with a fault and then once more without; return whether the fault happened.

        Raises:
            Broken: what must hold afterwards does not.
        """
        folder = self.work / "trial"
        folder.mkdir()
        try:
            ended = self._run(folder, fault)
            happened = len(ended.steps) >= fault.at
            if happened:
                self._check(folder, fault, ended)
            if ended.status != 0 or self.command.same(tree(folder)) != self.command.same(self.whole):
                self._check_again(folder, self._run(folder, None, again=True))
        except Broken as error:
            site = ended.steps[fault.at - 1] if len(ended.steps) >= fault.at else "not reached"
            raise Broken(f"{fault} ({site}): {error}") from None
        finally:
            shutil.rmtree(folder)
        return happened

    def _run(self, folder: Path, fault: Fault | None, *, again: bool = False) -> Ended:
        """Run the command in a folder, in a child of this process."""
        log = self.work / "log"
        log.unlink(missing_ok=True)
        if self._cache.exists() and not (folder / "cache").exists():
            shutil.copytree(self._cache, folder / "cache")
        process = os.fork()
        if process == 0:
            try:
                self._become(folder, log, fault, again)
            finally:
                os._exit(99)
        status = _wait(process)
        lines = log.read_bytes().decode("utf-8", "replace").splitlines()
        out, err = ((self.work / name).read_text("utf-8", "replace") for name in ("out", "err"))
        return Ended(status, out, err, [Step(*line.split("\t")) for line in lines])

    def _become(self, folder: Path, log: Path, fault: Fault | None, again: bool) -> None:
        os.chdir(folder)
        for number, name in ((1, "out"), (2, "err")):
            file = os.open(self.work / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
        for name in ("cache", "tmp"):
            Path(name).mkdir(exist_ok=True)
        os.environ.update(
            CARSEG_HUB=str(self.inputs / "hub"), CARSEG_CACHE=str(folder / "cache"), TMPDIR=str(folder / "tmp")
        )
        tempfile.tempdir = None
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where this process was started by nohup
        self.command.prepare(self.inputs)
        operations = Operations([folder, self.inputs], os.open(log, os.O_WRONLY | os.O_CREAT), fault)
        for name, function, place in self.command.writers:
            operations.wrap_writer(importlib.import_module(name), function, place)
        operations.install()
        argv = arguments(self.command.argv, self.inputs, self.address)
        sys.argv = ["carseg", *argv, *(self.command.again() if again else ())]
        entry()

    def _check(self, folder: Path, fault: Fault, ended: Ended) -> None:
        left = tree(folder)
        shown = {name: content for name, content in left.items() if not _hidden(name)}
        if fault.error == KILL:
            _demand(ended.status == -signal.SIGKILL, f"it ended with status {ended.status}: {ended.err}")
        else:
            _check_ending(ended, fault)
        known = self.command.same(self.whole)
        for name, content in self.command.same(shown).items():
            as_before = (self.inputs / name).is_file() and content == (self.inputs / name).read_bytes()
            _demand(as_before or content == known.get(name), f"{name} is not whole, or nothing that it should write")
        _demand(not (wrong := self.command.check(shown)), wrong)
        main, whole = self.command.main, self._of_out(self.whole)
        if main:
            there = self._of_out(shown)
            complete = there.keys() == whole.keys()
            killed = fault.error == KILL and main not in there
            _demand(complete or not there or killed, f"only some of its files are there: {sorted(there)}")
        if ended.status == 0:
            _demand(self._of_out(shown).keys() == whole.keys(), f"it ended well without all files: {sorted(shown)}")
        if fault.error != KILL and not fault.lasting and ended.steps[fault.at - 1].kind not in CLEARS_UP:
            # What was downloaded stays in the cache, to be resumed.
            hidden = [name for name in left if _hidden(name) and not name.startswith("cache/")]
            _demand(not hidden, f"it left {hidden}")

    def _check_again(self, folder: Path, ended: Ended) -> None:
        _demand(ended.status == 0, f"a second run ends with status {ended.status}: {ended.err}")
        left, whole = (self.command.same(found) for found in (tree(folder), self.whole))
        _demand(left.keys() >= whole.keys(), f"a second run does not write {sorted(whole.keys() - left.keys())}")
        _demand(left.keys() <= whole.keys(), f"after a second run there still is {sorted(left.keys() - whole.keys())}")
        other = [name for name, content in left.items() if content != whole[name]]
        _demand(not other, f"a second run writes something else: {other}")

    def _of_out(self, found: Tree) -> Tree:
        return {name: content for name, content in found.items() if name.startswith("out/") and name != "out/"}


def tree(folder: Path) -> Tree:
    """Return what is below a folder, without the system's folder for temporary files."""
    found: Tree = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name != "tmp" and not name.startswith("tmp/"):
            found[f"{name}/" if path.is_dir() else name] = b"" if path.is_dir() else path.read_bytes()
    return found


def faults(numbers: Iterator[int] | range | list[int], errors: tuple[int, ...] = ERRORS) -> Iterator[Fault]:
    """Yield every fault at the operations of some numbers; a full disk and a broken one also for good."""
    for number in numbers:
        for error in errors:
            yield Fault(number, error)
            if error in (errno.ENOSPC, errno.EIO):
                yield Fault(number, error, lasting=True)


def _hidden(name: str) -> bool:
    """Return whether a file is one that is being written: no result, and no weights."""
    return any(part.startswith(".") for part in name.split("/")) or name.rstrip("/").endswith((".part", ".lock"))


def _check_ending(ended: Ended, fault: Fault) -> None:
    _demand("Traceback" not in ended.err and "Traceback" not in ended.out, f"a traceback: {ended.err}")
    if fault.error == HANG_UP and ended.status == _INTERRUPTED:
        _demand("carseg: interrupted" in ended.err, f"it does not say that it was interrupted: {ended.err!r}")
        return
    _demand(ended.status in (0, 1), f"it ended with status {ended.status}: {ended.err}")
    errors = [line for line in ended.err.splitlines() if line.startswith("carseg: error: ")]
    if ended.status == 0 or fault.error == HANG_UP:
        _demand(not errors, f"it ended well and says {errors}")
    else:
        _demand(
            len(errors) == len(set(errors)) and 1 <= len(errors) <= 2,
            f"not one sentence of what is wrong: {ended.err!r}",
        )
        _demand(os.strerror(fault.error) in ended.err, f"it does not say the reason: {ended.err!r}")


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)


def _wait(process: int) -> int:
    """Return the exit status of a child, below 0 the signal that ended it; one that hangs is killed.

    Raises:
        Broken: it hangs.
    """
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise Broken("it hangs")
