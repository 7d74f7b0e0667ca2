"""What a benchmark times, and the multiplications it counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import carseg
from carseg.architectures.registry import list_architectures
from carseg.benchmarking import timing
from carseg.hub.create import create_model
from carseg.images import encode_jpeg

from benchmark_hub import QUICK, info_of, write_hub
from drawn_data import draw_image
from networks import LARGER


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return write_hub(tmp_path_factory.mktemp("hub"))


def test_what_is_timed_is_what_predict_does(hub, monkeypatch):
    model = carseg.load("doors", hub=str(hub), device="cpu")
    image = encode_jpeg(draw_image(np.tile(np.arange(3, dtype=np.uint8), (40, 20))))
    steps = []

    def record(name):
        step = getattr(model, name)

        def call(*arguments, **options):
            steps.append((name, step(*arguments, **options)))
            return steps[-1][1]

        monkeypatch.setattr(model, name, call)

    for name in timing.PARTS[1:]:
        record(name)
    assert len(timing._timed(model, image)) == len(timing.PARTS)
    timed, steps[:] = list(steps), []
    model.predict(image)
    assert [name for name, _ in timed] == [name for name, _ in steps] == list(timing.PARTS[1:])
    (ours, logits, result), (theirs, their_logits, their_result) = ([made for _, made in way] for way in (timed, steps))
    assert np.array_equal(ours.image.rgb, theirs.image.rgb) and np.array_equal(ours.x, theirs.x)
    assert np.array_equal(logits, their_logits)
    assert np.array_equal(result.mask, their_result.mask) and result.scores == their_result.scores


def test_without_data_only_speed_is_measured(hub):
    stages = []
    [row] = carseg.benchmark("doors", hub=str(hub), report=lambda *news: stages.append(news[:2]), **QUICK)
    assert row["error"] is None
    assert (row["dataset"], row["split"], row["miou"], row["per_class"]) == ("generated", None, None, None)
    assert row["ms_p50"] > 0
    assert set(stages) == {("doors", "latency"), ("doors", "throughput")}


def test_multiplications_are_counted_as_by_hand():
    x, convolutions = torch.zeros(1, 3, 64, 96), []
    network = create_model("unet", 3).eval()
    for layer in network.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):

            def count(module, inputs, output):
                pixels = (inputs[0] if isinstance(module, torch.nn.ConvTranspose2d) else output).shape[2:].numel()
                convolutions.append(module.weight.numel() * pixels)

            layer.register_forward_hook(count)
    with torch.no_grad():
        network(x)
    assert timing.count_gmacs(info_of("unet", "unet", (64, 96))) == pytest.approx(sum(convolutions) / 1e9)


@pytest.mark.parametrize("architecture", [n for n in list_architectures() if n not in LARGER])
def test_multiplications_of_every_architecture_can_be_counted(architecture):
    assert 0 < timing.count_gmacs(info_of("any", architecture, (128, 128))) < 200
