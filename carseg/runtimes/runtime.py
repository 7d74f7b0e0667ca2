"""What a runtime is, and how one was started: another process, given it in a pickle, starts it anew."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, SupportsIndex, cast

from carseg._arrays import Float32Array
from carseg.errors import ForkError, OptionError
from carseg.hub import resolve_again

if TYPE_CHECKING:
    from carseg.hub import Range, ResolvedWeights


class Runtime(Protocol):
    """Network on a device, ready to run.

    Attributes:
        name: "torch", "openvino" or "onnx".
        precision: "float32", "bfloat16" or "int8", in which it computes.
        device: "cpu", "cuda:0", ...
        batch_size: default number of images that go through it together.
    """

    name: str
    precision: str
    device: str
    batch_size: int

    def __call__(self, batch: Float32Array) -> Float32Array:
        """Return float32 logits (N, C, h', w') of normalized images, float32 (N, 3, h, w)."""
        ...


@dataclass(frozen=True)
class Settings:
    """How a runtime was started; nothing in it is left to be chosen but the device where that is "auto".

    Attributes:
        resolved: the weights, with their sha256.
        name: "torch", "openvino" or "onnx".
        device: as it was asked for: another machine may have another.
        precision: "float32", "bfloat16" or "int8".
        threads: None for as many as the runtime takes by itself.
        ranges: of the activations, for "int8": a file with them need not be there any more.
    """

    resolved: ResolvedWeights
    name: str
    device: str
    precision: str
    threads: int | None
    ranges: dict[str, Range] | None

    def start(self) -> Runtime:
        """Return the runtime."""
        home = importlib.import_module(f"carseg.runtimes.{self.name}")
        ranges = () if self.ranges is None else (self.ranges,)
        runtime = home.start(self.resolved, self.device, self.precision, self.threads, *ranges)
        runtime.settings = self
        return cast(Runtime, runtime)


def require_cpu(name: str, device: str) -> None:
    """Raise OptionError where a runtime that computes on the CPU alone is asked for another device."""
    if device not in ("auto", "cpu"):
        raise OptionError(f"runtime {name!r} runs on the CPU, not on {device}; leave the device out, or use torch")


class Restartable:
    """Base of the runtimes: one that was started for ``carseg.load`` is pickled and copied as its settings.

    Attributes:
        settings: how it was started; None where it was made of a network or a file at hand, and is pickled as Python
            does that.
    """

    settings: Settings | None = None

    @property
    def threads(self) -> int | None:
        """CPU threads, None for as many as the runtime takes by itself."""
        return None if self.settings is None else self.settings.threads

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        if self.settings is None:
            return super().__reduce_ex__(protocol)
        return _start_again, (replace(self.settings, threads=self.threads),)


class _Refusing(Restartable):
    """Runtime that says in every call why it could not be started.

    An error in a pickle itself ends a process of a pool, whose user would wait for ever.
    """

    batch_size = 1

    def __init__(self, settings: Settings, reason: str) -> None:
        self.settings, self.reason = settings, reason
        self.name, self.precision, self.device = settings.name, settings.precision, settings.device

    def __call__(self, batch: Float32Array) -> Float32Array:
        raise ForkError(self.reason)


def _start_again(settings: Settings) -> Runtime:
    here = replace(settings, resolved=resolve_again(settings.resolved))
    try:
        return here.start()
    except ForkError as error:
        return _Refusing(here, str(error))
