"""Counts and times of a service for Prometheus, one table for all of its processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from typing import Any

ROUTES = (
    "/",
    "/page",
    "/docs",
    "/openapi.json",
    "/healthz",
    "/metrics",
    "/models",
    "/predict",
    "/cutout",
    "/report",
    "/v1/models",
    "/v1/predict",
    "/label-studio/health",
    "/label-studio/setup",
    "/label-studio/predict",
    "other",
)
_TIMED = ("/predict", "/cutout", "/report", "/v1/predict", "/label-studio/predict")
_STATUSES = (200, 304, 400, 401, 404, 405, 408, 413, 415, 422, 429, 499, 500, 503)
_BOUNDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)  # seconds


class Metrics:
    """Numbers that the processes of a service count up, each in a row of its own, so that none waits for another.

    Args:
        processes: that are started with it, and share its rows.

    Attributes:
        row: that of this process.
    """

    def __init__(self, processes: int = 1) -> None:
        keys: list[tuple[str, ...]] = [("active",)]
        keys += [("requests", route, str(status)) for route in ROUTES for status in (*_STATUSES, "other")]
        for route in _TIMED:
            keys += [("bucket", route, f"{bound:g}") for bound in (*_BOUNDS, float("inf"))]
            keys += [("sum", route)]
        self._place = {key: number for number, key in enumerate(keys)}
        self._rows: Any = multiprocessing.get_context("spawn").RawArray("d", processes * len(keys))
        self.row = 0

    def take_row(self, row: int) -> None:
        """Count in a row, possibly that of a process which was killed: what it was answering is not any more."""
        self.row = row
        self._rows[row * len(self._place) + self._place["active",]] = 0

    def began(self) -> None:
        """Count a request that is being answered."""
        self._add({("active",): 1})

    def ended(self, route: str, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            route: one of ``ROUTES``.
            status: its HTTP status.
            seconds: from the request's head to the answer's end.
        """
        counted: dict[tuple[str, ...], float] = {("active",): -1}
        counted["requests", route, str(status) if status in _STATUSES else "other"] = 1
        if route in _TIMED and status == 200:
            bound = next((bound for bound in _BOUNDS if seconds <= bound), float("inf"))
            counted["bucket", route, f"{bound:g}"] = 1
            counted["sum", route] = seconds
        self._add(counted)

    def text(self) -> str:
        """Return them in Prometheus' text format."""
        return "".join(f"{line}\n" for line in self._lines())

    def _add(self, counted: dict[tuple[str, ...], float]) -> None:
        for key, number in counted.items():
            self._rows[self.row * len(self._place) + self._place[key]] += number

    def _get(self, *key: str) -> float:
        return float(sum(self._rows[self._place[key] :: len(self._place)]))

    def _lines(self) -> Iterator[str]:
        yield "# HELP carseg_requests_active Requests that are being answered."
        yield "# TYPE carseg_requests_active gauge"
        yield f"carseg_requests_active {self._get('active'):g}"
        yield "# HELP carseg_requests_total Requests that were answered."
        yield "# TYPE carseg_requests_total counter"
        for kind, *names in self._place:
            if kind == "requests" and (count := self._get(kind, *names)):
                yield f'carseg_requests_total{{route="{names[0]}",status="{names[1]}"}} {count:.0f}'
        yield "# HELP carseg_request_seconds Time of requests with images that were answered 200."
        yield "# TYPE carseg_request_seconds histogram"
        for route in _TIMED:
            total = 0.0
            for bound in (*_BOUNDS, float("inf")):
                total += self._get("bucket", route, f"{bound:g}")
                shown = f"{bound:g}".replace("inf", "+Inf")
                yield f'carseg_request_seconds_bucket{{route="{route}",le="{shown}"}} {total:.0f}'
            yield f'carseg_request_seconds_sum{{route="{route}"}} {self._get("sum", route):.6f}'
            yield f'carseg_request_seconds_count{{route="{route}"}} {total:.0f}'
