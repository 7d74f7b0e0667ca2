"""Benchmark rows as one HTML page that needs nothing else: table, plots as inline SVG, worst images embedded."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from carseg.benchmarking.rows import Row
from carseg.benchmarking.tables import columns
from carseg.reporting import GRID, INKS, bars, facts, figure, line, svg, text, write_page


def write_benchmark_page(rows: Sequence[Row], path: Path, *, details: Path) -> None:
    """Writes the page.

    Args:
        rows: what ``carseg.benchmark`` gave.
        details: the folder beside ``results.jsonl`` that holds confusion matrices and worst images by the rows' keys.
    """
    scored = [row for row in rows if row["miou"] is not None]
    timed = [row for row in scored if row["ms_p50"] is not None]
    body = [_table(rows)]
    if timed:
        body.append(f"<h2>Quality against time</h2>{_scatter(timed)}")
    for subject in dict.fromkeys((row["dataset"], row["split"]) for row in scored):
        group = [row for row in scored if (row["dataset"], row["split"]) == subject]
        body.append(f"<h2>IoU by class: {escape(' '.join(filter(None, subject)))}</h2>")
        body.append(bars({row["model"]: row["per_class"] for row in group}))
    for row in scored:
        folder = details / row["environment"]["key"]
        if (folder / "scores.json").exists():
            body.append(_details(row["model"], folder))
    if rows:
        body.append(f"<h2>Environment</h2>{facts(rows[0]['environment'])}")
    write_page(path, "carseg benchmark", body)


def _table(rows: Sequence[Row]) -> str:
    shown = columns(rows)
    head = "".join(f"<th>{escape(name)}</th>" for name, _ in shown)
    lines = (
        "".join(f'<td class="{"error" if name == "error" else ""}">{escape(text(row))}</td>' for name, text in shown)
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'


def _scatter(rows: Sequence[Row]) -> str:
    """mIoU with its interval against milliseconds per image, the latter on a logarithmic axis."""
    width, height, left, right, top, bottom = 900, 420, 60, 200, 15, 45
    low, high = (f(math.log10(row["ms_p50"]) for row in rows) for f in (min, max))
    low, high = math.floor(low * 3) / 3, math.ceil(high * 3 + 1e-9) / 3  # thirds of a decade: 1, 2, 5, 10, ...
    high = max(high, low + 1 / 3)
    floor = math.floor(min(row["miou_ci"][0] for row in rows) * 10) / 10
    ceiling = max(math.ceil(max(row["miou_ci"][1] for row in rows) * 10) / 10, floor + 0.1)

    def x(ms: float) -> float:
        return left + (math.log10(ms) - low) / (high - low) * (width - left - right)

    def y(miou: float) -> float:
        return height - bottom - (miou - floor) / (ceiling - floor) * (height - top - bottom)

    parts = []
    for third in range(round(low * 3), round(high * 3) + 1):
        ms = (1, 2, 5)[third % 3] * 10 ** (third // 3)
        if low <= math.log10(ms) <= high:
            parts.append(line(x(ms), top, x(ms), height - bottom, GRID))
            parts.append(text(x(ms), height - bottom + 18, f"{ms:g}", "middle"))
    for tick in range(round(floor * 10), round(ceiling * 10) + 1):
        parts.append(line(left, y(tick / 10), width - right, y(tick / 10), GRID))
        parts.append(text(left - 8, y(tick / 10) + 4, f"{tick / 10:.1f}", "end"))
    for number, row in enumerate(rows):
        ink, across, up = INKS[number % len(INKS)], x(row["ms_p50"]), y(row["miou"])
        parts.append(line(across, y(row["miou_ci"][0]), across, y(row["miou_ci"][1]), ink, 2))
        title = f"<title>{escape(row['model'])}: {row['miou']:.4f}, {row['ms_p50']:.1f} ms</title>"
        parts.append(f'<circle cx="{across:.1f}" cy="{up:.1f}" r="5" fill="{ink}">{title}</circle>')
        parts.append(text(across + 9, up + 4, row["model"]))
    parts.append(text((left + width - right) / 2, height - 6, "milliseconds per image, end to end", "middle"))
    parts.append(text(left + 4, top + 12, "mIoU, with 95 % interval"))
    return svg(width, height, parts)


def _details(model: str, folder: Path) -> str:
    """Confusion matrix and worst images of one model."""
    known = json.loads((folder / "scores.json").read_text("utf-8"))
    figures = []
    for worst in known["worst"]:
        caption = f"{worst['name']}, mIoU {worst['miou']:.3f}"
        figures.append(figure((folder / worst["file"]).read_bytes(), "image, prediction and truth", caption))
    matrix = _confusion(known["classes"], known["scores"]["confusion"])
    return (
        f"<h2>{escape(model)}</h2><p>Where the pixels of each class (row) went, in percent:</p>{matrix}"
        f"<details><summary>The worst images</summary>{''.join(figures)}</details>"
    )


def _confusion(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Rows are the truth and sum to 100 %; the darker a cell, the larger its share."""
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
