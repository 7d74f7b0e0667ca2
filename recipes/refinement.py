"""Make the weight that refines edges: train it, measure it on top of a whole-car network, and store it.

    CARSEG_DATA=DIR python -m recipes.refinement
    CARSEG_DATA=DIR python -m recipes.refinement --start refinement-unet-car         # the later stages, from a weight
    CARSEG_DATA=DIR python -m recipes.refinement --stages 50 100 150 --runs /tmp/runs --weights /tmp/weights

It learns from windows along the outlines of cars in a studio and in streets (`recipes/windows.py`). After the first
stage it also sees what it answered itself at half the size, as it will when it refines a large image. A run that was
interrupted continues where it was.
"""

from __future__ import annotations

import functools
import itertools
import math
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from carseg.architectures import Network
from carseg.hub import DataSource, InputSpec, Provenance, create_model, resolve, save_model
from carseg.inference import REFINER, Segmenter, load, refine_outline
from carseg.labels import CARVANA
from carseg.runtimes import TorchRuntime, keep_memory, native_bfloat16, start_runtime
from recipes.calibrate import measure_runtimes
from recipes.entering import WEIGHTS, describe, enter_refiner
from recipes.measure import write_golden
from recipes.refinement_figures import measure_refined, refined_by
from recipes.run import head_commit
from recipes.windows import WINDOW, CachedImage, batch, prepare, training_images, validation_images

COARSE = "fpn-efficientnet-lite1-carvana", "fpn-mobilenetv2-carvana"  # the second one has learned from no street
STAGES = (5600, 14600, 20600)  # the steps at which they end
RATES = (2e-3, 2e-3, 1e-3)  # of their beginnings; it falls to nothing in each
BATCH = 32
WARM_UP = 200
AVERAGED = 0.999  # decay of the average of the weights, which is what is stored
NETWORK = "network.pt"
INPUT = InputSpec(size=(WINDOW, WINDOW), mean=(0.5,) * 4, std=(0.5,) * 4)
CARVANA_TERMS = "competition rules: non-commercial research"
INTELEC_TERMS = (
    "free in private and commercial projects, with the citation https://www.kaggle.com/intelecai/car-segmentation"
)
NOTES = """
It cannot predict alone. For `predict(..., edges="refined")` it redraws the outline that a network for whole
cars gives, in windows of 96 pixels along it. What that network misses by more than such a window stays missing.

It has seen 95 street photographs. In streets, outlines are better with it, but a little less of the area is right. It
fails on

- background that the other network took for the car, as behind the seats of an open car: it makes such pieces larger;
- the gap under the car, where the shadow becomes car, and mirror images of tires on a wet or polished floor;
- antennas, which fade some pixels above the roof.
"""
SOURCES = (
    DataSource("Carvana Image Masking Challenge", "train", 272, CARVANA_TERMS, "training"),
    DataSource("Carvana Image Masking Challenge", "val", 32, CARVANA_TERMS, "validation"),
    DataSource("Intelec Car Segmentation", "train", 95, INTELEC_TERMS, "training"),
    DataSource("Intelec Car Segmentation", "train, held out", 24, INTELEC_TERMS, "validation"),
)


def main(
    stages: Annotated[tuple[int, int, int], typer.Option(help="the steps at which they end")] = STAGES,
    start: Annotated[str | None, typer.Option(help="a weight that has been through the first stage")] = None,
    runs: Annotated[Path, typer.Option(help="where the run folder goes")] = Path("runs"),
    weights: Annotated[Path, typer.Option(help="where the finished entry goes")] = WEIGHTS,
) -> None:
    keep_memory()
    run = runs / REFINER
    run.mkdir(parents=True, exist_ok=True)
    cache(run)
    if not (run / NETWORK).exists():
        begin(run, start, 0 if start is None else stages[0])
    for (begun, until), rate in zip(itertools.pairwise((0, *stages)), RATES, strict=True):
        train(run, begun, until, rate)
        answer(run)
    publish(run, weights)


def cache(run: Path) -> None:
    """Write what the windows are drawn from, for the images that have none yet."""
    segmenters = [load(name, device="cpu", runtime="torch", precision="float32") for name in COARSE]
    for number, sample in enumerate(training_images()):
        if not (run / f"{number:04d}.coarse.npz").exists():
            prepare(sample, number, segmenters, run)


def answer(run: Path) -> None:
    """Write what the network answers at half the size of every third image, given one of its coarse answers."""
    runtime = TorchRuntime(averaged(run), torch.device("cpu"), "float32")
    for number, sample in [*enumerate(training_images())][::3]:
        path = run / f"{number:04d}.refined.npz"
        if not path.exists():
            coarse = CachedImage(run, number).coarse[-1 if number % 2 else 0]
            small = Image.fromarray(sample.load_image()).reduce(2)
            car = np.asarray(Image.fromarray(coarse).resize(small.size, Image.Resampling.BILINEAR)) > 127
            np.savez(path, refine_outline(np.asarray(small), car, np.float32(1 / 255) * coarse, WINDOW, runtime))


def begin(run: Path, start: str | None, step: int) -> None:
    """Write the state of a network, random or with the weights of ``start``, before a step."""
    torch.manual_seed(0)
    network = create_model("refinement-unet", len(CARVANA), weights=start, in_channels=INPUT.channels)
    save(run, {"network": network.state_dict(), "average": network.state_dict(), "step": step})


def save(run: Path, state: dict[str, Any]) -> None:
    """Write the state of a training, whole or not at all."""
    torch.save(state, run / "part")
    (run / "part").replace(run / NETWORK)


def averaged(run: Path) -> Network:
    """Return the network with the average of its weights, for prediction."""
    network = create_model("refinement-unet", len(CARVANA), in_channels=INPUT.channels)
    network.load_state_dict(torch.load(run / NETWORK, weights_only=True)["average"])
    return network.eval()


def train(run: Path, begun: int, until: int, height: float) -> None:
    """Train a stage, from a step until another; the rate falls to nothing. The state is kept once a minute.

    Args:
        run: the run folder.
        begun: the step at which the stage begins.
        until: the step at which it ends.
        height: the rate at its beginning, after a short rise.
    """
    images = [CachedImage(run, number) for number in range(len(list(run.glob("*.pixels.npy"))))]
    state = torch.load(run / NETWORK, weights_only=True)
    average, first = state["average"], state["step"]
    network = create_model("refinement-unet", len(CARVANA), in_channels=INPUT.channels)
    network.load_state_dict(state["network"])
    network.to(memory_format=torch.channels_last)
    parts = ([p for p in network.parameters() if (p.ndim > 1) == decayed] for decayed in (True, False))
    groups = [{"params": part, "weight_decay": decay} for part, decay in zip(parts, (0.01, 0.0), strict=True)]
    optimizer = torch.optim.AdamW(groups, lr=height)
    if begun < first < until:
        optimizer.load_state_dict(state["optimizer"])
    cpu = torch.device("cpu")
    number_type = torch.bfloat16 if native_bfloat16(cpu) else torch.float32
    saved = time.monotonic()
    for step in range(first, until):
        done = (step - begun) / (until - begun)
        rate = height * min((step + 1 - begun) / WARM_UP, 1) * (0.5 + 0.5 * math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate
        x, target = batch(images, BATCH, step)
        with torch.autocast("cpu", number_type, enabled=number_type != torch.float32):
            [logits] = network(x)
        loss = loss_of(logits.float(), target)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        follow(average, network, min(AVERAGED, (step + 1 - begun) / (step + 10 - begun)))
        if (step + 1) % 100 == 0:
            print(f"{step + 1} {loss.item():.4f}", flush=True)
        if time.monotonic() - saved > 60 or step + 1 == until:
            saved = time.monotonic()
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            save(run, {**state, "average": average, "step": step + 1})


def loss_of(logits: Tensor, target: Tensor) -> Tensor:
    """Return how far logits, (N, 2, h, w), are from opacities, (N, h, w): their values and their steps."""
    logit = logits[:, 1] - logits[:, 0]
    opacity = logit.sigmoid()
    steps = sum((opacity.diff(dim=axis) - target.diff(dim=axis)).abs().mean() for axis in (-1, -2))
    entropy = functional.binary_cross_entropy_with_logits(logit, target)
    return entropy + 0.5 * steps + 0.25 * (opacity - target).abs().mean()


@torch.no_grad()
def follow(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    """Move the average of the weights towards those of now."""
    for key, value in network.state_dict().items():
        if value.is_floating_point():
            average[key].lerp_(value, 1 - decay)
        else:
            average[key].copy_(value)


def publish(run: Path, weights: Path) -> None:
    """Store the network, measure what is stored on the test splits, and describe it; the project's own is entered."""
    provenance = Provenance(
        name=REFINER,
        architecture="refinement-unet",
        labels=CARVANA,
        input=INPUT,
        licence="non-commercial research use only, as the data's terms demand",
        commercial_use="no",
        recipe="recipes/refinement.py",
        code_commit=head_commit(),
        paper="the idea: https://arxiv.org/abs/2104.05239, https://arxiv.org/abs/2012.07810",
        made_by="the carseg project",
        data=SOURCES,
    )
    folder = weights / REFINER
    with tempfile.TemporaryDirectory(dir=weights) as scratch:
        new = Path(scratch, REFINER)
        stored = save_model(new, averaged(run), provenance, storage="float16")
        resolved = resolve(new)
        agreeing = measure_runtimes(
            resolved,
            [s.load_image() for s in validation_images()[::6]],
            functools.partial(refined_by, coarse=load(COARSE[0], device="cpu", runtime="torch")),
        )
        metrics, table = measure_refined(resolved, COARSE[0])
        finished = replace(stored, embedded=True, metrics=metrics, runtimes=agreeing)
        write_golden(new, Segmenter(stored, start_runtime(resolved, "torch", "cpu", "float32", None)))
        describe(new, finished, f"{NOTES}\n{table}")
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    if weights == WEIGHTS:
        enter_refiner(finished)
    print(table)


if __name__ == "__main__":
    typer.run(main)
