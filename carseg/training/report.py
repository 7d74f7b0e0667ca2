"""The outcome of a training as one HTML page, RUN/report.html: curves, IoU by class, predictions beside the truth."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

from carseg.data import Dataset
from carseg.figures import FIGURES
from carseg.hub import Metric
from carseg.images import draw
from carseg.inference import RAW, Segmenter, load
from carseg.reporting import Point, bars, facts, figure, write_page, xy_plot
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
            lines = [
                (name, [Point(step, value, f"{name} {value:.4g} at step {step:.0f}") for step, value in points])
                for name, points in curves.items()
            ]
            plot = xy_plot(lines, x_title="step", y_title=title, from_zero=True, joined=True, height=280)
            body.append(f"<h2>{escape(title)}</h2>{plot}")
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
        f"{FIGURES[key].title} {estimate.percent}" + (f" ({estimate.percent_interval})" if estimate.interval else "")
        for key, estimate in metric.figures.items()
    )


def _sheet(segmenter: Segmenter, images: Dataset, number: int) -> str:
    """Return an image, its prediction and its truth, side by side."""
    rgb, truth = images[number].load()
    masks = {"prediction": segmenter.predict(rgb, **RAW).mask, "truth": truth}
    sheet = draw.side_by_side(rgb, masks, segmenter.labels)
    sheet.thumbnail((_SHEET_WIDTH, _SHEET_WIDTH))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=85)
    return figure(file.getvalue(), "image, prediction and truth", images[number].name)
