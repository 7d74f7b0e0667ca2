"""Benchmark rows as one HTML page that needs nothing else: table, plots as inline SVG, worst pictures embedded."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from carseg.atomic import replacing
from carseg.benchmark_report import columns
from carseg.benchmark_rows import Row

_INKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b5ea7", "#6b6b6b")  # after Okabe and Ito
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1d1f22; max-width: 1240px; margin: 2em auto; padding: 0 1em }
.wide { overflow-x: auto } table { border-collapse: collapse } th, td { padding: .3em .7em; white-space: nowrap }
th { text-align: left; border-bottom: 2px solid #888 } td { border-bottom: 1px solid #ddd } td.error { color: #b00020 }
svg { max-width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: #333 }
figure { margin: 1em 0 } figure img { max-width: 100% }
summary { cursor: pointer; font-weight: 600 } dt { font-weight: 600 }
"""


def write_page(rows: Sequence[Row], path: Path, *, details: Path) -> None:
    """Writes the page.

    Args:
        rows: what ``carseg.benchmark`` gave.
        details: the folder beside ``results.jsonl`` that holds confusion matrices and worst pictures by the rows' keys.
    """
    scored = [row for row in rows if row["miou"] is not None]
    timed = [row for row in scored if row["ms_p50"] is not None]
    body = [f"<h1>carseg benchmark</h1>{_table(rows)}"]
    if timed:
        body.append(f"<h2>Quality against time</h2>{_scatter(timed)}")
    for subject in dict.fromkeys((row["dataset"], row["split"]) for row in scored):
        group = [row for row in scored if (row["dataset"], row["split"]) == subject]
        body.append(f"<h2>IoU by class: {escape(' '.join(filter(None, subject)))}</h2>{_bars(group)}")
    for row in scored:
        folder = details / row["environment"]["key"]
        if (folder / "scores.json").exists():
            body.append(_details(row["model"], folder))
    if rows:
        facts = "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in rows[0]["environment"].items())
        body.append(f"<h2>Environment</h2><dl>{facts}</dl>")
    head = f'<meta charset="utf-8"><title>carseg benchmark</title><style>{_STYLE}</style>'
    with replacing(path) as partial:
        partial.write_text(
            f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n', "utf-8"
        )


def _table(rows: Sequence[Row]) -> str:
    shown = columns(rows)
    head = "".join(f"<th>{escape(name)}</th>" for name, _ in shown)
    lines = (
        "".join(f'<td class="{"error" if name == "error" else ""}">{escape(text(row))}</td>' for name, text in shown)
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'


def _scatter(rows: Sequence[Row]) -> str:
    """mIoU with its interval against milliseconds a picture, the latter on a logarithmic axis."""
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
            parts.append(_line(x(ms), top, x(ms), height - bottom, "#e4e4e4"))
            parts.append(_text(x(ms), height - bottom + 18, f"{ms:g}", "middle"))
    for tick in range(round(floor * 10), round(ceiling * 10) + 1):
        parts.append(_line(left, y(tick / 10), width - right, y(tick / 10), "#e4e4e4"))
        parts.append(_text(left - 8, y(tick / 10) + 4, f"{tick / 10:.1f}", "end"))
    for number, row in enumerate(rows):
        ink, across, up = _INKS[number % len(_INKS)], x(row["ms_p50"]), y(row["miou"])
        parts.append(_line(across, y(row["miou_ci"][0]), across, y(row["miou_ci"][1]), ink, 2))
        title = f"<title>{escape(row['model'])}: {row['miou']:.4f}, {row['ms_p50']:.1f} ms</title>"
        parts.append(f'<circle cx="{across:.1f}" cy="{up:.1f}" r="5" fill="{ink}">{title}</circle>')
        parts.append(_text(across + 9, up + 4, row["model"]))
    parts.append(_text((left + width - right) / 2, height - 6, "milliseconds a picture, end to end", "middle"))
    parts.append(_text(left + 4, top + 12, "mIoU, with 95 % interval"))
    return _svg(width, height, parts)


def _bars(rows: Sequence[Row]) -> str:
    """IoU of every class that the truth has, one bar a model."""
    classes = [name for name in rows[0]["per_class"] if any(row["per_class"].get(name) is not None for row in rows)]
    bar, gap, left, width = 11, 9, 190, 900
    step = bar * len(rows) + gap
    parts = []
    for place, name in enumerate(classes):
        top = 10 + place * step
        parts.append(_text(left - 8, top + step / 2, name, "end"))
        for number, row in enumerate(rows):
            iou = row["per_class"].get(name)
            if iou is not None:
                length, ink = iou * (width - left - 60), _INKS[number % len(_INKS)]
                where = f'x="{left}" y="{top + number * bar}" width="{length:.1f}" height="{bar - 1}"'
                parts.append(f'<rect {where} fill="{ink}"><title>{escape(row["model"])}: {iou:.4f}</title></rect>')
                parts.append(_text(left + length + 5, top + number * bar + bar - 1, f"{iou:.3f}"))
    bottom = 20 + len(classes) * step
    for number, row in enumerate(rows):
        ink, y = _INKS[number % len(_INKS)], bottom + 18 * number
        parts.append(f'<rect x="{left}" y="{y}" width="12" height="12" fill="{ink}"/>')
        parts.append(_text(left + 18, y + 10, row["model"]))
    return _svg(width, bottom + 18 * len(rows) + 6, parts)


def _details(model: str, folder: Path) -> str:
    """Confusion matrix and worst pictures of one model."""
    known = json.loads((folder / "scores.json").read_text("utf-8"))
    figures = []
    for picture in known["worst"]:
        data = base64.b64encode((folder / picture["file"]).read_bytes()).decode()
        caption = f"{escape(picture['name'])}, mIoU {picture['miou']:.3f}"
        image = f'<img alt="picture, prediction and truth" src="data:image/jpeg;base64,{data}">'
        figures.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")
    matrix = _confusion(known["classes"], known["scores"]["confusion"])
    return (
        f"<h2>{escape(model)}</h2><p>Where the pixels of each class (row) went, in percent:</p>{matrix}"
        f"<details><summary>The worst pictures</summary>{''.join(figures)}</details>"
    )


def _confusion(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Rows are the truth and sum to 100 %; the darker a cell, the larger its share."""
    cell, left, top = 30, 190, 130
    heads = [*classes, "undecided"] if any(line[-1] for line in counts) else list(classes)
    parts: list[Any] = []
    for column, name in enumerate(heads):
        x = left + column * cell + cell / 2 + 4
        parts.append(f'<text transform="translate({x:.0f} {top - 8}) rotate(-50)">{escape(name)}</text>')
    for place, (name, line) in enumerate(zip(classes, counts, strict=True)):
        y, total = top + place * cell, sum(line)
        parts.append(_text(left - 8, y + cell / 2 + 4, name, "end"))
        for column, predicted in enumerate(heads):
            share = line[column] / total if total else 0.0
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
    return _svg(left + len(heads) * cell + 90, top + len(classes) * cell + 10, parts)


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'


def _line(x1: float, y1: float, x2: float, y2: float, ink: str, width: float = 1) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{ink}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
