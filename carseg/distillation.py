"""Learning from a trained network beside the labels (Hinton et al. 2015, https://arxiv.org/abs/1503.02531).

The teacher sees the very picture that the learner sees, changed alike, and for as long as training goes on, as Beyer et
al. 2022 (https://arxiv.org/abs/2106.05237) found it to work best. Pictures without a label teach too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from carseg.errors import OptionError
from carseg.hub import locate
from carseg.labels import LabelSet
from carseg.normalising import normalise
from carseg.runtimes.torch_ import read_network


class Teacher:
    """A trained network whose opinion another one learns from.

    Args:
        model: a model's name, or a run folder.
        labels: the classes of the one that learns.
        device: where it runs.

    Raises:
        OptionError: the model has other classes.
        UnknownNameError, HubError: there is no such model, or its weights cannot be had.
    """

    def __init__(self, model: str, labels: LabelSet, device: torch.device) -> None:
        located = locate(model)
        if located.entry.labels.classes != labels.classes:
            raise OptionError(f"teacher {model} has the classes of {located.entry.labels.name!r}, not {labels.name!r}")
        self.spec = located.entry.input
        self.network = read_network(located).to(device).to(memory_format=torch.channels_last).requires_grad_(False)

    def __call__(self, pictures: Tensor) -> Tensor:
        """Probabilities float32 (N, C, h, w) for pictures float32 (N, 3, H, W) in 0..255."""
        logits: Tensor = self.network(normalise(pictures, self.spec))
        return logits.float().softmax(1)
