"""Measure anew how a published weight runs: which runtimes agree, the ranges for int8 and what int8 costs.

    CARSEG_DATA=DIR python -m recipes.calibrate fpn-mobilenetv2-carparts

Needs ``carseg[openvino]``, and a processor that has bfloat16 if that is to be stated. The weights and their figures
stay as they are.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from statistics import median
from typing import Any

import typer

from carseg.data import Dataset, subsample
from carseg.data import load as open_data
from carseg.errors import require_extra
from carseg.evaluation import evaluate
from carseg.exporting import agreement, reference
from carseg.hub import Int8, ResolvedWeights, resolve
from carseg.images import Uint8Array
from carseg.inference import RAW, Preprocessor, Segmenter
from carseg.runtimes import FASTEST, OnnxRuntime, calibrate, keep_memory, onnx_model, runs_here, start_runtime
from recipes import recipe as recipes
from recipes.entering import WEIGHTS, describe, enter
from recipes.measure import FEW

CALIBRATING = 64  # training images


def main(name: str) -> None:
    keep_memory()
    require_extra("onnxruntime", "openvino", "int8")
    recipe, resolved = recipes.read(name), resolve(name)
    found = how_it_runs(resolved, recipe)
    info = replace(resolved.info, **found)
    describe(WEIGHTS / name, info, recipe.notes)
    enter(info)
    print(f"{name}: equal labels {found['runtimes']}; int8 loses {100 * found['int8'].miou_lost:.2f} points of mIoU, ")
    print(f"with seven bits {100 * found['int8'].miou_lost_seven_bits:.2f}")


def how_it_runs(resolved: ResolvedWeights, recipe: recipes.Recipe) -> dict[str, Any]:
    """Return the fields ``runtimes`` and ``int8`` of a ``ModelInfo``, the latter None without ONNX Runtime."""
    train, test = (open_data(recipe.data, split=split, labels=recipe.labels) for split in ("train", recipe.test))
    agreeing = measure_runtimes(resolved, [sample.load_image() for sample in subsample(train, FEW)])
    if not importlib.util.find_spec("onnxruntime"):
        return {"runtimes": agreeing, "int8": None}
    return {"runtimes": agreeing, "int8": measure_int8(resolved, train, test, recipe.int8_clip_fraction)}


def network_mask(segmenter: Segmenter, rgb: Uint8Array) -> Uint8Array:
    """Return the network's own mask of an image."""
    return segmenter.predict(rgb, **RAW).mask


def measure_runtimes(
    resolved: ResolvedWeights,
    images: Iterable[Uint8Array],
    mask_of: Callable[[Segmenter, Uint8Array], Uint8Array] = network_mask,
) -> dict[str, dict[str, float]]:
    """Return the ``agreement`` of every runtime and precision of this machine, as ``ModelInfo.runtimes`` states it.

    bfloat16 is left out where it gains no time, as with depthwise convolutions in torch.

    Args:
        resolved: the weights.
        images: RGB uint8 (H, W, 3).
        mask_of: returns what is compared.
    """
    exact = reference(resolved)
    started = {
        (name, precision): Segmenter(resolved.info, start_runtime(resolved, name, "cpu", precision, None))
        for name, precision in FASTEST
        if runs_here(name, precision)
    }
    pairs: dict[tuple[str, str], list[tuple[Uint8Array, Uint8Array]]] = {way: [] for way in started}
    times: dict[tuple[str, str], list[float]] = {way: [] for way in started}
    for rgb in images:  # each way in turn, so that other work on the machine slows all of them alike
        wanted = mask_of(exact, rgb)
        for way, segmenter in started.items():
            began = time.perf_counter()
            pairs[way].append((wanted, mask_of(segmenter, rgb)))
            times[way].append(time.perf_counter() - began)
    shares = {way: agreement(compared)[0] for way, compared in pairs.items()}
    seconds = {way: median(took) for way, took in times.items()}
    figures: dict[str, dict[str, float]] = {}
    for (name, precision), share in shares.items():
        if precision == "float32" or seconds[name, precision] < seconds[name, "float32"]:
            figures.setdefault(name, {})[precision] = math.floor(share * 1e5) / 1e5
    return figures


def measure_int8(resolved: ResolvedWeights, train: Dataset, test: Dataset, clip_fraction: float) -> Int8:
    """Return the ranges seen on training images, and the mIoU that int8 loses with them on ``test``.

    Args:
        resolved: the weights.
        train: images to see the ranges on.
        test: images to measure the loss on, for eight bits and for seven, whichever this processor uses.
        clip_fraction: share of the lowest and highest activations that int8 spans.
    """
    from carseg.runtimes import INPUT_PLACE, quantize

    images = (sample.load_image() for sample in subsample(train, CALIBRATING))
    seen = calibrate(resolved, map(Preprocessor(resolved.info.input), images)).ranges
    # Black and white are not rare in the input.
    fractions = {place: 1.0 if place == INPUT_PLACE else clip_fraction for place in seen}
    ranges = {place: (fractions[place] * low, fractions[place] * high) for place, (low, high) in seen.items()}
    model = onnx_model(resolved, "float32", "onnx", load=bytes)
    quantized = [quantize(model, ranges, seven_bits=fewer) for fewer in (False, True)]
    started = [OnnxRuntime(model, "float32"), *(OnnxRuntime(content, "int8", exact=True) for content in quantized)]
    exact, *found = (evaluate(Segmenter(resolved.info, runtime), test, boundary=False).miou for runtime in started)
    return Int8(ranges, *(round(exact - miou, 5) for miou in found))


if __name__ == "__main__":
    typer.run(main)
