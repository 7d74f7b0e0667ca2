"""Masks of JPEGs that are decoded at a part of their size beside those of the same files decoded in full.

    python -m benchmarks.decoding DATA/test --model parts --megapixels 2.5 --megapixels 12

Every labelled image is enlarged to so many megapixels and encoded anew; without ``--megapixels`` it stays as it is. The
masks are compared at the labels' own size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageFilter

import carseg
from carseg.data import Dataset, subsample
from carseg.data import load as load_data
from carseg.evaluation import Evaluation
from carseg.images import LoadedImage, decode, encode_jpeg
from carseg.inference import RAW, Prepared, Segmenter

_NEAR = 3  # pixels


@dataclass
class Found:
    """What was counted."""

    scales: Counter[int] = field(default_factory=Counter)
    pixels: int = 0
    other: int = 0
    near: int = 0  # of the others, those near a border between classes
    worst: float = 0.0

    def add(self, full: np.ndarray, scaled: np.ndarray) -> None:
        """Add the two masks of an image."""
        differs = full != scaled
        edges = np.zeros(full.shape, np.uint8)
        edges[1:] |= full[1:] != full[:-1]
        edges[:, 1:] |= full[:, 1:] != full[:, :-1]
        near = np.asarray(Image.fromarray(edges).filter(ImageFilter.MaxFilter(2 * _NEAR + 1)))
        self.pixels += differs.size
        self.other += int(differs.sum())
        self.near += int((differs & (near > 0)).sum())
        self.worst = max(self.worst, float(differs.mean()))


def compare(segmenter: Segmenter, data: Dataset, count: int, megapixels: float | None) -> None:
    """Print how the masks of so many images differ."""
    found = Found()
    scores = [Evaluation(segmenter.labels, boundary=False) for _ in range(2)]
    for truth, full, scaled in _masks(segmenter, subsample(data, count), megapixels, found):
        found.add(full, scaled)
        for evaluation, mask in zip(scores, (full, scaled), strict=True):
            evaluation.add(mask, truth)
    full_miou, scaled_miou = (evaluation.scores().miou for evaluation in scores)
    size = "their own size" if megapixels is None else f"{megapixels:g} megapixels"
    scales = ", ".join(f"1/{scale}: {number}" for scale, number in sorted(found.scales.items()))
    near = found.near / found.other if found.other else 1.0
    print(
        f"{segmenter.name}, {size} ({scales}): {1 - found.other / found.pixels:.3%} of the labels are equal, at worst "
        f"{1 - found.worst:.2%} of an image; {near:.0%} of the others are within {_NEAR} pixels of a border; mIoU "
        f"{full_miou:.4f} in full, {scaled_miou:.4f} scaled"
    )


def _masks(
    segmenter: Segmenter, samples: Dataset, megapixels: float | None, found: Found
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the labels of each image, its mask decoded in full, and decoded scaled."""
    for sample in samples:
        rgb, truth = sample.load()
        own = LoadedImage(rgb)
        jpeg = decode(encode_jpeg(_enlarged(rgb, megapixels)))
        scaled = jpeg.at_least(segmenter.preprocessor.input_size(jpeg.size)).rgb
        found.scales[round(jpeg.size[0] / scaled.shape[0])] += 1
        masks = []
        for image in (LoadedImage(jpeg.rgb), jpeg):
            x = segmenter.preprocess(image).x
            [logits] = segmenter.forward(x[None])
            masks.append(segmenter.postprocess(logits, Prepared(own, x), **RAW).mask)
        yield truth, masks[0], masks[1]


def _enlarged(rgb: np.ndarray, megapixels: float | None) -> np.ndarray:
    if megapixels is None:
        return rgb
    image = Image.fromarray(rgb)
    factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    return np.asarray(
        image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)
    )


def main(
    data: Annotated[str, typer.Argument(help="Labelled images.")],
    model: Annotated[list[str] | None, typer.Option("--model", "-m")] = None,
    megapixels: Annotated[list[float] | None, typer.Option(help="To enlarge the images to. Repeat.")] = None,
    count: Annotated[int, typer.Option(help="Images, spread over the data.")] = 30,
    hub: str | None = None,
) -> None:
    for name in model or ["parts"]:
        with carseg.load(name, hub=hub) as segmenter:
            images = load_data(data, labels=segmenter.labels)
            sizes: list[float | None] = [*megapixels] if megapixels else [None]
            for size in sizes:
                compare(segmenter, images, count, size)


if __name__ == "__main__":
    typer.run(main)
