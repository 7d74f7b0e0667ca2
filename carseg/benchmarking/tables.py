"""Benchmark rows, and differences between them, as text: a table, JSON lines, CSV, Markdown."""

from __future__ import annotations

import csv
import functools
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from carseg._files import to_json
from carseg.benchmarking.rows import KEYS, Row, runs_on
from carseg.errors import printable, unknown_name
from carseg.figures import FIGURES, Figure
from carseg.hub import escape_markdown

_FORMULA = re.compile(r" *[-=+@\uff0d\uff1d\uff0b\uff20]")  # what spreadsheets compute, also in full width
ROW_FORMATS = ("table", "json", "csv", "md")
_WIDTH = 100  # columns of text: most terminals have them, and a line that is broken cannot be read
_NAME = 40  # of these for the model
Column = tuple[str, Callable[[Row], str]]  # head, and the text of a row's cell, "" where there is nothing to say


def format_rows(rows: Sequence[Row], form: str = "table") -> str:
    """Return rows in one of ``ROW_FORMATS``; a table and Markdown leave out columns in which there is nothing.

    A table has several blocks one below the other where 100 characters are too few for all columns, and shortens what
    is longer.

    Raises:
        UnknownNameError: no such format.
    """
    return _format(rows, form, KEYS, columns(rows))


def format_classes(rows: Sequence[Row]) -> str:
    """Return the IoU of each class, one table for each list of classes: a line per class, a column per model.

    A class that the labels lack has none; "" where no row has quality.
    """
    scored = [row for row in rows if row["per_class"]]
    tables = []
    for classes in dict.fromkeys(tuple(row["per_class"]) for row in scored):
        group = [row for row in scored if tuple(row["per_class"]) == classes]
        lines = ([name, *(FIGURES["miou"].text(row["per_class"][name]) or "-" for row in group)] for name in classes)
        tables.append([["IoU", *(row["model"] for row in group)], *lines])
    return "\n".join(map(_table, tables))


def format_differences(differences: Sequence[dict[str, Any]], form: str = "table") -> str:
    """Return the differences of ``carseg.benchmarking.compare_rows`` in one of ``ROW_FORMATS``.

    Raises:
        UnknownNameError: no such format.
    """
    keys = ("model", "dataset", "split", "figure", "value", "other", "difference", "interval", "against", "schema")
    shown: list[Column] = [
        ("model", lambda row: row["model"]),
        ("split", lambda row: row["split"] or ""),
        ("figure", lambda row: row["figure"]),
        ("value", lambda row: f"{row['value']:.4g}"),
        ("other", lambda row: f"{row['other']:.4g}"),
        ("difference", lambda row: f"{row['difference']:+.4g}"),
        ("95 % interval", lambda row: " to ".join(f"{end:+.4f}" for end in row["interval"] or ())),
        ("against", lambda row: row["against"]),
    ]
    return _format(differences, form, keys, shown)


def columns(rows: Sequence[Row]) -> list[Column]:
    """Return the columns a person wants to see, those in which every row is empty left out."""
    figures = [(f.head, functools.partial(_cell, f)) for f in FIGURES.values() if f.in_rows and f.key != "miou"]
    place = [head for head, _ in figures].index(FIGURES["images_per_s"].head) + 1
    shown: list[Column] = [
        ("model", lambda row: row["model"]),
        ("data", lambda row: " ".join(filter(None, (row["dataset"], row["split"])))),
        ("mIoU (95 % interval)", _miou),
        *figures[:place],
        ("batch", lambda row: "" if row["batch"] is None else f"{row['batch']:.0f}"),
        *figures[place:],
        ("runs on", runs_on),
        ("error", lambda row: row["error"] or ""),
    ]
    return [column for column in shown if any(column[1](row) for row in rows)]


def _cell(figure: Figure, row: Row) -> str:
    return figure.text(row[figure.key])


def _miou(row: Row) -> str:
    if row["miou"] is None:
        return ""
    measured = [name for name, iou in (row["per_class"] or {}).items() if iou is not None]
    alone = f" over one class, {measured[0]}" if len(measured) == 1 else ""
    return "{:.4f} ({:.3f} to {:.3f})".format(row["miou"], *row["miou_ci"]) + alone


def _format(rows: Sequence[Row], form: str, keys: Iterable[str], shown: list[Column]) -> str:
    if form == "json":
        return "".join(to_json(row) + "\n" for row in rows)
    if form == "csv":
        return _csv(rows, list(keys))
    cells = [[head for head, _ in shown], *([text(row).replace("\n", " ") for _, text in shown] for row in rows)]
    if form == "table":
        return _table(cells)
    if form == "md":
        lines = (" | ".join(map(escape_markdown, line)) for line in cells)
        head, *body = (f"| {line} |" for line in lines)
        return "\n".join([head, "|" + " --- |" * len(shown), *body]) + "\n"
    raise unknown_name("format", form, ROW_FORMATS)


def _table(cells: list[list[str]]) -> str:
    """Return cells as aligned columns, in blocks that each begin with the first column."""
    names, *others = zip(*cells, strict=True)
    first = _aligned(names, _NAME)
    blocks = [[first]]
    for column in others:
        lines = _aligned(column, _WIDTH - len(first[0]) - 2)
        if sum(len(there[0]) + 2 for there in blocks[-1]) + len(lines[0]) > _WIDTH:
            blocks.append([first])
        blocks[-1].append(lines)
    return "\n".join("".join("  ".join(line).rstrip() + "\n" for line in zip(*block, strict=True)) for block in blocks)


def _aligned(column: Sequence[str], most: int) -> list[str]:
    """Return the cells of a column at one width, numbers to the right; what is longer than ``most`` is cut off."""
    cells = [cell if len(cell) <= most else cell[: most - 1] + "…" for cell in column]
    width = max(map(len, cells))
    right = all(cell[:1] in "0123456789+-" for cell in cells[1:])
    return [cell.rjust(width) if right else cell.ljust(width) for cell in cells]


def _csv(rows: Sequence[Row], keys: list[str]) -> str:
    """Return rows as CSV, one line per row; cells that hold lists or objects as JSON."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(keys)
    for row in rows:
        values = (row[key] for key in keys)
        writer.writerow(map(_csv_cell, values))
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    """Return what CSV holds for a value: lists and objects as JSON, text so that no spreadsheet computes it."""
    if isinstance(value, (dict, list)):
        return to_json(value)
    if isinstance(value, str):
        text = printable(value)
        return f"'{text}" if _FORMULA.match(text) else text
    return value
