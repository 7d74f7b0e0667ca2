"""Benchmark rows as one HTML page that needs nothing else: table, plots as inline SVG, worst images embedded."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from carseg._files import read_json
from carseg.benchmarking.rows import Row
from carseg.benchmarking.tables import columns
from carseg.errors import DataError
from carseg.hub import convert
from carseg.labels import IGNORE
from carseg.reporting import Point, bars, facts, figure, svg, text, write_page, xy_plot

SCORES = "scores.json"  # what is known of a model beside its row, in the folder of its details


def write_benchmark_page(rows: Sequence[Row], path: Path, *, details: Path) -> None:
    """Write rows, plots and the worst images as one HTML page.

    Args:
        rows: what ``carseg.benchmark`` gave.
        path: the file to write.
        details: the folder beside ``results.jsonl`` that holds confusion matrices and worst images by the rows' keys.
    """
    scored = [row for row in rows if row["miou"] is not None]
    timed = [row for row in scored if row["ms_p50"]]
    body = [_table(rows)]
    if timed:
        body.append(f"<h2>Quality against time</h2>{_scatter(timed)}")
    for subject in dict.fromkeys((row["dataset"], row["split"]) for row in scored):
        group = [row for row in scored if (row["dataset"], row["split"]) == subject]
        body.append(f"<h2>IoU by class: {escape(' '.join(filter(None, subject)))}</h2>")
        body.append(bars({row["model"]: row["per_class"] for row in group}))
    for row in scored:
        folder = details / row["environment"]["key"]
        if (folder / SCORES).exists():
            body.append(_details(row["model"], folder))
    if rows:
        body.append(f"<h2>Environment</h2>{facts(rows[0]['environment'])}")
    write_page(path, "carseg benchmark", body)


def _table(rows: Sequence[Row]) -> str:
    shown = columns(rows)
    head = "".join(f"<th>{escape(name)}</th>" for name, _ in shown)
    lines = (
        "".join(f'<td class="{"error" if name == "error" else ""}">{escape(cell(row))}</td>' for name, cell in shown)
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'


def _scatter(rows: Sequence[Row]) -> str:
    """Return a plot of mIoU with its interval against milliseconds per image, the latter on a logarithmic axis."""
    points = [(row["model"], [Point(row["ms_p50"], row["miou"], _caption(row), tuple(row["miou_ci"]))]) for row in rows]
    return xy_plot(
        points,
        x_title="milliseconds per image, end to end",
        y_title="mIoU, with 95 % interval",
        log_x=True,
        height=420,
    )


def _caption(row: Row) -> str:
    return f"{row['model']}: {row['miou']:.4f}, {row['ms_p50']:.1f} ms"


def _details(model: str, folder: Path) -> str:
    """Return the section of one model: its confusion matrix and worst images."""
    path = folder / SCORES
    try:
        known = read_json(path)
        classes = convert(tuple[str, ...], known["classes"], "classes")
        counts = convert(tuple[tuple[int, ...], ...], known["scores"]["confusion"], "scores.confusion")
        if not (len(counts) == len(classes) <= IGNORE and {len(row) for row in counts} == {len(classes) + 1}):
            raise ValueError("its confusion matrix has not one row for each class")
        matrix = _confusion(classes, counts)
        figures = [_worst(folder, worst) for worst in known["worst"]]
    except (ValueError, LookupError, TypeError, OSError) as error:
        raise DataError(f"{path} is damaged ({error}): delete {folder} to have the page without it") from None
    return (
        f"<h2>{escape(model)}</h2><p>Where the pixels of each class (row) went, in percent:</p>{matrix}"
        f"<details><summary>The worst images</summary>{''.join(figures)}</details>"
    )


def _worst(folder: Path, worst: Any) -> str:
    """Return an image that ``scores.json`` lists, which lies beside it."""
    name, file = (convert(str, worst[key], f"worst {key}") for key in ("name", "file"))
    if Path(file).name != file:
        raise ValueError(f"{file} is not in this folder")
    caption = f"{name}, mIoU {convert(float, worst['miou'], 'worst miou'):.3f}"
    return figure((folder / file).read_bytes(), "image, prediction and truth", caption)


def _confusion(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Return a confusion matrix as SVG; rows are the truth and sum to 100 %, a darker cell has a larger share."""
    cell, left, top = 30, 190, 130
    heads = [*classes, "undecided"] if any(found[-1] for found in counts) else list(classes)
    parts: list[Any] = []
    for column, name in enumerate(heads):
        x = left + column * cell + cell / 2 + 4
        parts.append(f'<text transform="translate({x:.0f} {top - 8}) rotate(-50)">{escape(name)}</text>')
    for place, (name, found) in enumerate(zip(classes, counts, strict=True)):
        y, total = top + place * cell, sum(found)
        parts.append(text(left - 8, y + cell / 2 + 4, name, "end"))
        for column, predicted in enumerate(heads):
            share = found[column] / total if total else 0.0
            fill = "#f2f2f2" if not total else f"hsl(205 75% {97 - 60 * share:.0f}%)"
            where = f'x="{left + column * cell}" y="{y}" width="{cell - 1}" height="{cell - 1}"'
            title = f"{escape(name)} as {escape(predicted)}: {share:.2%}"
            parts.append(f'<rect {where} fill="{fill}"><title>{title}</title></rect>')
            if share >= 0.005:
                ink = ' style="fill:#fff"' if share > 0.55 else ""
                middle = left + column * cell + cell / 2 - 0.5
                parts.append(
                    f'<text x="{middle}" y="{y + cell / 2 + 4}" text-anchor="middle"{ink}>{share * 100:.0f}</text>'
                )
    return svg(left + len(heads) * cell + 90, top + len(classes) * cell + 10, parts)
