"""What the commands print: data on stdout; talk, warnings and progress bars on stderr."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

_BAR_WIDTH = 24
_REDRAW_SECONDS = 0.1
_CLEAR_LINE = "\r\x1b[K"


def echo(text: str) -> None:
    """Data, for stdout."""
    if on_screen := sys.stdout.isatty():
        ProgressBar.clear()
    print(text, flush=on_screen)


def err(text: str) -> None:
    """Talk, for stderr."""
    ProgressBar.clear()
    print(printable(text), file=sys.stderr, flush=True)


def fail(text: object) -> None:
    """Something that went wrong, in one sentence."""
    err(f"carseg: error: {text}")


def warn(message: Warning | str, *_: Any) -> None:
    """A warning as a sentence; takes the place of ``warnings.showwarning``."""
    err(f"carseg: warning: {message}")


def printable(text: str) -> str:
    """The text with what would confuse a terminal (control characters, broken file names) written as escapes."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> str:
    """Columns under a header.

    Args:
        align: "<" or ">" for each column.
    """
    lines = [list(header), *(list(map(printable, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, align, widths, strict=True)).rstrip()
        for line in lines
    )


def short(seconds: float) -> str:
    """A length of time for people: 9s, 4m10s, 1h05m."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


class ProgressBar:
    """A bar on stderr with the time that is left; nothing at all where stderr is no terminal.

    Args:
        label: stands before the bar.
    """

    _shown: ClassVar[ProgressBar | None] = None  # what has to be wiped before anything else is printed

    def __init__(self, label: str) -> None:
        self.label = label
        self.visible = sys.stderr.isatty()
        self.began = time.monotonic()
        self.drawn = 0.0

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, share: float, note: str = "") -> None:
        """Redraws the bar, at most ten times a second.

        Args:
            share: how much is done, 0..1.
            note: stands behind the bar.
        """
        now = time.monotonic()
        if not self.visible or now - self.drawn < _REDRAW_SECONDS:
            return
        self.drawn = now
        filled = round(_BAR_WIDTH * min(share, 1.0))
        left = f"{short((now - self.began) * (1 - share) / share)} left" if 0 < share < 1 else ""
        bar = f"{self.label} {'█' * filled}{'·' * (_BAR_WIDTH - filled)} {share:4.0%}"
        line = "  ".join(filter(None, (bar, note, left)))
        width = shutil.get_terminal_size().columns - 1
        print(_CLEAR_LINE + printable(line)[:width], end="", file=sys.stderr, flush=True)
        ProgressBar._shown = self

    def count(self, done: int, total: int) -> None:
        """Redraws the bar at ``done`` of ``total`` things."""
        self.show(done / max(total, 1), f"{done}/{total}")

    def bytes(self, done: int, total: int) -> None:
        """Redraws the bar of a download."""
        self.show(done / max(total, 1), f"{done / 1e6:.1f}/{total / 1e6:.1f} MB")

    @classmethod
    def clear(cls) -> None:
        """Wipes the bar that is on the screen, if any."""
        if cls._shown is not None:
            print(_CLEAR_LINE, end="", file=sys.stderr, flush=True)
            cls._shown = None
