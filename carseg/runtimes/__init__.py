"""Ways to run a network, all behind the same call, numpy in and numpy out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from carseg.errors import OptionError
from carseg.registry import unknown

if TYPE_CHECKING:
    from carseg.hub import Located

PRECISIONS = ("auto", "float32", "bfloat16", "int8")
_HOMES = {"torch": "torch_"}


class Runtime(Protocol):
    """A network on a device.

    Attributes:
        description: what runs it, as a person would say it: "torch float32 on cpu".
        batch_size: pictures that go through it together when the caller does not say.
    """

    description: str
    batch_size: int

    def __call__(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """float32 (N, 3, h, w), normalised, to float32 logits (N, C, h', w')."""
        ...


def start(located: Located, name: str, device: str, precision: str, threads: int | None) -> Runtime:
    """The network of located weights, ready to run; the arguments are those of ``carseg.load``."""
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    if threads is not None and threads < 1:
        raise OptionError(f"threads must be at least 1, got {threads}")
    if name != "auto" and name not in _HOMES:
        raise unknown("runtime", name, ("auto", *_HOMES))
    home = importlib.import_module(f"carseg.runtimes.{_HOMES['torch' if name == 'auto' else name]}")
    runtime: Runtime = home.start(located, device, precision, threads)
    return runtime
