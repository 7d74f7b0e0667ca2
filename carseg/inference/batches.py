"""Images in batches through the network, on a thread of its own: what is done before and after goes on beside it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from carseg._arrays import Float32Array
from carseg.errors import CarsegError
from carseg.images import LoadedImage
from carseg.inference.prefetch import Pooled, Prefetch
from carseg.inference.preprocess import Prepared
from carseg.inference.result import Result

Read = Prepared | LoadedImage | CarsegError  # what was read of a source; an image that is not prepared is for tiles
Answer = Float32Array | Result | CarsegError  # logits, float32 (classes, h, w), or what is no longer to be finished


class Forwarded(NamedTuple):
    """An image that is in the network, or was.

    Attributes:
        source: what was given.
        read: what was read of it.
        answers: those to all images of its batch.
        place: that of the image in the batch.
    """

    source: Any
    read: Read
    answers: Future[list[Answer]]
    place: int


class Batches(Pooled):
    """Images in order, each with what the network will say of it; ends with a ``with`` block.

    Args:
        forward: returns the answers to a batch; of one thread, batch after batch.
        images: sources with what was read of them; the network does not wait for those that may come.
        batch_size: images that may go through together, if they are prepared and of one shape.
    """

    def __init__(self, forward: Callable[[list[Read]], list[Answer]], images: Prefetch, batch_size: int) -> None:
        super().__init__(1)
        self._forward, self._images, self._batch_size = forward, images, batch_size
        self._forwarded: deque[Forwarded] = deque()
        self._next: tuple[Any, Read] | None = None  # which did not fit into the batch before

    def __next__(self) -> Forwarded:
        if not self._forwarded:
            batch = self._take()
            answers = self._pool.submit(self._forward, [read for _, read in batch])
            self._forwarded.extend(Forwarded(*one, answers, place) for place, one in enumerate(batch))
        return self._forwarded.popleft()

    def arrived(self) -> bool:
        """Return whether the next image need not be waited for."""
        return bool(self._forwarded) or self._next is not None or self._images.arrived()

    def _take(self) -> list[tuple[Any, Read]]:
        """Return the next image, and those behind it that go through the network with it."""
        batch = [self._next or next(self._images)]
        self._next = None
        first = batch[0][1]
        while isinstance(first, Prepared) and len(batch) < self._batch_size and self._images.ready():
            source, read = next(self._images)
            if not (isinstance(read, Prepared) and read.x.shape == first.x.shape):
                self._next = source, read
                break
            batch.append((source, read))
        return batch
