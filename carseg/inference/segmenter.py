"""A network with its weights, ready to be given images."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self, overload

import numpy as np

from carseg._arrays import Float16Array, Float32Array, Uint8Array
from carseg.errors import CarsegError, ClosedError, OptionError
from carseg.hub import ModelInfo, licence_notice, resolve
from carseg.images import LoadedImage
from carseg.inference.postprocess import class_scores, to_mask, to_probabilities
from carseg.inference.prefetch import prefetch
from carseg.inference.preprocess import preprocess
from carseg.inference.result import Result
from carseg.inference.sources import find_images, load_image
from carseg.inference.tiles import tiles
from carseg.labels import LabelSet
from carseg.runtimes import Runtime, start_runtime

_log = logging.getLogger("carseg")


def load(
    name: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    hub: str | os.PathLike[str] | None = None,
    device: str = "auto",
    runtime: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
) -> Segmenter:
    """Return a trained network by name, downloaded if it has to be.

    Args:
        name: one of ``carseg.list_models()``, a name that the given hub has, or the folder of a fine-tuned network.
        weights: a safetensors file, or a folder with one and its ``config.json``, to use instead of the published one;
            a ``config.json`` beside the file states its network and classes.
        hub: where to look first: a folder, an ``http(s)://`` base or ``hf://ORG/REPO@COMMIT``; also ``CARSEG_HUB``.
        device: auto, cpu, cuda, cuda:N, mps.
        runtime: auto, torch, openvino, onnx.
        precision: auto, float32, bfloat16 (the last convolution, and the first stage of FCN, DeepLabv3 and
            DeepLabv3+, stay in float32), int8.
        threads: CPU threads of the network; torch's number is process-wide, so it changes for the caller too.

    Raises:
        UnknownNameError: no such model.
        HubError: its weights cannot be had.
        WeightsError: its weights are corrupt, or made for another network.
        OptionError: no such device, runtime or precision.
    """
    resolved = resolve(name, weights=weights, hub=hub)
    if notice := licence_notice(resolved.info):
        _log.warning(notice)
    return Segmenter(resolved.info, start_runtime(resolved, runtime, device, precision, threads))


class Segmenter:
    """A network that turns images into results; ``load`` makes one.

    Calling it is ``predict``. Several threads may use one at once: each gets what it would get alone. ``close``, or the
    end of a ``with`` block, frees the network.

    Attributes:
        info: everything known about the weights.
    """

    def __init__(self, info: ModelInfo, runtime: Runtime) -> None:
        self.info = info
        self._runtime: Runtime | None = runtime

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the network, which cannot be used again; results stay.

        On a GPU torch keeps the memory for other networks; ``torch.cuda.empty_cache()`` gives it back to the system.
        """
        self._runtime = None

    @property
    def runtime(self) -> Runtime:
        """What runs the network.

        Raises:
            ClosedError: it was closed.
        """
        if self._runtime is None:
            raise ClosedError(f"{self.name} was closed: load it again, or close it only after its last image")
        return self._runtime

    @property
    def name(self) -> str:
        """The model's name."""
        return self.info.name

    @property
    def labels(self) -> LabelSet:
        """The classes it tells apart."""
        return self.info.labels

    def __repr__(self) -> str:
        runtime = self._runtime
        how = f"{runtime.name} {runtime.precision} on {runtime.device}" if runtime else "closed"
        return f"Segmenter({self.name!r}, {len(self.labels)} classes, {how})"

    def predict(
        self,
        image: Any,
        *,
        channels: str = "rgb",
        tile: int | None = None,
        threshold: float | None = None,
        return_probabilities: bool = False,
    ) -> Result:
        """Segment one image.

        Args:
            image: a path, URL, bytes, file object, PIL image, numpy array (H, W, 3) uint8 or torch tensor (3, H, W),
                uint8 or float in 0..1; see ``carseg.images.decode``.
            channels: "rgb", or "bgr" for a numpy array as OpenCV makes it; nothing else can be "bgr".
            tile: cut the image into overlapping windows of so many pixels a side and show the network one after
                another, each as it would see a whole image: for small things in large images.
            threshold: 0..1; pixels whose class has a lower probability become background (255 where there is no such
                class).
            return_probabilities: keep ``Result.probabilities``; they take 2 bytes per class and pixel, for 19 classes
                and 12 megapixels 460 MB.

        Returns:
            The result; its mask has the image's own size, upright.

        Raises:
            ImageError: the image cannot be read.
            OptionError: ``tile`` or ``threshold`` is out of range, or ``channels`` is "bgr" and the image no array.
            ClosedError: the network was closed.
        """
        settings = _Settings(channels, tile, threshold, return_probabilities)
        [result] = self._segment([self._prepare(image, settings)], settings)
        return result

    __call__ = predict

    @overload
    def stream(
        self,
        sources: Any,
        *,
        batch_size: int | None = None,
        channels: str = "rgb",
        tile: int | None = None,
        threshold: float | None = None,
        return_probabilities: bool = False,
        on_error: Literal["raise"] = "raise",
    ) -> Iterator[Result]: ...

    @overload
    def stream(
        self,
        sources: Any,
        *,
        batch_size: int | None = None,
        channels: str = "rgb",
        tile: int | None = None,
        threshold: float | None = None,
        return_probabilities: bool = False,
        on_error: str,
    ) -> Iterator[Result | CarsegError]: ...

    def stream(
        self,
        sources: Any,
        *,
        batch_size: int | None = None,
        channels: str = "rgb",
        tile: int | None = None,
        threshold: float | None = None,
        return_probabilities: bool = False,
        on_error: str = "raise",
    ) -> Iterator[Result] | Iterator[Result | CarsegError]:
        """Segment many images lazily, in order; memory does not grow with their number.

        Args:
            sources: a folder (with its sub-folders), a glob pattern, or an iterable of what ``predict`` takes. It is
                read a few images ahead: an array must not be written to again once it has been handed over.
            batch_size: images that go through the network together; None takes what suits the device.
            channels: as for ``predict``.
            tile: as for ``predict``.
            threshold: as for ``predict``.
            return_probabilities: as for ``predict``.
            on_error: "raise", or "yield" to get the exception, whose ``source`` is the image, in the result's place.

        Raises:
            ImageNotFoundError: there is no such folder or file, or the folder or pattern holds no image.
            ClosedError: the network was closed.
        """
        if on_error not in ("raise", "yield"):
            raise OptionError(f"on_error must be 'raise' or 'yield', got {on_error!r}")
        if batch_size is not None and batch_size < 1:
            raise OptionError(f"batch_size must be at least 1, got {batch_size}")
        settings = _Settings(channels, tile, threshold, return_probabilities)
        return self._stream(find_images(sources), batch_size or self.runtime.batch_size, settings, on_error)

    def _stream(
        self, sources: Iterable[Any], batch_size: int, settings: _Settings, on_error: str
    ) -> Iterator[Result | CarsegError]:
        def prepare(source: Any) -> _Prepared | CarsegError | _Stopped:
            if isinstance(source, _Stopped):
                return source
            try:
                return self._prepare(source, settings)
            except CarsegError as error:
                error.source = source
                return error

        batch: list[_Prepared] = []
        for prepared in prefetch(prepare, _to_the_end(sources), batch_size + 2):
            failed = not isinstance(prepared, _Prepared)
            if batch and (failed or len(batch) == batch_size or prepared.x.shape != batch[0].x.shape):
                yield from self._segment(batch, settings)
                batch = []
            if not failed:
                batch.append(prepared)
            elif isinstance(prepared, _Stopped):
                raise prepared.error
            elif on_error == "yield":
                yield prepared
            else:
                raise prepared
        if batch:
            yield from self._segment(batch, settings)

    def _prepare(self, source: Any, settings: _Settings) -> _Prepared:
        image = load_image(source, channels=settings.channels)
        if settings.tile is None:
            return _Prepared(image, preprocess(image.rgb, self.info.input))
        return _Prepared(image, np.empty(0, np.float32))

    def _segment(self, batch: list[_Prepared], settings: _Settings) -> Iterator[Result]:
        if settings.tile is not None:
            for prepared in batch:
                yield self._segment_tiles(prepared.image, settings.tile, settings)
            return
        for prepared, logits in zip(batch, self.runtime(np.stack([prepared.x for prepared in batch])), strict=True):
            size = prepared.image.rgb.shape[:2]
            mask = to_mask(logits, size, threshold=settings.threshold, background=self.labels.background)
            probabilities = to_probabilities(logits, size) if settings.return_probabilities else None
            scores = class_scores(logits, threshold=settings.threshold)
            yield self._result(prepared.image, mask, probabilities, *scores)

    def _segment_tiles(self, image: LoadedImage, side: int, settings: _Settings) -> Result:
        size = image.rgb.shape[:2]
        mask = np.empty(size, np.uint8)
        probabilities = np.empty((len(self.labels), *size), np.float16) if settings.return_probabilities else None
        total, count = np.zeros((2, len(self.labels)), np.float32)
        for tile in tiles(size, side):
            top, left, bottom, right = tile.window
            window = image.rgb[top:bottom, left:right]
            logits = self.runtime(preprocess(window, self.info.input)[None])[0]
            y0, x0, y1, x1 = tile.keep
            kept = np.s_[..., y0 - top : y1 - top, x0 - left : x1 - left]
            labels = to_mask(logits, window.shape[:2], threshold=settings.threshold, background=self.labels.background)
            mask[y0:y1, x0:x1] = labels[kept]
            if probabilities is not None:
                probabilities[:, y0:y1, x0:x1] = to_probabilities(logits, window.shape[:2])[kept]
            tile_total, tile_count = class_scores(logits, threshold=settings.threshold)
            total, count = total + tile_total, count + tile_count
        return self._result(image, mask, probabilities, total, count)

    def _result(
        self,
        image: LoadedImage,
        mask: Uint8Array,
        probabilities: Float16Array | None,
        total: Float32Array,
        count: Float32Array,
    ) -> Result:
        scores = {label: float(mean) for label, mean in enumerate(total / count)}
        return Result(
            mask,
            self.labels,
            image.rgb,
            source=image.source,
            model=self.name,
            scores=scores,
            probabilities=probabilities,
        )


@dataclass(frozen=True)
class _Settings:
    """The options of ``predict`` and ``stream`` that say how an image is segmented, checked."""

    channels: str
    tile: int | None
    threshold: float | None
    return_probabilities: bool

    def __post_init__(self) -> None:
        if self.channels not in ("rgb", "bgr"):
            raise OptionError(f"channels must be 'rgb' or 'bgr', got {self.channels!r}")
        if self.tile is not None and self.tile < 32:
            raise OptionError(f"tile must be at least 32 pixels, got {self.tile}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise OptionError(f"threshold must lie in 0..1, got {self.threshold}")


@dataclass(frozen=True)
class _Prepared:
    """An image and the network's input for it, float32 (3, h, w); empty where tiles are cut later."""

    image: LoadedImage
    x: Float32Array


@dataclass(frozen=True)
class _Stopped:
    """The exception of the caller's iterable, in the place of the images that never came."""

    error: Exception


def _to_the_end(sources: Iterable[Any]) -> Iterator[Any]:
    """Yield the sources, then what broke them off, so that those before it are not lost to prefetching."""
    try:
        yield from sources
    except Exception as error:
        yield _Stopped(error)
