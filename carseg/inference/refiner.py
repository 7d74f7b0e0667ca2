"""Refined edges of a whole-car network's answers: for which classes there are any, and the network that draws them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

import numpy as np

from carseg._arrays import Float32Array, Uint8Array
from carseg.cars import tells_whole_cars
from carseg.errors import OptionError
from carseg.hub import ModelInfo, licence_notice, resolve
from carseg.inference.refine import refine_outline
from carseg.labels import LabelSet
from carseg.masks import grids
from carseg.runtimes import Runtime, start_runtime

REFINER: Final = "refinement-unet-car"
_log = logging.getLogger("carseg")


def best_edges(info: ModelInfo) -> str:
    """Return the edges that cut-outs of a model have unless others are asked for.

    They are "refined" where its classes allow it, else "network". A model that may be used commercially keeps its own:
    the network that refines may not be.
    """
    return "refined" if _tells_outlines(info.labels) and info.commercial_use != "yes" else "network"


def _tells_outlines(labels: LabelSet) -> bool:
    return labels.background is not None and tells_whole_cars(labels)


def check_edges(edges: str, labels: LabelSet) -> None:
    """Raise OptionError unless edges can be had that way of a network with these classes."""
    if edges not in ("network", "refined"):
        raise OptionError(f"edges must be 'network' or 'refined', got {edges!r}")
    if edges == "refined" and not _tells_outlines(labels):
        reason = "no background" if labels.background is None else "no class for the rest of a car"
        raise OptionError(
            f"edges='refined' needs a model that finds whole cars, and {labels.name} has {reason}: use a model such as "
            "car, or edges='network'"
        )


@dataclass(frozen=True)
class Refiner:
    """The network that redraws outlines, ready to run.

    Attributes:
        info: everything known about its weights.
        runtime: what runs it.
    """

    info: ModelInfo
    runtime: Runtime

    @classmethod
    def start(cls, beside: Runtime) -> Refiner:
        """Return the network on the device and in the runtime of another one; errors are those of ``carseg.load``."""
        resolved = resolve(REFINER)
        if notice := licence_notice(resolved.info):
            _log.warning(notice)
        threads = getattr(beside, "threads", None)
        return cls(resolved.info, start_runtime(resolved, beside.name, beside.device, "auto", threads))

    def __call__(
        self, rgb: Uint8Array, mask: Uint8Array, chances: Float32Array, labels: LabelSet
    ) -> tuple[Uint8Array, Uint8Array]:
        """Return the mask with the car's outline redrawn, uint8 (H, W), and how opaque the car is, uint8 (H, W).

        What became car gets the most probable class of a car there.

        Args:
            rgb: uint8 (H, W, 3).
            mask: uint8 (H, W), label ids.
            chances: float32 (C, h, w), logarithms of the probabilities, on a grid that is stretched over the image.
            labels: what the ids mean; see ``check_edges``.
        """
        foreground = np.array(labels.foreground)
        car = np.isin(mask, foreground)
        coarse = np.exp(chances[foreground]).sum(0).clip(0, 1)
        alpha = refine_outline(rgb, car, coarse, self.info.input.size[0], self.runtime)
        inside = alpha > 127
        redrawn = np.where(inside, mask, np.uint8(labels.background or 0))
        y, x = np.nonzero(inside & ~car)
        cells = (
            grids.nearest(at, size, cells) for at, size, cells in zip((y, x), mask.shape, coarse.shape, strict=True)
        )
        redrawn[y, x] = foreground[chances[foreground][:, *cells].argmax(0)]
        return redrawn, alpha
