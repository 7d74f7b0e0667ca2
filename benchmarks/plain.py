"""A network as its public reference would be run: PyTorch eagerly in float32, PIL before, full-size logits after.

python -m benchmarks.plain MODEL HUB FOLDER OUT      # masks of a folder's images, one after another
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from carseg.hub import ResolvedWeights, resolve
from carseg.runtimes import read_network


def plain_predict(resolved: ResolvedWeights) -> Callable[[Path | IO[bytes]], np.ndarray]:
    """Return a function from an encoded image to its mask, uint8 (H, W)."""
    network = read_network(resolved)
    spec = resolved.info.input
    mean, std = (torch.tensor(values)[:, None, None] for values in (spec.mean, spec.std))
    height, width = spec.size

    @torch.no_grad()
    def predict(file: Path | IO[bytes]) -> np.ndarray:
        image = Image.open(file).convert("RGB")
        pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)).astype(np.float32)
        pixels /= pixels.max() if spec.scale == "max" else 255
        x = ((torch.from_numpy(pixels).permute(2, 0, 1) - mean) / std)[None]
        logits = F.interpolate(network(x), size=image.size[::-1], mode="bilinear", align_corners=False)
        return logits.argmax(1)[0].numpy().astype(np.uint8)

    return predict


def main(model: str, place: str, folder: str, out: str) -> None:
    predict = plain_predict(resolve(model, hub=place or None))
    Path(out).mkdir(parents=True)
    for path in sorted(Path(folder).iterdir()):
        Image.fromarray(predict(path)).save(Path(out, f"{path.stem}.png"))


if __name__ == "__main__":
    main(*sys.argv[1:])
