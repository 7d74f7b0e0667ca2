"""The command line: argv and printing, nothing that a Python caller could not do.

Commands import what is heavy when they run.

Exit status: 0 done; 1 inputs failed, or a check was not met; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from carseg._version import __version__
from carseg.errors import CarsegError, ImageNotFoundError, OptionError, UnknownNameError

_WRONG_USAGE = (OptionError, UnknownNameError, ImageNotFoundError)
_INTERRUPTED = 130
_FINISH_SECONDS = 10.0  # so long a file that is being written may still take


def entry() -> NoReturn:
    """Run the process ``carseg``. It ends as it is: to take torch apart costs Python most of a second.

    It may be asked to end, as ``docker stop``, batch systems and closed terminals do: nothing half-written stays then
    either.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup lets it go on
            signal.signal(number, signal.default_int_handler)
    try:
        status = main()
    except Exception:
        from carseg.cli.terminal import err

        err(traceback.format_exc().rstrip())  # as Python would show it, but as safe as any other message
        status = 1
    if status == _INTERRUPTED:
        _let_threads_finish()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(status)


def _let_threads_finish() -> None:
    """Wait for a pool's last thread, which may be writing a file: one interrupted as it grew does not wait for it."""
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread():
            with suppress(RuntimeError):  # it was not even started
                thread.join(_FINISH_SECONDS)


def _nowhere() -> TextIO:
    """Return a stand-in for a stream that was closed by whoever started the process."""
    return open(os.devnull, "w", encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Run ``carseg`` with the given arguments, or with those of the process.

    Returns:
        The exit status.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if arguments == ["--version"]:  # before anything is imported
        print(f"carseg {__version__}")
        return 0
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be valid text
    from carseg.cli.terminal import err, fail

    try:
        status = _run(arguments or ["--help"])
    except KeyboardInterrupt:
        status = _INTERRUPTED
    except BrokenPipeError:  # whoever reads stdout has had enough, as in `carseg models | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (CarsegError, OSError) as error:
        if "--debug" in arguments:
            raise
        fail(_sentence(error))
        return 2 if isinstance(error, _WRONG_USAGE) else 1
    except (MemoryError, RuntimeError) as error:
        from carseg.images import lacks_memory

        if "--debug" in arguments or not lacks_memory(error):
            raise
        fail("there is not enough memory: free some, or take less at once")
        return 1
    if status == _INTERRUPTED:
        err("carseg: interrupted")
    return status


def _sentence(error: CarsegError | OSError) -> str:
    """Return an error as one sentence: the thing, the reason, the fix."""
    if isinstance(error, CarsegError) or not (error.strerror and error.filename):
        return str(error)
    return f"{error.filename}: {error.strerror}; mend that and run the same command again"


def _run(arguments: list[str]) -> int:
    import typer

    from carseg.cli.commands import app
    from carseg.cli.terminal import fail

    usage_error: Any = typer.BadParameter.__base__  # the base of all wrong usage, which typer itself does not export
    try:
        status: int | None = app(arguments, prog_name="carseg", standalone_mode=False)
        sys.stdout.flush()
    except usage_error as error:
        command = error.ctx.command_path if error.ctx else "carseg"
        fail(f"{error.format_message()} (see {command} --help)")
        return 2
    return status or 0
