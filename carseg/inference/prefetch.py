"""Work that threads do before its results are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def prefetch(function: Callable[[Any], Any], items: Iterable[Any], depth: int) -> Iterator[Any]:
    """Yield ``function`` of each item, in order; threads compute it at most ``depth`` items before it is asked for."""
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
