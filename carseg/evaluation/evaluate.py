"""Scores of a network on a data set."""

from __future__ import annotations

import torch

from carseg.architectures import Network
from carseg.data import Dataset, Sample
from carseg.evaluation.metrics import Evaluation, Scores
from carseg.hub import InputSpec
from carseg.images import Float32Array, Uint8Array
from carseg.inference import prefetch, preprocess, to_mask
from carseg.runtimes import TorchRuntime


def evaluate_network(network: Network, data: Dataset, spec: InputSpec, device: torch.device) -> Scores:
    """Scores on a data set by the protocol, without the boundary figure, which takes longer than the network."""
    runtime = TorchRuntime(network, device, "float32")
    evaluation = Evaluation(data.labels, boundary=False)

    def read(sample: Sample) -> tuple[Float32Array, Uint8Array]:
        rgb, truth = sample.load()
        return preprocess(rgb, spec)[None], truth

    for x, truth in prefetch(read, data, depth=4):
        evaluation.add(to_mask(runtime(x)[0], truth.shape), truth)
    return evaluation.scores()
