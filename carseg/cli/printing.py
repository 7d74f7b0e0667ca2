"""What commands print of each image: a table of its parts and cars, a line, or what they say themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from carseg._files import to_json
from carseg.cli.options import Format
from carseg.cli.terminal import ProgressBar, echo, fail, table
from carseg.errors import CarsegError, printable

if TYPE_CHECKING:
    from carseg.cli.saving import Document

_CAR_COLUMNS = ("car", "share", "no part", "x", "y", "width", "height", "view", "")
_COLUMNS = ("part", "share", "pixels", "score", "x", "y", "width", "height")


def print_documents(
    documents: Iterator[Document | CarsegError],
    count: int,
    text: Callable[[Document], str],
    *,
    doing: str = "segmenting",
    add: Callable[[Document], None] | None = None,
) -> int:
    """Print what was found in each image, or why nothing was; return how many failed.

    Args:
        documents: one for each image.
        count: how many there will be.
        text: returns what is printed of one.
        doing: what is going on.
        add: called with each document, too.
    """
    failed = 0
    with ProgressBar(doing) as bar:
        for done, document in enumerate(documents, 1):
            if isinstance(document, Exception):
                fail(document)
                failed += 1
            else:
                echo(text(document))
                if add is not None:
                    add(document)
            bar.count(done, count)
    return failed


def text_of(format: Format, lines: bool) -> Callable[[Document], str]:
    """Return what ``predict`` prints of an image: JSON, a line, or a table of its parts and cars."""
    if format is Format.json:
        return to_json
    return _line if lines else _parts_table


def _line(document: Document) -> str:
    """Return what was found in an image as a line, largest first."""
    parts = sorted(document["parts"], key=lambda part: -part["area_px"])
    found = ", ".join(f"{part['name']} {part['area_fraction']:.1%}" for part in parts) or "nothing found"
    return f"{printable(document['source'])}  {document['width']} x {document['height']}  {found}"


def _parts_table(document: Document) -> str:
    """Return what was found in an image as a table, largest first."""
    title = f"{printable(document['source'])}  {document['width']} x {document['height']}"
    rows = []
    for part in sorted(document["parts"], key=lambda part: -part["area_px"]):
        score = "" if part["score"] is None else f"{part['score']:.2f}"
        figures = f"{part['area_fraction']:.1%}", str(part["area_px"]), score
        rows.append((part["name"], *figures, *map(str, part["bbox"])))
    if not rows:
        return f"{title}\nnothing found\n"
    return f"{title}\n{table(_COLUMNS, rows, '<>>>>>>>')}\n{_cars_table(document['cars'] or [])}"


def _cars_table(cars: list[Document]) -> str:
    """Return the cars as a table, where there are several or a second model saw them."""
    if len(cars) < 2 and not any(car["body"] for car in cars):
        return ""
    rows = []
    for car in cars:
        body = f"{car['body']['area_fraction']:.1%}" if car["body"] else ""
        says = car["view"]["name"] if car["view"] else "", "may be several" if car["uncertain"] else ""
        rows.append((f"car {car['number']}", f"{car['area_fraction']:.1%}", body, *map(str, car["bbox"]), *says))
    return f"{table(_CAR_COLUMNS, rows, '<>>>>>><<')}\n"
