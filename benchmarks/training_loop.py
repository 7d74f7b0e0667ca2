"""carseg's training loop beside a plain PyTorch one: the same U-Net, images, batches and number of threads.

    CARSEG_DATA=DIR python -m benchmarks.training_loop
    python -m benchmarks.training_loop --size 320x480 --batch-size 2 --rounds 5      # generated images

The plain loop is what public U-Net projects have: float32, NCHW, images decoded and resized by PIL inside the loop,
Adam, cross-entropy. carseg's is `carseg.training.fit` as `carseg finetune` runs it: images cached once, channels
last, bfloat16 where the processor has it, memory kept by the allocator. Neither augments. Each loop has a process of
its own, as the allocator's setting is one of the process; they take turns, so that both meet the same load of the
machine. A first round warms up; printed are the medians of the others.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from benchmarks.turns import Workers, answer

Job = dict[str, Any]
Loop = Callable[[], dict[str, Any]]  # one round: {"images_per_s": ..., "data_share": ..., "precision": ...}


def main(
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH of what the network sees")] = "160x240",
    batch_size: int = 4,
    steps: Annotated[int, typer.Option(help="steps per round")] = 2,
    rounds: int = 5,
) -> None:
    height, width = map(int, re.fullmatch(r"(\d+)x(\d+)", size).groups())  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory() as scratch:
        images = find_images(Path(scratch), batch_size * steps)
        job: Job = {"data": str(images), "scratch": scratch, "size": [height, width]}
        job |= {"batch_size": batch_size, "steps": steps}
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in LOOPS}
        with Workers("benchmarks.training_loop") as workers:
            for name in LOOPS:
                workers.start(name, {**job, "loop": name})
            for number in range(rounds + 1):
                for name in LOOPS:
                    result = workers.ask(name, "round")
                    if number:
                        results[name].append(result)
                        print(f"round {number}: {name} {result['images_per_s']:.3f} images/s", file=sys.stderr)
    print(f"U-Net, {height}x{width}, batches of {batch_size}, {rounds} rounds of {steps} steps")
    speed = {name: median(r["images_per_s"] for r in found) for name, found in results.items()}
    for name, found in results.items():
        share = median(r["data_share"] for r in found)
        print(
            f"{name:7} {speed[name]:8.3f} images/s, {share:6.2%} of the time waiting for data "
            f"({found[0]['precision']}, {found[0]['threads']} threads)"
        )
    ratios = [c["images_per_s"] / p["images_per_s"] for c, p in zip(results["carseg"], results["plain"], strict=True)]
    print(f"ratio   {median(ratios):8.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def find_images(scratch: Path, count: int) -> Path:
    """Return a folder with images/*.jpg and masks/*.png: Carvana's in their own size, or generated ones."""
    if "CARSEG_DATA" in os.environ:
        return Path(os.environ["CARSEG_DATA"]) / "carvana" / "test"
    import numpy as np
    from PIL import Image

    from carseg.images import synthetic_images

    folder = scratch / "generated"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number, content in enumerate(synthetic_images(count, (1280, 1918))):
        (folder / "images" / f"{number}.jpg").write_bytes(content)
        mask = np.zeros((1280, 1918), np.uint8)
        mask[400:900, 100 * (number % 8) : 900 + 100 * (number % 8)] = 1
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return folder


def plain_loop(job: Job) -> Loop:
    """Return a round of training as public projects do it."""
    import numpy as np
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    from carseg import create_model

    height, width = job["size"]

    class Images(Dataset[tuple[torch.Tensor, torch.Tensor]]):
        def __init__(self, names: list[str]) -> None:
            self.names = names

        def __len__(self) -> int:
            return len(self.names)

        def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
            folder, name = Path(job["data"]), self.names[i]
            image = Image.open(folder / "images" / f"{name}.jpg").convert("RGB").resize((width, height))
            mask = Image.open(folder / "masks" / f"{name}.png").resize((width, height), Image.Resampling.NEAREST)
            x = torch.from_numpy(np.asarray(image).transpose(2, 0, 1) / np.float32(255))
            return x, torch.from_numpy(np.array(mask)).long()

    torch.manual_seed(0)
    network = create_model("unet", 2)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    loss_of = torch.nn.CrossEntropyLoss(ignore_index=255)
    loader = DataLoader(Images(_names(job)), batch_size=job["batch_size"], shuffle=True)

    def run() -> dict[str, Any]:
        network.train()
        waited, began = 0.0, time.perf_counter()
        batches, asked = iter(loader), began
        for _ in range(job["steps"]):
            x, target = next(batches)
            waited += time.perf_counter() - asked
            optimizer.zero_grad()
            loss = loss_of(network(x)[0], target)
            loss.backward()
            optimizer.step()
            loss.item()
            asked = time.perf_counter()
        spent = time.perf_counter() - began
        speed = job["steps"] * job["batch_size"] / spent
        return {"images_per_s": speed, "data_share": waited / spent, "precision": "float32, NCHW"}

    return run


def carseg_loop(job: Job) -> Loop:
    """Return a round of training as ``carseg finetune`` does it; the figures are those of its log."""
    from dataclasses import replace

    from carseg import TrainingConfig
    from carseg.data import load as open_data
    from carseg.hub import InputSpec
    from carseg.labels import LABEL_SETS
    from carseg.runtimes import keep_memory
    from carseg.training import fit, read_log, start_network

    keep_memory()
    labels, run_folder = LABEL_SETS["carvana"], Path(job["scratch"]) / "run"
    run_folder.mkdir()
    data = open_data(job["data"], labels=labels)
    data = data.subset(_names(job), "train")
    config = TrainingConfig(
        epochs=1, batch_size=job["batch_size"], lr=1e-4, loss="ce", optimizer="adam", augment="none"
    )
    network, provenance, _ = start_network("unet", labels, config)
    spec = InputSpec(tuple(job["size"]), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    provenance = replace(provenance, input=spec)

    def run() -> dict[str, Any]:
        fit(network, provenance, data, None, run_folder, config)
        row = read_log(run_folder)[-1]
        return {key: row[key] for key in ("images_per_s", "data_share")} | {"precision": "as finetune, channels last"}

    return run


def _names(job: Job) -> list[str]:
    names = sorted(path.stem for path in (Path(job["data"]) / "images").glob("*.jpg"))
    return names[: job["batch_size"] * job["steps"]]


LOOPS = {"plain": plain_loop, "carseg": carseg_loop}


def _work(job: Job) -> None:
    """Answer every question with the figures of a round."""
    import torch

    run = LOOPS[job["loop"]](job)
    answer(lambda _: run() | {"threads": torch.get_num_threads()})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        _work(json.loads(sys.argv[2]))
    else:
        typer.run(main)
