"""Figures that carseg states about a network: key in JSON, title, format, better direction. Standard library only.

A new one takes a line here, and its computation in `carseg.evaluation` (quality) or `carseg.benchmarking` (the rest).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Estimate:
    """Value of a figure and its 95 % interval by bootstrap over the images.

    Attributes:
        value: the figure; NaN where there is nothing to measure.
        low: lower end of the interval; None where none is known.
        high: upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """(low, high), None where none is known."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def percent(self) -> str:
        """Value in percent, such as ``61.20 %``."""
        return f"{100 * self.value:.2f} %"

    @property
    def percent_interval(self) -> str:
        """Interval in percent, such as ``58.00 to 64.10 %``; "" where none is known."""
        return "{:.2f} to {:.2f} %".format(*(100 * end for end in self.interval)) if self.interval else ""


@dataclass(frozen=True)
class Figure:
    """Kind of figure.

    Attributes:
        key: its name in JSON and in Python; the interval is "KEY_ci".
        title: its name in text.
        head: its name at the head of a table's column, with the unit.
        digits: number of decimals in a table.
        better: "higher" or "lower"; None where neither is better.
        kind: "quality" (a share, 0..1), "size" or "speed".
        in_manifest: whether the manifest states it about weights.
        in_rows: whether a benchmark measures it.
        is_part: whether it is a part of another figure, as a stage is of the whole time.
        hub_type: its name in the metadata of model hubs, "" where they have none.
    """

    key: str
    title: str
    head: str
    digits: int
    better: Literal["higher", "lower"] | None
    kind: Literal["quality", "size", "speed"]
    in_manifest: bool = False
    in_rows: bool = True
    is_part: bool = False
    hub_type: str = ""

    def text(self, value: float | None) -> str:
        """Return a value as a table shows it, "" where there is none."""
        return "" if value is None or math.isnan(value) else f"{value:.{self.digits}f}"

    def is_worse(self, value: float, limit: float) -> bool:
        """Return whether a value lies on the wrong side of a limit."""
        return value > limit if self.better == "lower" else value < limit


FIGURES: dict[str, Figure] = {
    figure.key: figure
    for figure in (
        Figure("miou", "mIoU", "mIoU", 4, "higher", "quality", True, hub_type="mean_iou"),
        Figure("pixel_acc", "pixel accuracy", "pixel acc.", 4, "higher", "quality", True, hub_type="pixel_accuracy"),
        Figure("fw_iou", "frequency-weighted IoU", "fw. IoU", 4, "higher", "quality", in_rows=False),
        Figure("dice", "Dice", "Dice", 4, "higher", "quality", True, hub_type="dice"),
        Figure("picture_dice", "Dice per image", "Dice per image", 4, "higher", "quality", True, in_rows=False),
        Figure("boundary_f1", "boundary F1", "boundary F1", 4, "higher", "quality", True),
        Figure("side_error", "side error rate", "side error", 4, "lower", "quality", True),
        Figure("params_m", "parameters, millions", "M params", 2, None, "size"),
        Figure("gmacs", "multiply-adds, billions", "GMACs", 2, None, "size"),
        Figure("size_mb", "size of the file, MB", "MB", 1, "lower", "size"),
        Figure("ms_p50", "milliseconds per image, median", "ms", 1, "lower", "speed"),
        Figure("ms_p95", "milliseconds per image, 95th percentile", "ms p95", 1, "lower", "speed"),
        Figure("ms_decode", "milliseconds to decode", "decode", 1, "lower", "speed", is_part=True),
        Figure("ms_preprocess", "milliseconds to preprocess", "prepare", 1, "lower", "speed", is_part=True),
        Figure("ms_forward", "milliseconds in the network", "network", 1, "lower", "speed", is_part=True),
        Figure("ms_postprocess", "milliseconds to the mask", "mask", 1, "lower", "speed", is_part=True),
        Figure("images_per_s", "images per second", "images/s", 1, "higher", "speed"),
        Figure(
            "cold_start_s", "seconds from the start of a process to its first result", "start s", 1, "lower", "speed"
        ),
        Figure("peak_mem_mb", "peak memory, MB", "peak MB", 0, "lower", "speed"),
    )
}
QUALITY = tuple(figure for figure in FIGURES.values() if figure.kind == "quality")


class Figures:
    """Base of classes that have estimates of quality by key, as attributes.

    ``scores.miou`` is the value of "miou", ``scores.miou_ci`` its interval; where there is none both are ``missing``.

    Attributes:
        figures: the estimates by key.
        missing: the value of a missing figure; its interval is ``(missing, missing)``, or None where that is None.
    """

    figures: Mapping[str, Estimate]
    missing: ClassVar[Any] = None

    def __getattr__(self, name: str) -> Any:
        figure = FIGURES.get(name.removesuffix("_ci"))
        if figure is None or figure.kind != "quality" or "figures" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        estimate = self.figures.get(figure.key)
        if name.endswith("_ci"):
            return (estimate.interval if estimate else None) or (None if self.missing is None else (self.missing,) * 2)
        return self.missing if estimate is None else estimate.value


def flat(figures: Mapping[str, Estimate]) -> dict[str, Any]:
    """Return estimates as JSON has them: {"miou": value, "miou_ci": [low, high], ...}, None for missing numbers."""
    plain: dict[str, Any] = {}
    for key, estimate in figures.items():
        plain[key] = None if math.isnan(estimate.value) else estimate.value
        plain[f"{key}_ci"] = list(estimate.interval) if estimate.interval else [None, None]
    return plain
