"""How long a benchmark still takes: guessed from its plan, and then from what its stages took so far."""

from __future__ import annotations

import time
from collections.abc import Callable

_START = 5.0  # seconds until a network gives its first result, before any did
_PER_IMAGE = 0.2  # that an image of the data takes, likewise
_SURE = 0.05  # of a stage has to be done before its pace counts

BenchmarkProgress = Callable[[str, str, int, int, float], None]  # (model, stage, done, of how many, seconds left)


class Remaining:
    """The seconds that are left, stage by stage.

    Args:
        tell: called with what ``report`` is, and the seconds that are left.
        models: how many there are.
        seconds: of the measurement of the latency; that of the throughput takes about as long.
        images: labelled images that each model sees.
    """

    def __init__(self, tell: BenchmarkProgress | None, models: int, seconds: float, images: int) -> None:
        self._tell = tell
        self._models = models
        self._takes = {"start": _START, "latency": seconds, "quality": _PER_IMAGE * images, "throughput": seconds}
        self._stage, self._began = "start", time.monotonic()

    def begin_model(self) -> None:
        """Note that the next model is being started, or need not be measured."""
        self._models -= 1
        self._enter("start")

    def report(self, model: str, stage: str, done: int, total: int) -> None:
        """Note how much of a model's stage is done, of how much."""
        left = self._at(stage, done / max(total, 1))
        if self._tell is not None:
            self._tell(model, stage, done, total, left)

    def _at(self, stage: str, share: float) -> float:
        """Return the seconds that are left, all models together, where a share of a stage is done, 0..1."""
        if stage != self._stage:
            self._enter(stage)
        spent = time.monotonic() - self._began
        whole = spent / share if share > _SURE else max(self._takes[stage], spent)
        stages = list(self._takes)
        later = sum(self._takes[name] for name in stages[stages.index(stage) + 1 :])
        return whole - spent + later + self._models * sum(self._takes.values())

    def _enter(self, stage: str) -> None:
        """Begin a stage; what the one before took is what it will take for the next model."""
        now = time.monotonic()
        if stage != self._stage:
            self._takes[self._stage] = now - self._began
        self._stage, self._began = stage, now
