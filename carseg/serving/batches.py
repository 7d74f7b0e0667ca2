"""A network for the threads of a service: what waits while it computes goes through it together."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass

import numpy as np

from carseg._arrays import Float32Array
from carseg.inference import Segmenter


def share(model: Segmenter, size: int) -> Segmenter:
    """Return a network that is the same but for its ``forward``, which puts together what several threads ask for.

    Args:
        model: the network; it may be of a class of its own, with steps of its own.
        size: images that go through it together at most.
    """
    shared = copy.copy(model)
    shared.forward = Batches(model, size)  # type: ignore[method-assign]
    return shared


@dataclass(eq=False)
class _Waiting:
    x: Float32Array
    alone: bool = False  # the batch it was in failed, possibly for another's sake or for want of memory
    logits: Float32Array | None = None
    error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.logits is not None or self.error is not None


class Batches:
    """The ``forward`` of a network for several threads, one batch at a time.

    Args:
        model: the network.
        size: images that go through it together at most.
    """

    def __init__(self, model: Segmenter, size: int) -> None:
        self._model = model
        self._size = size
        self._waiting: list[_Waiting] = []
        self._list = threading.Lock()
        self._turn = threading.Lock()

    def __call__(self, batch: Float32Array) -> Float32Array:
        """Return what ``model.forward`` does; whichever thread gets the turn computes for those that wait, too."""
        mine = [_Waiting(x) for x in batch]
        with self._list:
            self._waiting += mine
        with self._turn:
            while not all(each.done for each in mine):
                self._compute(self._next())
        for each in mine:
            if each.error is not None:
                raise each.error
        return np.stack([each.logits for each in mine if each.logits is not None])

    def _next(self) -> list[_Waiting]:
        """Return the one that waits longest, and those of its shape up to a batch."""
        with self._list:
            first = self._waiting[0]
            alike = [each for each in self._waiting if each.x.shape == first.x.shape and not each.alone]
            batch = [first] if first.alone else alike[: self._size]
            self._waiting = [each for each in self._waiting if each not in batch]
        return batch

    def _compute(self, batch: list[_Waiting]) -> None:
        try:
            logits = self._model.forward(np.stack([each.x for each in batch]))
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            with self._list:
                for each in batch:
                    each.alone = True
                self._waiting = batch + self._waiting
            return
        for each, one in zip(batch, logits, strict=True):
            each.logits = one
