"""Quality, speed and size of models, side by side: ``benchmark``."""

from __future__ import annotations

from carseg.benchmarking.benchmark import benchmark, environment
from carseg.benchmarking.rows import Row, compare_rows, failures, parse_limits, read_rows
from carseg.benchmarking.tables import format_classes, format_differences, format_rows

__all__ = [
    "Row",
    "benchmark",
    "compare_rows",
    "environment",
    "failures",
    "format_classes",
    "format_differences",
    "format_rows",
    "parse_limits",
    "read_rows",
]
