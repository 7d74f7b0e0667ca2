"""Evaluation of a network on a data set."""

from __future__ import annotations

import torch

from carseg._arrays import Float32Array, Uint8Array
from carseg.architectures import Network
from carseg.data import Dataset, Sample
from carseg.evaluation.metrics import Evaluation, Scores
from carseg.hub import InputSpec
from carseg.inference import prefetch, preprocess, to_mask
from carseg.runtimes import TorchRuntime


def evaluate_network(network: Network, data: Dataset, spec: InputSpec, device: torch.device) -> Scores:
    """Return the scores of a network on a data set, without the boundary F1, which takes longer than the network.

    Args:
        network: the network, which is put into evaluation mode and moved to the device.
        data: labelled images; their label set is the network's.
        spec: the input that the network expects.
        device: the device to run on, in float32.
    """
    runtime = TorchRuntime(network, device, "float32")
    evaluation = Evaluation(data.labels, boundary=False)

    def read(sample: Sample) -> tuple[Float32Array, Uint8Array]:
        rgb, truth = sample.load()
        return preprocess(rgb, spec)[None], truth

    for x, truth in prefetch(read, data, depth=4):
        evaluation.add(to_mask(runtime(x)[0], truth.shape), truth)
    return evaluation.scores()
