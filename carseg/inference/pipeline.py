"""The three steps from an image to its result: preprocess, forward, postprocess.

``Segmenter.predict`` and ``stream`` are made of them, the windows of a tiled image, ``carseg.evaluate``, the
validation in training, the check of an export, and what ``carseg.benchmark`` times.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carseg._arrays import Float16Array, Float32Array, Uint8Array
from carseg.cars import car_labels, clean, consistent_sides
from carseg.errors import ClosedError, OptionError
from carseg.hub import InputSpec
from carseg.images import LoadedImage
from carseg.inference.alpha import log_odds
from carseg.inference.cars import WholeCars
from carseg.inference.options import Options
from carseg.inference.postprocess import certainty, class_scores, log_probabilities, to_mask, to_probabilities
from carseg.inference.preprocess import Prepared, Preprocessor
from carseg.inference.refiner import Refiner, check_edges
from carseg.inference.result import Result
from carseg.inference.sources import load_image
from carseg.labels import LabelSet
from carseg.runtimes import Runtime


class Pipeline:
    """A network with its preprocessing and postprocessing.

    Args:
        spec: the input that the network expects.
        labels: its classes.
        runtime: what runs it.
        name: its name, for results and errors.
        see_cars: a second network, which returns the pixels of cars in an image, bool (H, W), for ``Result.cars``.

    Attributes:
        name: the model's name.
        labels: its classes.
        preprocessor: turns an image into its input.
    """

    def __init__(
        self,
        spec: InputSpec,
        labels: LabelSet,
        runtime: Runtime,
        *,
        name: str = "",
        see_cars: Callable[[LoadedImage], NDArray[np.bool_]] | None = None,
    ) -> None:
        self.name = name
        self.see_cars = see_cars
        self.labels = labels
        self.preprocessor = Preprocessor(spec)
        self._runtime: Runtime | None = runtime

    @property
    def tells_cars(self) -> bool:
        """Whether its results have ``cars``."""
        return self.see_cars is not None or bool(car_labels(self.labels))

    def close(self) -> None:
        """Free the network. It cannot be used again; its results can.

        On a GPU, torch keeps the memory for other networks; ``torch.cuda.empty_cache()`` returns it to the system.
        """
        self._runtime = None
        vars(self).pop("refiner", None)

    @cached_property
    def refiner(self) -> Refiner:
        """The network that redraws outlines for ``edges="refined"``; loaded on first use."""
        return Refiner.start(self.runtime)

    @property
    def runtime(self) -> Runtime:
        """What runs the network.

        Raises:
            ClosedError: it was closed.
        """
        if self._runtime is None:
            raise ClosedError(f"{self.name} was closed: load it again, or close it only after its last image")
        return self._runtime

    def preprocess(self, image: Any, *, channels: str = "rgb") -> Prepared:
        """Read an image and return it with the network's input. This is the first of the three steps.

        Args:
            image: what ``predict`` takes, or a loaded image (``carseg.images.LoadedImage``).
            channels: as for ``predict``.

        Returns:
            ``image``, whose ``rgb`` is uint8 (H, W, 3), upright, and ``x``, float32 (3, h, w), resized and normalised
            for the network.

        Raises:
            ImageError: the image cannot be read.
            OptionError: ``channels`` is unknown, or "bgr" and the image not an array.
        """
        loaded = load_image(image, channels=channels)
        return Prepared(loaded, self.preprocessor(loaded))

    def forward(self, batch: Float32Array) -> Float32Array:
        """Return the network's logits for a batch of preprocessed images. This is the second of the three steps.

        Args:
            batch: float32 (N, 3, h, w); ``prepared.x[None]`` is a batch of one.

        Returns:
            float32 (N, classes, h', w'), unbounded, on the network's own grid, as fine as the input or coarser.

        Raises:
            OptionError: the batch has another shape or data type.
            ClosedError: the network was closed.
        """
        channels = self.preprocessor.spec.channels
        if batch.ndim != 4 or batch.shape[1] != channels or batch.dtype != np.float32:
            raise OptionError(
                f"forward takes a batch, float32 (N, {channels}, h, w), got {batch.dtype} {batch.shape}: give "
                "prepared.x[None], or np.stack of several x of one shape"
            )
        return self.runtime(np.ascontiguousarray(batch))

    def postprocess(
        self,
        logits: Float32Array,
        prepared: Prepared,
        *,
        sides: str = "consistent",
        threshold: float | None = None,
        min_area: float | None = None,
        return_probabilities: bool = False,
        edges: str = "network",
    ) -> Result:
        """Return the result of one image. This is the last of the three steps.

        Args:
            logits: float32 (classes, h', w'), those of one image in what ``forward`` returns.
            prepared: the image, as ``preprocess`` returned it.
            sides: as for ``predict``.
            threshold: as for ``predict``.
            min_area: as for ``predict``.
            return_probabilities: as for ``predict``.
            edges: as for ``predict``.

        Returns:
            The result. Its mask is uint8 (H, W), at the image's own size.

        Raises:
            OptionError: the logits have another shape, ``threshold`` or ``min_area`` is out of range, ``sides`` or
                ``edges`` has an unknown value, or the classes do not allow ``edges``.
        """
        options = Options(
            threshold=threshold, return_probabilities=return_probabilities, min_area=min_area, sides=sides, edges=edges
        )
        check_edges(edges, self.labels)
        if logits.ndim != 3 or len(logits) != len(self.labels):
            raise OptionError(
                f"postprocess takes the logits of one image, float32 ({len(self.labels)}, h, w), got {logits.shape}: "
                "give it one image's part of what forward returns"
            )
        image = prepared.image
        height, width = logits.shape[1:]
        if sides == "consistent":
            logits = consistent_sides(logits, self.labels)
        upsampling = self.preprocessor.inverse((height, width), image.size)
        mask = to_mask(logits, upsampling, threshold=threshold, background=self.labels.background)
        return to_result(
            self,
            image,
            mask,
            logits,
            options,
            scores=class_scores(logits, threshold=threshold),
            probabilities=to_probabilities(logits, upsampling) if return_probabilities else None,
        )


def to_result(
    pipeline: Pipeline,
    image: LoadedImage,
    mask: Uint8Array,
    logits: Float32Array,
    options: Options,
    *,
    scores: tuple[Float32Array, Float32Array],
    probabilities: Float16Array | None,
) -> Result:
    """Return the result of an image: its mask, cleaned, and how sure the network is of it.

    Args:
        pipeline: the network.
        image: the image.
        mask: uint8 (H, W), as the network gives it.
        logits: float32 (classes, h, w), on a grid that is stretched over the image.
        options: those of ``predict``.
        scores: what ``class_scores`` returns.
        probabilities: what the result is to keep of them.
    """
    labels = pipeline.labels
    min_area = labels.min_area if options.min_area is None else options.min_area
    chances = log_probabilities(logits)
    cleaned = partial(clean, background=labels.background, min_area=min_area, threshold=options.threshold)
    mask = cleaned(mask, chances)
    alpha = None
    if options.edges == "refined":
        redrawn, alpha = pipeline.refiner(image.rgb, mask, chances, labels)
        mask = cleaned(redrawn, chances)
        alpha = np.where(mask == redrawn, alpha, np.isin(mask, labels.foreground) * np.uint8(255))
    total, count = scores
    return Result(
        mask,
        labels,
        image,
        source=image.source,
        root=image.root,
        model=pipeline.name,
        frame=image.frame,
        time=image.time,
        scores=dict(enumerate((total / count).tolist())),
        certainty=certainty(chances, mask),
        odds=None if options.tile else log_odds(chances, labels.foreground),  # of windows the mask alone is exact
        alpha=alpha,
        probabilities=probabilities,
        whole=None if pipeline.see_cars is None else WholeCars(image, pipeline.see_cars),
    )


def finish(pipeline: Pipeline, logits: Float32Array, prepared: Prepared, options: Options) -> Result:
    """Return the result of an image that went through the network, as the options want it."""
    return pipeline.postprocess(
        logits,
        prepared,
        sides=options.sides,
        threshold=options.threshold,
        min_area=options.min_area,
        return_probabilities=options.return_probabilities,
        edges=options.edges,
    )
