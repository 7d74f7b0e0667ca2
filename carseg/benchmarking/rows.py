"""The rows of a benchmark: one per model, a dict as JSON has it. Standard library only. Its keys:

- ``model``, ``dataset``, ``split``, ``images``: what was measured, and on how many labelled images.
- ``miou``, ``pixel_acc``, ``dice``, ``side_error``, ``boundary_f1``: shares, 0..1; ``miou_ci`` is the 95 %
  interval (low, high), ``per_class`` the IoU by class name.
- ``params_m`` (millions), ``gmacs`` (1e9 multiplications and additions per image), ``size_mb`` (of the file).
- ``runtime``, ``precision``, ``device``, ``threads``: what ran it.
- ``ms_p50``, ``ms_p95``: milliseconds per image, one at a time, median and 95th percentile; ``ms_decode``,
  ``ms_preprocess``, ``ms_forward``, ``ms_postprocess``: medians of its parts.
- ``images_per_s``: images per second at the best ``batch``.
- ``cold_start_s``: seconds from the start of a process to its first result.
- ``peak_mem_mb``: the most memory that the process took.
- ``weights_sha256``, ``environment``: which file, on what machine and with which versions.
- ``error``: why something could not be measured, which is None then.
- ``schema``: version of this list; rows without it are of the first.

MB are 1e6 bytes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from carseg._files import parse_json
from carseg.errors import DataError, OptionError, unknown_name
from carseg.figures import FIGURES
from carseg.hub import convert

IDENTITY = ("model", "dataset", "split", "images")
_MEASURED = [figure for figure in FIGURES.values() if figure.in_rows]
QUALITY = ("miou", "miou_ci", *(f.key for f in _MEASURED if f.kind == "quality" and f.key != "miou"), "per_class")
SIZE = tuple(figure.key for figure in _MEASURED if figure.kind == "size")
SETTING = ("runtime", "precision", "device", "threads")
SPEED = tuple(figure.key for figure in _MEASURED if figure.kind == "speed")
KEYS = (*IDENTITY, *QUALITY, *SIZE, *SETTING, "batch", *SPEED, "weights_sha256", "environment", "error", "schema")
SCHEMA = 1  # docs/schemas/row.schema.json and difference.schema.json describe the JSON

COMPARED = tuple(f.key for f in _MEASURED if f.better and not f.is_part)
LIMITED = tuple(f.key for f in _MEASURED if f.kind == "quality" or f.better == "higher")

_LARGEST = 1e12  # that a time, a rate or a size may be: plots of it end

Row = dict[str, Any]

_KINDS: dict[str, Any] = (
    dict.fromkeys(("dataset", "split", "runtime", "precision", "device", "weights_sha256"), str | None)
    | dict.fromkeys(("images", "threads", "batch"), int | None)
    | dict.fromkeys((figure.key for figure in _MEASURED), float | None)
    | {"model": str, "miou_ci": tuple[float, float] | None, "per_class": dict[str, float | None] | None}
)


def read_rows(path: str | os.PathLike[str]) -> list[Row]:
    """Return the rows in a file with one JSON object per line, or in one JSON list.

    Raises:
        DataError: it cannot be read, or holds something else.
    """
    try:
        text = Path(path).read_text("utf-8").strip()
        lines = filter(None, map(str.strip, text.split("\n")))
        rows: list[Row] = parse_json(text) if text.startswith("[") else list(map(parse_json, lines))
    except (OSError, ValueError, MemoryError) as error:
        raise DataError(f"{path} cannot be read: {error or 'there is not enough memory for it'}") from None
    for number, row in enumerate(rows, start=1):
        try:
            _check(row)
            row["schema"] = SCHEMA  # the first ones had none
        except ValueError as error:
            raise DataError(f"{path} holds no benchmark rows: of row {number}, {error}") from None
    return rows


def _check(row: Any) -> None:
    """Raise ValueError unless a value is a row, as far as anything here and in the tables relies on it."""
    missing = [key for key in KEYS if not isinstance(row, dict) or (key not in row and key != "schema")]
    if missing:
        raise ValueError(f"the key {missing[0]!r} is missing")
    if row.get("schema") not in (None, SCHEMA):
        raise ValueError(f"schema: must be {SCHEMA}, got {row['schema']!r:.80}")
    for key, kind in _KINDS.items():
        convert(kind, row[key], key)
    if row["miou"] is not None and None in (row["miou_ci"], row["per_class"]):
        raise ValueError("miou: must come with miou_ci and per_class")
    for figure in _MEASURED:
        most = 1.0 if figure.kind == "quality" else _LARGEST
        if not 0 <= (row[figure.key] or 0.0) <= most:
            raise ValueError(f"{figure.key}: must lie in 0..{most:g}, got {row[figure.key]}")
    if not isinstance(row["error"], str | None):
        raise ValueError("error: must be text")
    if not isinstance(row["environment"], dict | None):
        raise ValueError("environment: must be an object")


def compare_rows(rows: Iterable[Row], other_rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the differences of rows from others of the same model, data and split, if possible of the same settings.

    Quality is left out where the classes are others, as after merging some, or the number of images: it does not
    compare then.

    Returns:
        One dict per figure that both have: ``model dataset split figure value other difference interval against
        schema``. ``interval`` is the 95 % interval of the difference, None for figures whose own interval is not in the
        row. It treats the two sides as independent (Zou and Donner 2008, MOVER), so on the same images it is wider than
        need be. ``against`` is what the other row ran on.
    """
    others = list(other_rows)
    differences = []
    for row in rows:
        same = [other for other in others if _subject(other) == _subject(row)]
        alike = [other for other in same if _setting(other) == _setting(row)]
        other = (alike or same or [{}])[-1]
        for figure in COMPARED:
            value, before = row[figure], other.get(figure)
            if value is None or before is None or (figure in QUALITY and not _comparable(row, other)):
                continue
            interval = None
            if row.get(f"{figure}_ci") and other.get(f"{figure}_ci"):
                (low, high), (low2, high2) = row[f"{figure}_ci"], other[f"{figure}_ci"]
                down, up = math.hypot(value - low, high2 - before), math.hypot(high - value, before - low2)
                interval = [value - before - down, value - before + up]
            subject = dict(zip(("model", "dataset", "split"), _subject(row), strict=True))
            figures = {"value": value, "other": before, "difference": value - before, "interval": interval}
            differences.append(subject | {"figure": figure} | figures | {"against": runs_on(other), "schema": SCHEMA})
    return differences


def runs_on(row: Row) -> str:
    """Return the runtime and device of a row as a text; "" where no time was measured."""
    if row["ms_p50"] is None:
        return ""
    return f"{row['runtime']} {row['precision']}, {row['device']}, {row['threads']} threads"


def _comparable(row: Row, other: Row) -> bool:
    return row["images"] == other["images"] and set(row["per_class"] or ()) == set(other["per_class"] or ())


def _setting(row: Row) -> list[Any]:
    return [row[key] for key in SETTING]


def _subject(row: Row) -> tuple[str, str | None, str | None]:
    return row["model"], row["dataset"], row["split"]


def parse_limits(texts: Iterable[str]) -> dict[str, float]:
    """Return ``["miou=0.5"]`` as ``{"miou": 0.5}``, for ``failures``.

    Raises:
        OptionError: a text is not of that form.
        UnknownNameError: there is no such figure.
    """
    limits = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            limits[name] = float(number)
            if math.isnan(limits[name]):  # which nothing is below
                raise ValueError
        except ValueError:
            raise OptionError(f"a limit is written miou=0.5, got {text!r}") from None
        if name not in LIMITED:
            raise unknown_name("figure", name, LIMITED)
    return limits


def failures(rows: Iterable[Row], limits: Mapping[str, float]) -> list[str]:
    """Return one sentence per figure on the wrong side of its limit (``side_error``: above it), or missing."""
    sentences = []
    for row in rows:
        for name, limit in limits.items():
            value = row[name]
            if value is None:
                reason = "see its error" if row["error"] else "nothing to measure it on"
                sentences.append(f"{row['model']}: {name} was not measured ({reason})")
            elif FIGURES[name].is_worse(value, limit):
                word = "above" if FIGURES[name].better == "lower" else "below"
                sentences.append(f"{row['model']}: {name} is {value:.4f}, {word} {limit:g}")
    return sentences
