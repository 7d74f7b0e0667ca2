"""Work on threads, some items ahead of whoever consumes the results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def prefetch(function: Callable[[Any], Any], items: Iterable[Any], depth: int) -> Iterator[Any]:
    """``map`` on threads, at most ``depth`` items ahead of whoever consumes it."""
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(2) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
