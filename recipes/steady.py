"""Measure what smoothing over time does to flicker, to moving edges and to mIoU, on clips whose truth is known.

    CARSEG_DATA=DIR python -m recipes.steady                    4 clips of each kind and network
    CARSEG_DATA=DIR python -m recipes.steady camvid --count 2   2 still scenes and 2 pans over its images

The clips are those of ``recipes/clips.py``, of images, cars and streets that no training has used. Flicker is the share
of pixels that change their class between two frames of the same thing. Of the pixels that the edge of a passing car has
just reached or left, and that the network alone has right at once, printed is how many the average has right at once,
and how many one frame later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from carseg.data import Dataset, split_train_val
from carseg.data import load as open_data
from carseg.evaluation import Evaluation, class_iou
from carseg.inference import RAW, Segmenter, Smoother, load
from carseg.labels import LabelSet
from recipes.clips import Shot, pan, passing, still
from recipes.recipe import data_root
from recipes.scenes import cut, street_images

SETS = ["carvana", "camvid", "bdd", "carparts"]
FRAMES = 12

Masks = npt.NDArray[np.uint8]  # (frames, H, W)
Clip = list[Shot]


def both_ways(segmenter: Segmenter, shots: Clip) -> tuple[Masks, Masks]:
    """Return the masks of a clip's frames, each by itself and averaged over time."""
    smoother, alone, average = Smoother(), [], []
    for shot in shots:
        prepared = segmenter.preprocess(shot.rgb)
        [logits] = segmenter.forward(prepared.x[None])
        alone.append(segmenter.postprocess(logits, prepared, **RAW).mask)
        average.append(segmenter.postprocess(smoother(logits, prepared.image), prepared, **RAW).mask)
    return np.stack(alone), np.stack(average)


def flicker(shots: Clip, masks: Masks) -> float:
    """Return the share of pixels that change their class between two frames of the same thing."""
    changed = same = 0
    for number, shot in enumerate(shots[1:], 1):
        for region, (down, right) in shot.same:
            y, x = np.nonzero(region)
            there = (y >= down) & (y < down + len(region)) & (x >= right) & (x < right + region.shape[1])
            y, x = y[there], x[there]
            changed += int(np.count_nonzero(masks[number, y, x] != masks[number - 1, y - down, x - right]))
            same += y.size
    return changed / same


def on_time(shots: Clip, alone: Masks, average: Masks) -> tuple[float, float]:
    """Return of the pixels that an edge has just passed, and the network has right alone, the share that the average
    has right at once, and the share one frame later.
    """
    at_once, later = [], []
    for number in range(1, len(shots) - 1):
        before, now, after = (shot.truth for shot in shots[number - 1 : number + 2])
        passed = (before != now) & (now == after) & (alone[number] == now) & (alone[number + 1] == now)
        at_once.append(average[number][passed] == now[passed])
        later.append(average[number + 1][passed] == now[passed])
    return float(np.concatenate(at_once).mean()), float(np.concatenate(later).mean())


def miou(clips: Sequence[Clip], masks: Sequence[Masks], labels: LabelSet) -> float:
    """Return the mean IoU over all frames of clips."""
    evaluation = Evaluation(labels, boundary=False)
    for shots, its in zip(clips, masks, strict=True):
        for shot, mask in zip(shots, its, strict=True):
            evaluation.add(mask, shot.truth)
    return float(class_iou(evaluation.confusions().sum(0))[1])


def images_of(name: str) -> Dataset:
    """Return the validation images of a data set."""
    if name == "carparts":
        return split_train_val(open_data(data_root() / name, split="train", labels=name), 0.15, 0)[1]
    return open_data(data_root() / name, split="val", labels=name)


def clips_of(images: Dataset, count: int, make: Callable[..., Iterator[Shot]]) -> list[Clip]:
    """Return clips of some images of a data set."""
    chosen = [images[place * len(images) // count] for place in range(count)]
    return [list(make(*sample.load(), FRAMES, np.random.default_rng(seed))) for seed, sample in enumerate(chosen)]


def passing_clips(images: Dataset, count: int) -> list[Clip]:
    """Return clips of some cars of a data set that drive across streets."""
    clips = []
    for seed, street in enumerate(islice(street_images(held_out=True), 0, 5 * count, 5)):
        rgb, labels = images[seed * len(images) // count].load()
        clips.append(list(passing(street, cut(rgb, labels > 0), FRAMES, np.random.default_rng(seed))))
    return clips


def report(what: str, name: str, clips: list[Clip]) -> None:
    """Print the figures of a network's clips."""
    segmenter = load(name, runtime="torch")
    alone, average = zip(*(both_ways(segmenter, shots) for shots in clips), strict=True)
    changes = [np.mean([flicker(*each) for each in zip(clips, its, strict=True)]) for its in (alone, average)]
    line = f"{what:8}{name:28}flicker {changes[0]:.3%} -> {changes[1]:.3%} ({changes[1] / changes[0] - 1:+.0%})"
    quality = [miou(clips, its, segmenter.labels) for its in (alone, average)]
    line += f"   mIoU {quality[0]:.4f} -> {quality[1]:.4f}"
    if clips[0][0].cars:
        at_once, later = np.mean([on_time(*each) for each in zip(clips, alone, average, strict=True)], 0)
        line += f"   edges on time {at_once:.1%}, one frame later {later:.1%}"
    print(line, flush=True)


def main(sets: Annotated[list[str] | None, typer.Argument(help=", ".join(SETS))] = None, count: int = 4) -> None:
    for name in sets or SETS:
        images, network = images_of(name), f"fpn-mobilenetv2-{name}"
        if name == "carvana":
            report("passing", network, passing_clips(images, count))
            continue
        for what, make in (("still", still), ("pan", pan)):
            report(what, network, clips_of(images, count, make))


if __name__ == "__main__":
    typer.run(main)
