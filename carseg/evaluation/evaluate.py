"""Evaluation of a model, or of a network in training, on a data set: the one loop that fills an ``Evaluation``."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from carseg._arrays import Uint8Array
from carseg.data import Dataset, Sample
from carseg.data import load as load_dataset
from carseg.errors import CarsegError, DataError, OptionError
from carseg.evaluation.metrics import Evaluation, Scores
from carseg.hub import InputSpec
from carseg.images import enough_memory
from carseg.inference import RAW, Pipeline, Prepared, Segmenter, load, prefetch

if TYPE_CHECKING:
    import torch

    from carseg.architectures import Network

_log = logging.getLogger("carseg")

Progress = Callable[[int, int], None]  # (done, of how many)


def evaluate(
    model: Segmenter | str | os.PathLike[str],
    dataset: Dataset | str | os.PathLike[str],
    *,
    merge: Mapping[str, str] | None = None,
    boundary: bool = True,
    background_images: bool = False,
    line_width: float | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Return the scores of the network's own masks, ``predict(..., sides="raw", min_area=0)``, on labelled images.

    Args:
        model: the model, or what ``carseg.load`` takes: a name, or the folder of a fine-tuned network.
        dataset: labelled images under the model's label set, or the path of one split, such as DIR/val; see
            ``carseg.data.load``.
        merge: class name to new class name; classes with the same new name count as one, see
            ``carseg.evaluation.Evaluation``.
        boundary: also measure the boundary F1, which takes several times as long as all other figures.
        background_images: as for ``carseg.data.load``, like ``line_width``, if ``dataset`` is a path.
        progress: called with the number of images evaluated so far and their total.

    Raises:
        DataError: the data set has other classes than the model, no images, or no labelled pixel; or some of its
            images cannot be used. ``dataset.verified(skip_bad=True)`` leaves these out.
        ImageError: an image cannot be read.
        UnknownNameError: the model does not exist, or ``merge`` names a class that it does not have.
        OptionError: ``background_images`` or ``line_width`` is given for an open data set, or for a format that does
            not have it.
    """
    segmenter = load(model) if isinstance(model, (str, os.PathLike)) else model
    if isinstance(dataset, (str, os.PathLike)):
        asked: dict[str, Any] = {"background_images": background_images, "line_width": line_width}
        dataset = load_dataset(dataset, labels=segmenter.labels, **asked)
    elif background_images or line_width is not None:
        raise OptionError("background_images and line_width are for a folder: open the data set with them")
    evaluation = Evaluation(segmenter.labels, boundary=boundary, merge=merge)
    add_predictions([evaluation], segmenter, dataset, progress=progress)
    scores = evaluation.scores()
    if not scores.pixels:
        raise DataError(
            f"no pixel of the {len(dataset)} images of {_name(dataset)} has a label, so nothing can be measured: "
            "evaluate on labelled images"
        )
    measured = [name for name, iou in scores.per_class.items() if not math.isnan(iou)]
    if len(measured) == 1:
        _log.warning("%s holds one class only, %s: its mIoU is the IoU of that alone", _name(dataset), measured[0])
    return scores


def add_predictions(
    evaluations: Sequence[Evaluation], segmenter: Segmenter, dataset: Dataset, *, progress: Progress | None = None
) -> None:
    """Add what ``evaluate`` sees of a data set, the network's own masks, to evaluations that tell more than ``scores``.

    Args:
        evaluations: of the model's label set, merged or not; each image is predicted once for all.
        segmenter: the model.
        dataset: labelled images under the model's label set.
        progress: see ``evaluate``.

    Raises:
        DataError: the data set has other classes than the model, or no image, or some cannot be used; all are named.
    """
    _check(segmenter, dataset)
    try:
        _add(evaluations, segmenter, dataset, progress)
    except CarsegError:
        dataset.verified()  # raises as well, but names every broken file
        raise


def evaluate_network(network: Network, data: Dataset, spec: InputSpec, device: torch.device) -> Scores:
    """Return the scores of a network on a data set, without the boundary F1, which takes longer than the network.

    Args:
        network: the network, which is put into evaluation mode and moved to the device.
        data: labelled images; their label set is the network's.
        spec: the input that the network expects.
        device: the device to run on, in float32.
    """
    from carseg.runtimes import TorchRuntime

    pipeline = Pipeline(spec, data.labels, TorchRuntime(network, device, "float32"))
    evaluation = Evaluation(data.labels, boundary=False)
    _add([evaluation], pipeline, data)
    return evaluation.scores()


def _add(
    evaluations: Sequence[Evaluation], pipeline: Pipeline, dataset: Dataset, progress: Progress | None = None
) -> None:
    """Add the network's own masks of images that threads read and preprocess ahead of it."""

    def read(sample: Sample) -> tuple[Prepared, Uint8Array]:
        image = sample.open_image()
        return pipeline.preprocess(image), sample.load_mask(*image.size)

    for done, (prepared, truth) in enumerate(prefetch(read, dataset), start=1):
        with enough_memory(prepared.image.source or "an image"):
            [logits] = pipeline.forward(prepared.x[None])
            mask = pipeline.postprocess(logits, prepared, **RAW).mask
        for evaluation in evaluations:
            evaluation.add(mask, truth)
        if progress is not None:
            progress(done, len(dataset))


def _check(segmenter: Segmenter, dataset: Dataset) -> None:
    own, expected = dataset.labels, segmenter.labels
    if own.classes != expected.classes:
        raise DataError(
            f"{_name(dataset)} has the classes {', '.join(own.classes)}, the model has {', '.join(expected.classes)}: "
            "if the names agree, open it with carseg.data.load(path, labels=model.labels), else map each class to one "
            "of the model's, or to 'ignore', with carseg.data.remap_classes(dataset, model.labels, "
            f"{{{own.classes[0]!r}: ...}})"
        )
    if dataset.problems:
        dataset.verified()  # raises: figures of only some images would mislead
    if not len(dataset):
        raise DataError(f"{_name(dataset)} holds no image, so nothing can be measured: evaluate on labelled images")


def _name(dataset: Dataset) -> str:
    return f"{dataset.name} {dataset.split}".strip()
