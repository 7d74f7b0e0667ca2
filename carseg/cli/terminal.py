"""What the commands print: data on stdout; messages, warnings and progress bars on stderr."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from carseg.errors import printable, without_secrets

if TYPE_CHECKING:
    from rich.progress import Progress

_BAR_WIDTH = 24


def echo(text: str) -> None:
    """Print data on stdout."""
    on_screen = sys.stdout.isatty()
    with ProgressBar.out_of_the_way(on_screen):
        print(_lines(text), flush=on_screen)


def err(text: str) -> None:
    """Print a message on stderr."""
    with ProgressBar.out_of_the_way():
        print(_lines(without_secrets(text)), file=sys.stderr, flush=True)


def fail(text: object) -> None:
    """Print what went wrong, in one sentence."""
    err(f"carseg: error: {text}")


def warn(message: Warning | str, *_: Any) -> None:
    """Print a warning as a sentence; takes the place of ``warnings.showwarning``."""
    err(f"carseg: warning: {message}")


def _lines(text: str) -> str:
    """Return the text, whose lines are meant as such, with every other control character as an escape."""
    return "\n".join(map(printable, text.split("\n")))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> str:
    """Return columns under a header, folded to the terminal where stdout is one.

    Args:
        align: "<" or ">" for each column.
    """
    cells = [tuple(header), *(tuple(map(printable, row)) for row in rows)]
    return _folded(cells, align) if sys.stdout.isatty() else _aligned(cells, align)


def _aligned(cells: list[tuple[str, ...]], align: str) -> str:
    """Return columns in lines as long as they are, for files and pipes."""
    from rich.cells import cell_len  # letters of East Asia take two columns

    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        padded = []
        for cell, width, side in zip(line, widths, align, strict=True):
            space = " " * (width - cell_len(cell))
            padded.append(space + cell if side == ">" else cell + space)
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _folded(cells: list[tuple[str, ...]], align: str) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for name, side in zip(cells[0], align, strict=True):
        grid.add_column(Text(name), justify="right" if side == ">" else "left", overflow="fold")
    for line in cells[1:]:
        grid.add_row(*map(Text, line))
    text = io.StringIO()
    Console(file=text, color_system=None).print(grid)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def short(seconds: float) -> str:
    """Return a length of time for people: 9s, 4m10s, 1h05m."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


class ProgressBar:
    """A bar on stderr with the time that is left; nothing at all where stderr is no terminal.

    Args:
        label: stands before the bar.
    """

    _shown: ClassVar[ProgressBar | None] = None  # what has to give way when anything else is printed

    def __init__(self, label: str) -> None:
        self.label = label
        self._progress: Progress | None = None

    def __enter__(self) -> ProgressBar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}", markup=False), BarColumn(_BAR_WIDTH), TaskProgressColumn())
            note = TextColumn("{task.fields[note]}", markup=False)
            self._progress = Progress(
                *columns,
                note,
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._progress.add_task(self.label, total=1.0, note="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()
            ProgressBar._shown = None

    def show(self, share: float, note: str = "") -> None:
        """Draw how much is done.

        Args:
            share: 0..1.
            note: stands behind the bar.
        """
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=min(share, 1.0), note=printable(note))
            if ProgressBar._shown is None:
                self._progress.start()
                ProgressBar._shown = self

    def count(self, done: int, total: int) -> None:
        """Draw ``done`` of ``total`` things."""
        self.show(done / max(total, 1), f"{done}/{total}")

    def bytes(self, done: int, total: int) -> None:
        """Draw how far a download is."""
        self.show(done / max(total, 1), f"{done / 1e6:.1f}/{total / 1e6:.1f} MB")

    @classmethod
    @contextmanager
    def out_of_the_way(cls, needed: bool = True) -> Iterator[None]:
        """Wipe the bar that is on the screen, if any, while something else is printed."""
        bar = cls._shown if needed else None
        if bar is None or bar._progress is None:
            yield
            return
        bar._progress.stop()
        try:
            yield
        finally:
            bar._progress.start()
