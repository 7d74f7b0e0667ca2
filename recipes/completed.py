"""Labels completed by a network: what an image's label leaves open the network says where it is sure."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carseg.data import Sample
from carseg.inference import Segmenter, load
from carseg.labels import IGNORE

SURE = 0.8  # probability from which on the network is believed; between it and its opposite the label stays open


@dataclass(frozen=True)
class Completed:
    """A label of which what is ignored becomes object or background where a network of these two classes is sure.

    Attributes:
        sample: the image and its label.
        model: file of the network's weights, as ``carseg.load`` takes it; its classes are background and object.
        background: the stored value of the background.
        object: the stored value that the object gets.
    """

    sample: Sample
    model: Path
    background: int
    object: int

    def read(self, height: int, width: int) -> np.ndarray:
        stored = self.sample.label.read(height, width).copy()
        found = _network(self.model).predict(self.sample.load_image(), return_probabilities=True).probabilities[1]
        left_open = stored == IGNORE
        stored[left_open & (found > SURE)] = self.object
        stored[left_open & (found < 1 - SURE)] = self.background
        return stored


@functools.cache
def _network(model: Path) -> Segmenter:
    return load(model, device="cpu", runtime="torch", precision="float32")
