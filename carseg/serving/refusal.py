"""Answers other than 200: a status and one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from carseg.errors import CarsegError

GONE = 499  # the client hung up: nobody reads this status but the log and the metrics


class Refusal(CarsegError):
    """A request is not answered as it was asked.

    Attributes:
        status: the HTTP status.
        headers: that the answer has besides.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = dict(headers or {})
