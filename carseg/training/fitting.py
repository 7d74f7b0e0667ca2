"""``fit``: the one training, which ``finetune``, the recipes and the experiments call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from carseg.architectures import Network
from carseg.data import Dataset
from carseg.hub import Provenance
from carseg.training.config import TrainingConfig
from carseg.training.hooks import Hook
from carseg.training.trainer import Trainer


@dataclass(frozen=True)
class Fitted:
    """A training that has ended.

    Attributes:
        best: the folder of the best weights, which ``carseg.load`` takes; of the last ones without validation images.
        steps: steps of the optimizer.
        epochs: passes over the training images.
        seconds: time it took, validation and earlier parts of a resumed run included.
    """

    best: Path
    steps: int
    epochs: float
    seconds: float


def fit(
    network: Network,
    provenance: Provenance,
    train: Dataset,
    val: Dataset | None,
    run: Path,
    config: TrainingConfig,
    *,
    resume: bool = False,
    hooks: Sequence[Hook] = (),
    hub: str | os.PathLike[str] | None = None,
) -> Fitted:
    """Train a network.

    Args:
        network: what is trained, with the weights it starts from; ``start_network`` makes one.
        provenance: what is known about the weights to come: it is written beside them, and its ``input`` is how images
            are normalized and, unless ``config.size`` says otherwise, the size they are stretched to.
        train: the images it learns from; the network predicts their classes.
        val: the images that choose the best state; None keeps the last.
        run: the run folder, which exists.
        config: the settings.
        resume: go on from the state in the run folder where there is one.
        hooks: called while it runs.
        hub: where to look for the teacher first.

    Raises:
        OptionError: a batch cannot be shared by the processes, or a setting does not suit the data.
        DataError: an image cannot be used, or no pixel of the validation images has a label.
        TrainingError: the loss is no number any more, the disk is full, or the state cannot be read.
    """
    trainer = Trainer(network, provenance, train, val, run, config, resume=resume, hooks=hooks, hub=hub)
    trainer.run()
    state = trainer.state
    return Fitted(run / "best", state.step, state.step / trainer.steps_per_epoch, state.seconds)
