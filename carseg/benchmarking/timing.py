"""The speed and cost of a network: time by part, images per second, memory, multiplications.

Time is end to end: from the encoded image in memory to the mask at the image's own size.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from carseg.evaluation import Progress
from carseg.hub import ModelInfo
from carseg.inference import RAW, Segmenter, load_image

PARTS = ("decode", "preprocess", "forward", "postprocess")
LARGEST_BATCH = 64
_FEWEST_RUNS = 10
_GAIN = 1.03  # a larger batch has to be faster by this much, or the search ends


def latency(segmenter: Segmenter, images: Sequence[bytes], seconds: float, progress: Progress) -> dict[str, float]:
    """Return milliseconds per image, one at a time, after each of the images was shown once.

    Args:
        segmenter: the network.
        images: encoded; gone through again and again.
        seconds: how long to measure, but at least ten images.
        progress: called with the work done and its total.

    Returns:
        ``ms_p50`` and ``ms_p95`` of the whole, and the medians ``ms_decode``, ``ms_preprocess``, ``ms_forward``,
        ``ms_postprocess`` of its parts.
    """
    for image in images:
        _timed(segmenter, image)
    runs: list[tuple[float, ...]] = []
    began = time.perf_counter()
    for image in itertools.cycle(images):
        runs.append(_timed(segmenter, image))
        spent = time.perf_counter() - began
        progress(round(100 * min(spent / seconds, len(runs) / _FEWEST_RUNS, 1)), 100)
        if spent >= seconds and len(runs) >= _FEWEST_RUNS:
            break
    times = np.array(runs) * 1000
    p50, p95 = np.percentile(times.sum(1), (50, 95))
    parts = {f"ms_{part}": float(ms) for part, ms in zip(PARTS, np.median(times, 0), strict=True)}
    return {"ms_p50": float(p50), "ms_p95": float(p95), **parts}


def _timed(segmenter: Segmenter, content: bytes) -> tuple[float, ...]:
    """Return the seconds of each part of ``Segmenter.predict``, which goes through the same steps."""
    marks = [time.perf_counter()]
    image = load_image(content)
    image.at_least(segmenter.preprocessor.input_size(image.size))  # decodes it, which preprocess would do otherwise
    marks.append(time.perf_counter())
    prepared = segmenter.preprocess(image)
    marks.append(time.perf_counter())
    [logits] = segmenter.forward(prepared.x[None])
    marks.append(time.perf_counter())
    segmenter.postprocess(logits, prepared, **RAW)
    marks.append(time.perf_counter())
    return tuple(after - before for before, after in itertools.pairwise(marks))


def throughput(segmenter: Segmenter, images: Sequence[bytes], seconds: float, progress: Progress) -> tuple[int, float]:
    """Return the fastest batch size and the images per second that it gives.

    Doubles the batch until that no longer helps, or memory runs out.

    Args:
        segmenter: the network.
        images: encoded; gone through again and again, decoded while the network works.
        seconds: how long to measure a batch size, but at least two batches.
        progress: called with the number of batch sizes that were measured, and that may be.
    """
    best, fastest, batch = 1, 0.0, 1
    while batch <= LARGEST_BATCH:
        progress(batch.bit_length() - 1, LARGEST_BATCH.bit_length())
        try:
            estimate = fastest or _rate(segmenter, images, batch, 2)
            rate = _rate(segmenter, images, batch, max(2 * batch, round(estimate * seconds)))
        except (MemoryError, RuntimeError):  # torch reports what does not fit as a RuntimeError
            if batch == 1:
                raise
            break
        if rate < _GAIN * fastest:
            break
        best, fastest, batch = batch, rate, 2 * batch
    return best, fastest


def _rate(segmenter: Segmenter, images: Sequence[bytes], batch: int, count: int) -> float:
    for _ in segmenter.stream(itertools.islice(itertools.cycle(images), batch), batch_size=batch, **RAW):
        pass
    count = -(-count // batch) * batch
    began = time.perf_counter()
    for _ in segmenter.stream(itertools.islice(itertools.cycle(images), count), batch_size=batch, **RAW):
        pass
    return count / (time.perf_counter() - began)


def count_gmacs(info: ModelInfo) -> float:
    """Return billions of multiply-adds in the convolutions and matrix products for one image of ``info.input.size``."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from carseg.hub import create_model

    with torch.device("meta"):  # shapes without numbers: takes neither time nor memory
        network = create_model(info.architecture, len(info.labels), in_channels=info.input.channels).eval()
        x = torch.empty(1, info.input.channels, *info.input.size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(x)
    return counter.get_total_flops() / 2e9


def peak_memory_mb(device: str) -> float:
    """Return the most memory this process has held so far, in MB: on CUDA what torch reserved there, else RAM."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_reserved(device) / 1e6
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's memory too: Linux hands it on through fork and exec
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:  # Windows has no such figure in the standard library
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
