"""The check of an exported network: it must give the labels of torch in float32, or lose little."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from carseg._arrays import Uint8Array
from carseg.errors import ExportError, ImageError, ImageNotFoundError, excerpt
from carseg.evaluation import evaluate
from carseg.hub import ModelInfo
from carseg.inference import RAW, Segmenter, find_images, is_video, load_image
from carseg.runtimes import AGREEMENT, cpu

if TYPE_CHECKING:
    from carseg.data import Dataset
    from carseg.hub import ResolvedWeights

INT8_AGREEMENT = 0.99
INT8_LOSS = 0.005  # of mIoU
_MOST_IMAGES = 64  # to compare on or calibrate with, spread over those that are given
_GENERATED = 8


def agreement(masks: Iterable[tuple[Uint8Array, Uint8Array]]) -> tuple[float, int]:
    """Return the share of pixels with the same label in two masks of the same image, and the number of images."""
    equal, total = [], []
    for one, other in masks:
        equal.append(int(np.count_nonzero(one == other)))
        total.append(one.size)
    return sum(equal) / sum(total), len(total)


def reference(resolved: ResolvedWeights) -> Segmenter:
    """Return the network as it was trained: torch in float32 on the CPU, nothing fused."""
    import torch

    from carseg.runtimes import TorchRuntime, read_network

    return Segmenter(resolved.info, TorchRuntime(read_network(resolved), torch.device("cpu"), "float32"))


def comparison_images(source: Any) -> list[Any]:
    """Return some of the images of a folder or pattern, spread over it; generated ones for None."""
    if source is None:
        from carseg.images import synthetic_images

        return list(synthetic_images(_GENERATED))
    found = [image for image in find_images(source) if not is_video(image)]
    if not found:
        raise ImageNotFoundError(f"{excerpt(str(source))}: it holds only videos, and no images")
    return found[:: -(-len(found) // _MOST_IMAGES)]


def decoded(images: list[Any]) -> Iterator[Uint8Array]:
    """Yield the images that can be read, RGB uint8 (H, W, 3); raise ImageError if none can."""
    broken: list[ImageError] = []
    for image in images:
        try:
            rgb = load_image(image).rgb
        except ImageError as error:
            broken.append(error)
        else:
            yield rgb
    if len(broken) == len(images):
        raise ImageError(f"there is no image to compare or calibrate with: {broken[0]}")


def published_agreement(info: ModelInfo) -> tuple[str, float, int] | None:
    """Return the published cost of int8 as ``compare`` would; None where none was published.

    Raises:
        ExportError: it costs too much on this processor.
    """
    if info.int8 is None or not info.metrics:
        return None
    lost = info.int8.miou_lost if cpu.native_int8() else info.int8.miou_lost_seven_bits
    if lost > INT8_LOSS:
        raise ExportError(f"int8 loses {lost:.4f} of mIoU; at most {INT8_LOSS} may be lost: export float32")
    return "mIoU lost", lost, info.metrics[0].images


def compare(
    exact: Segmenter, candidate: Segmenter, precision: str, images: list[Any], data: Dataset | None
) -> tuple[str, float, int]:
    """Return the name of the figure, its value and the number of images it was measured on.

    Raises:
        ExportError: the value is too bad.
        DataError: ``data`` has other classes than the network, no labels, or images that cannot be used.
    """
    if precision == "int8" and data is not None:
        before, after = (evaluate(segmenter, data, boundary=False).miou for segmenter in (exact, candidate))
        if before - after > INT8_LOSS:
            raise ExportError(
                f"int8 has mIoU {after:.4f} on {len(data)} images where float32 has {before:.4f}; at most "
                f"{INT8_LOSS} may be lost: calibrate with more images like these, or export float32"
            )
        return "mIoU lost", before - after, len(data)
    masks = ((exact.predict(rgb, **RAW).mask, candidate.predict(rgb, **RAW).mask) for rgb in decoded(images))
    share, count = agreement(masks)
    least = INT8_AGREEMENT if precision == "int8" else AGREEMENT
    if share < least:
        raise ExportError(
            f"only {share:.3%} of the labels on {count} images agree with torch in float32, and "
            f"{least:.1%} have to: nothing was exported"
        )
    return "agreement", share, count
