"""How long a benchmark still takes: guessed from its plan, and then from what its stages took so far."""

from __future__ import annotations

import time

_START = 5.0  # seconds until a network gives its first result, before any did
_PER_IMAGE = 0.2  # that an image of the data takes, likewise
_SURE = 0.05  # of a stage has to be done before its pace counts


class Remaining:
    """The seconds that are left, stage by stage.

    Args:
        models: how many there are.
        seconds: of the measurement of the latency; that of the throughput takes about as long.
        images: labelled images that each model sees.
    """

    def __init__(self, models: int, seconds: float, images: int) -> None:
        self._models = models
        self._takes = {"start": _START, "latency": seconds, "quality": _PER_IMAGE * images, "throughput": seconds}
        self._stage, self._began = "start", time.monotonic()

    def begin_model(self) -> None:
        """Note that the next model is being started, or need not be measured."""
        self._models -= 1
        self._enter("start")

    def at(self, stage: str, share: float) -> float:
        """Return the seconds that are left, all models together.

        Args:
            stage: where the model is, one of those that a worker reports.
            share: how much of the stage is done, 0..1.
        """
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
