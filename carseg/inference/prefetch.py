"""Work that threads do before its results are asked for, and items that a thread waits for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any, Self

from carseg._env import usable_processors
from carseg.errors import OptionError

_END = object()
_GLANCE = 0.005  # seconds between two looks for what has arrived
_MOST = 16  # images that are worked on at once unless more are asked for: each takes its memory


def image_jobs(jobs: int | None = None) -> int:
    """Return how many images are worked on at once: as many as are asked for, or one per usable processor, at most 16.

    Raises:
        OptionError: less than one.
    """
    if jobs is not None and jobs < 1:
        raise OptionError(f"jobs must be at least 1, got {jobs}")
    return jobs or min(usable_processors(), _MOST)


def prefetch(function: Callable[[Any], Any], items: Iterable[Any], jobs: int | None = None) -> Iterator[Any]:
    """Yield ``function`` of each item, in order; threads compute as many at once as ``image_jobs`` says of ``jobs``."""
    threads = image_jobs(jobs)
    with Prefetch(function, items, threads + 1, threads) as results:
        yield from results


class Pooled:
    """An iterator whose items threads work on; ends with a ``with`` block, and what has not begun by then never does.

    Args:
        threads: how many.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Self:
        return self


class Prefetch(Pooled):
    """Results of a function, in order, which threads compute before they are asked for; ends with a ``with`` block.

    What the items raise is raised after the results of all items before it.

    Args:
        function: what is done with each item.
        items: asked for in the thread that asks for the results.
        depth: items that are in hand at once, the one whose result was returned last included.
        threads: items that are computed at once.
        arrived: returns whether the next item need not be waited for: only then is it read ahead; None: never wait.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        depth: int,
        threads: int,
        arrived: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(threads)
        self._function = function
        self._items = iter(items)
        self._next_arrived = arrived
        self._depth = depth
        self._waiting: deque[Future[Any]] = deque()
        self._end: Exception | None = None

    def __next__(self) -> Any:
        if not self._waiting and self._end is None:
            self._submit()
        if not self._waiting:
            end, self._end = self._end, StopIteration()  # an exception that is kept keeps all that it went through
            assert end is not None
            raise end
        future = self._waiting.popleft()
        self._read_ahead()
        while self._has_room() and not future.done():  # what arrives meanwhile need not wait for this result
            wait([future], _GLANCE)
            self._read_ahead()
        return future.result()

    def arrived(self) -> bool:
        """Return whether the next result is there."""
        self._read_ahead()
        return bool(self._waiting) and self._waiting[0].done()

    def ready(self) -> bool:
        """Return whether the next result is there or, where its item did not have to be waited for, will be soon."""
        return self.arrived() or (bool(self._waiting) and self._next_arrived is None)

    def _has_room(self) -> bool:
        return len(self._waiting) < self._depth - 1 and self._end is None

    def _read_ahead(self) -> None:
        while self._has_room():
            if self._next_arrived is not None and not self._next_arrived():
                break
            self._submit()

    def _submit(self) -> None:
        try:
            item = next(self._items, _END)
        except Exception as error:
            self._end = error
        else:
            if item is _END:
                self._end = StopIteration()
            else:
                self._waiting.append(self._pool.submit(self._function, item))


class Feed:
    """Items that a thread of its own asks for, so that waiting for the next one holds nothing up.

    Args:
        items: asked for as long as there is room; may wait as long as they like; closed in the same thread.
        depth: items that may have arrived and not been taken.
        latest: keep the newest alone, and never wait for room.
    """

    def __init__(self, items: Generator[Any], depth: int, *, latest: bool = False) -> None:
        self._arrived: deque[Any] = deque(maxlen=1 if latest else None)
        self._depth = 2 if latest else depth  # which one item never reaches
        self._changed = threading.Condition()
        self._asking = True
        self._closed = False
        self._end: BaseException | None = None
        # A daemon, for nothing ends a source that waits: the process need not wait for it too.
        self._thread = threading.Thread(target=self._run, args=(items,), name="carseg-feed", daemon=True)
        self._thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: self._arrived or self._end)
            if self._arrived:
                self._changed.notify_all()
                return self._arrived.popleft()
            end, self._end = self._end, StopIteration()
            assert end is not None
            raise end

    def arrived(self) -> bool:
        """Return whether the next item is there."""
        return bool(self._arrived)

    def close(self) -> None:
        """Ask for no more items; their generator is closed at once, or as soon as it no longer waits for one."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            asking = self._asking
        if not asking:
            self._thread.join()

    def _run(self, items: Generator[Any]) -> None:
        end: BaseException = StopIteration()
        try:
            with closing(items):  # it may hold a camera
                for item in items:
                    if not self._keep(item):
                        break
        except BaseException as error:  # whatever it is, it is for the thread that waits for the next item
            end = error
        with self._changed:
            self._asking, self._end = False, end
            self._changed.notify_all()

    def _keep(self, item: Any) -> bool:
        """Enter an item and wait for room; return whether to go on."""
        with self._changed:
            self._arrived.append(item)
            self._changed.notify_all()
            self._asking = False
            self._changed.wait_for(lambda: self._closed or len(self._arrived) < self._depth)
            self._asking = not self._closed
            return not self._closed
