"""The outcome of a training as one HTML page, RUN/report.html: curves, IoU by class, predictions beside the truth."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from carseg.data import Dataset
from carseg.figures import FIGURES
from carseg.hub import Metric
from carseg.images import draw
from carseg.inference import Segmenter, load
from carseg.reporting import GRID, INKS, bars, facts, figure, line, svg, text, write_page
from carseg.training.log import LogRow, read_log

REPORT = "report.html"
SAMPLES = 6
_SHEET_WIDTH = 1200
_CURVES = {
    "Loss (mean since the row before)": ("loss",),
    "Validation": ("val_miou", "val_pixel_acc"),
    "Learning rate": ("lr",),
}


def write_report(run: Path, images: Dataset, *, device: str = "auto") -> Path:
    """Write the page of a run that has ended.

    Args:
        run: the run folder.
        images: some of them are shown with what the best weights make of them.
        device: what that runs on.
    """
    rows, segmenter = read_log(run), load(run / "best", device=device)
    body = [f"<h2>Result</h2>{facts(_summary(rows, segmenter))}"]
    for title, columns in _CURVES.items():
        curves = {
            name: [(row["step"] or 0, value) for row in rows if (value := row[name]) is not None] for name in columns
        }
        curves = {name: points for name, points in curves.items() if points}
        if curves:
            body.append(f"<h2>{escape(title)}</h2>{_chart(curves)}")
    for metric in segmenter.info.metrics:
        body.append(f"<h2>IoU by class, {metric.images} {escape(metric.split)} images</h2>")
        body.append(bars({segmenter.name: metric.per_class}))
    body.append("<h2>Predictions</h2>")
    body += (_sheet(segmenter, images, i) for i in range(0, len(images), max(len(images) // SAMPLES, 1))[:SAMPLES])
    write_page(run / REPORT, f"carseg finetune: {segmenter.name}", body)
    return run / REPORT


def _summary(rows: Sequence[LogRow], segmenter: Segmenter) -> dict[str, str]:
    info = segmenter.info
    known = {"model": f"{info.name} ({info.architecture}, {len(info.labels)} classes)", "made by": info.recipe}
    known["images"] = ", ".join(f"{s.images} of {s.name} for {s.role}" for s in info.data)
    for metric in info.metrics:
        known["best validation"] = _figures(metric)
    if rows:
        last = rows[-1]
        known["trained"] = (
            f"{last['step']:.0f} steps, {last['epoch']:.1f} epochs, {(last['seconds'] or 0) / 60:.1f} min"
        )
        known["speed"] = f"{last['images_per_s']:.3g} images/s, {last['data_share']:.1%} of the time waiting for data"
    return known


def _figures(metric: Metric) -> str:
    return ", ".join(
        f"{FIGURES[key].title} {FIGURES[key].text(estimate.value)}"
        + (f" ({estimate.percent_interval})" if estimate.interval else "")
        for key, estimate in metric.figures.items()
    )


def _sheet(segmenter: Segmenter, images: Dataset, number: int) -> str:
    """Return an image, its prediction and its truth, side by side."""
    rgb, truth = images[number].load()
    masks = {"prediction": segmenter.predict(rgb).mask, "truth": truth}
    sheet = draw.side_by_side(rgb, masks, segmenter.labels)
    sheet.thumbnail((_SHEET_WIDTH, _SHEET_WIDTH))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=85)
    return figure(file.getvalue(), "image, prediction and truth", images[number].name)


def _chart(curves: dict[str, list[tuple[float, float]]]) -> str:
    """Lines over the step; the upright axis begins at 0."""
    width, height, left, right, top, bottom = 900, 260, 70, 130, 15, 40
    steps, values = zip(*(point for points in curves.values() for point in points), strict=True)
    last, tick = max(steps), _tick(max(values))
    stride = max(_tick(last), 1)
    ceiling = max(math.ceil(max(values) / tick - 1e-9), 1) * tick

    def x(step: float) -> float:
        return left + step / last * (width - left - right)

    def y(value: float) -> float:
        return height - bottom - value / ceiling * (height - top - bottom)

    parts = []
    for number in range(round(ceiling / tick) + 1):
        parts.append(line(left, y(number * tick), width - right, y(number * tick), GRID))
        parts.append(text(left - 8, y(number * tick) + 4, f"{number * tick:.4g}", "end"))
    for number in range(int(last / stride) + 1):
        parts.append(text(x(number * stride), height - bottom + 18, f"{number * stride:g}", "middle"))
    for number, (name, points) in enumerate(curves.items()):
        ink, corners = INKS[number], " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in points)
        parts.append(f'<polyline points="{corners}" fill="none" stroke="{ink}" stroke-width="2"/>')
        for step, value in points:
            title = f"<title>{escape(name)} {value:.4g} at step {step:.0f}</title>"
            parts.append(f'<circle cx="{x(step):.1f}" cy="{y(value):.1f}" r="3" fill="{ink}">{title}</circle>')
        parts.append(text(x(points[-1][0]) + 8, y(points[-1][1]) + 4, name))
    parts.append(text((left + width - right) / 2, height - 4, "step", "middle"))
    return svg(width, height, parts)


def _tick(largest: float) -> float:
    """Return a round distance between ticks that gives 4 to 10 of them up to ``largest``."""
    if largest <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(largest))
    return next(power * step for step in (0.2, 0.5, 1, 2) if largest / (power * step) <= 8)
