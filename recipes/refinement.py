"""Make the weight that refines edges: train it, measure it on top of a whole-car network, and store it.

    CARSEG_DATA=DIR python -m recipes.refinement
    CARSEG_DATA=DIR python -m recipes.refinement --steps 100 --runs /tmp/runs --weights /tmp/weights

It learns from windows along the outlines of cars in a studio and in streets (`recipes/windows.py`). In the second half
of the steps it also sees what it answered itself at half the size, as it will when it refines a large image. A run that
was interrupted goes on where it was.
"""

from __future__ import annotations

import functools
import math
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

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
from carseg.runtimes import TorchRuntime, keep_memory, start_runtime
from recipes.calibrate import measure_runtimes
from recipes.entering import WEIGHTS, describe, enter_refiner
from recipes.measure import write_golden
from recipes.refinement_figures import measure_refined, refined_by
from recipes.run import head_commit
from recipes.windows import WINDOW, CachedImage, batch, prepare, training_images, validation_images

COARSE = "fpn-mobilenetv2-carvana"
STEPS = 5600
BATCH = 32
LR = 2e-3
WARM_UP = 200
AVERAGED = 0.999  # decay of the average of the weights, which is what is stored
NETWORK = "network.pt"
INPUT = InputSpec(size=(WINDOW, WINDOW), mean=(0.5,) * 4, std=(0.5,) * 4)
CARVANA_TERMS = "competition rules: non-commercial research"
INTELEC_TERMS = (
    "free in private and commercial projects, with the citation https://www.kaggle.com/intelecai/car-segmentation"
)
NOTES = """
It cannot predict alone. For `predict(..., edges="refined")` it redraws the outline that a network for whole cars gives,
in windows of 96 pixels along the outline. What that network misses by more than such a window stays missing.
"""
SOURCES = (
    DataSource("Carvana Image Masking Challenge", "train", 272, CARVANA_TERMS, "training"),
    DataSource("Carvana Image Masking Challenge", "val", 32, CARVANA_TERMS, "validation"),
    DataSource("Intelec Car Segmentation", "train", 95, INTELEC_TERMS, "training"),
    DataSource("Intelec Car Segmentation", "train, held out", 24, INTELEC_TERMS, "validation"),
)


def main(
    steps: Annotated[int, typer.Option(help="of the training")] = STEPS,
    runs: Annotated[Path, typer.Option(help="where the run folder goes")] = Path("runs"),
    weights: Annotated[Path, typer.Option(help="where the finished entry goes")] = WEIGHTS,
) -> None:
    keep_memory()
    run = runs / REFINER
    run.mkdir(parents=True, exist_ok=True)
    cache(run)
    train(run, steps // 2, steps)
    answer(run)
    train(run, steps, steps)
    publish(run, weights)


def cache(run: Path) -> None:
    """Write what the windows are drawn from, for the images that have none yet."""
    segmenter = load(COARSE, device="cpu", runtime="torch", precision="float32")
    for number, sample in enumerate(training_images()):
        if not (run / f"{number:04d}.coarse.npz").exists():
            prepare(sample, number, segmenter, run)


def answer(run: Path) -> None:
    """Write what the network answers at half the size of every third image, given one of its coarse answers."""
    runtime = TorchRuntime(averaged(run), torch.device("cpu"), "float32")
    for number, sample in [*enumerate(training_images())][::3]:
        path = run / f"{number:04d}.refined.npz"
        if not path.exists():
            coarse = CachedImage(run, number).coarse[2 if number % 2 else 0]
            small = Image.fromarray(sample.load_image()).reduce(2)
            car = np.asarray(Image.fromarray(coarse).resize(small.size, Image.Resampling.BILINEAR)) > 127
            np.savez(path, refine_outline(np.asarray(small), car, np.float32(1 / 255) * coarse, WINDOW, runtime))


def averaged(run: Path) -> Network:
    """Return the network with the average of its weights, for prediction."""
    network = create_model("refinement-unet", len(CARVANA), in_channels=INPUT.channels)
    network.load_state_dict(torch.load(run / NETWORK, weights_only=True)["average"])
    return network.eval()


def train(run: Path, until: int, steps: int) -> None:
    """Train up to a step; the rate falls to nothing at the last of ``steps``. The state is kept once a minute."""
    images = [CachedImage(run, number) for number in range(len(list(run.glob("*.pixels.npy"))))]
    torch.manual_seed(0)
    network = create_model("refinement-unet", len(CARVANA), in_channels=INPUT.channels)
    network.to(memory_format=torch.channels_last)
    parts = ([p for p in network.parameters() if (p.ndim > 1) == decayed] for decayed in (True, False))
    groups = [{"params": part, "weight_decay": decay} for part, decay in zip(parts, (0.01, 0.0), strict=True)]
    optimizer = torch.optim.AdamW(groups, lr=LR)
    average = {key: value.detach().clone() for key, value in network.state_dict().items()}
    first = 0
    if (run / NETWORK).exists():
        state = torch.load(run / NETWORK, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        average, first = state["average"], state["step"]
    saved = time.monotonic()
    for step in range(first, until):
        rate = LR * min((step + 1) / WARM_UP, 1) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        x, target = batch(images, BATCH, step)
        with torch.autocast("cpu", torch.bfloat16):
            [logits] = network(x)
        loss = loss_of(logits.float(), target)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        follow(average, network, min(AVERAGED, (step + 1) / (step + 10)))
        if (step + 1) % 100 == 0:
            print(f"{step + 1} {loss.item():.4f}", flush=True)
        if time.monotonic() - saved > 60 or step + 1 == until:
            saved = time.monotonic()
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**state, "average": average, "step": step + 1}, run / "part")
            (run / "part").replace(run / NETWORK)


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
            functools.partial(refined_by, coarse=load(COARSE, device="cpu", runtime="torch")),
        )
        metrics, table = measure_refined(resolved, COARSE)
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
