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
Column = tuple[str, Callable[[Row], str]]  # head, and the text of a row's cell, "" where there is nothing to say


def format_rows(rows: Sequence[Row], form: str = "table") -> str:
    """Return rows in one of ``ROW_FORMATS``; a table and Markdown leave out columns in which there is nothing.

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
    """Return cells as aligned columns, those of numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [all(cell[:1] in "0123456789+-" for cell in column[1:]) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True))
        for line in cells
    )
    return "".join(line.rstrip() + "\n" for line in lines)


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
