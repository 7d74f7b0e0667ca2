"""A network with its weights, ready to be given images."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, Self, overload

import numpy as np
from numpy.typing import NDArray

from carseg.cars import car_labels, tells_whole_cars
from carseg.errors import CarsegError, OptionError
from carseg.hub import ModelInfo, licence_notice, resolve
from carseg.images import LoadedImage, enough_memory
from carseg.inference.options import Options
from carseg.inference.pipeline import Pipeline, finish
from carseg.inference.prefetch import image_jobs
from carseg.inference.refiner import check_edges
from carseg.inference.result import Result
from carseg.inference.sources import find_images, load_image
from carseg.inference.stream import Streaming, segment_all
from carseg.inference.tiles import segment_tiles
from carseg.runtimes import Runtime, start_runtime

_log = logging.getLogger("carseg")


def load(
    name: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    hub: str | os.PathLike[str] | None = None,
    cars: str | os.PathLike[str] | None = None,
    device: str = "auto",
    runtime: str = "auto",
    precision: str = "auto",
    calibration: str | os.PathLike[str] | None = None,
    threads: int | None = None,
) -> Segmenter:
    """Return a trained network by name, downloaded if it has to be.

    Args:
        name: one of ``carseg.list_models()``, a name that the given hub has, the folder of a fine-tuned network or of
            its run, its safetensors file, or ``hf://ORG/REPO[@REVISION]``, at the commit that it had when this machine
            first asked.
        weights: a safetensors file, or a folder with one and its ``config.json``, to use instead of the published one;
            a ``config.json`` beside the file states its network and classes.
        hub: where to look first: a folder, an ``http(s)://`` base or ``hf://ORG/REPO[@REVISION]``; also ``CARSEG_HUB``.
        cars: a second network, which tells whole cars ("car"); it runs on an image when its ``Result.cars`` are first
            asked for, on the same device, runtime and threads.
        device: auto, cpu, cuda, cuda:N, mps.
        runtime: auto, torch, openvino, onnx.
        precision: auto, float32, bfloat16 (the last convolution, and the first stage of FCN, DeepLabv3 and
            DeepLabv3+, stay in float32), int8.
        calibration: a file that ``carseg.export(calib=, calibration=)`` wrote for these weights: int8 takes the ranges
            of activations from it; None: those published with the weights.
        threads: CPU threads of the network; torch's number is process-wide, so it changes for the caller too.

    Raises:
        UnknownNameError: no such model.
        HubError: its weights cannot be had.
        WeightsError: its weights are corrupt, or made for another network.
        OptionError: no such device, runtime or precision; a calibration of other weights; int8 without one, of weights
            that were published without; ``cars`` tells no whole cars.
        ForkError: torch would compute, in a process that was forked from one that had loaded a network.
    """
    resolved = resolve(name, weights=weights, hub=hub)
    if resolved.info.input.channels > 3:
        raise OptionError(
            f"{resolved.info.name} refines the masks of other networks and cannot predict alone: load another network, "
            "and call its predict(..., edges='refined')"
        )
    if notice := licence_notice(resolved.info):
        _log.warning(notice)
    second = None if cars is None else _load_cars(cars, hub, device, runtime, precision, threads)
    return Segmenter(resolved.info, start_runtime(resolved, runtime, device, precision, threads, calibration), second)


def _load_cars(
    name: str | os.PathLike[str],
    hub: str | os.PathLike[str] | None,
    device: str,
    runtime: str,
    precision: str,
    threads: int | None,
) -> Segmenter:
    if not tells_whole_cars(resolve(name, hub=hub).info.labels):
        raise OptionError(f"{os.fspath(name)!r} does not find whole cars, which cars= needs: use 'car'")
    return load(name, hub=hub, device=device, runtime=runtime, precision=precision, threads=threads)


class Segmenter(Pipeline):
    """A network that turns images into results; ``load`` makes one.

    Calling it is ``predict``. Several threads may use one at once: each gets what it would get alone. ``close``, or the
    end of a ``with`` block, frees the network. ``predict`` and ``stream`` are made of ``preprocess``, ``forward`` and
    ``postprocess``: put a step of your own between two of them, or override one in a subclass, of which
    ``MySegmenter(model.info, model.runtime, model.cars)`` is an instance with the same networks.

    In a pickle and a deep copy the network is loaded anew, from the same name or path and as it was: the file with the
    same sha256 (any other is a WeightsError), the same runtime, precision and threads.

    Attributes:
        info: everything known about the weights.
        name: the model's name.
        labels: the classes it tells apart.
        preprocessor: makes the network's input of an image.
        cars: the second network, which ``Result.cars`` asks, and which is closed with this one; None without one.
    """

    def __init__(self, info: ModelInfo, runtime: Runtime, cars: Segmenter | None = None) -> None:
        see_cars = None if cars is None else cars._car_pixels
        super().__init__(info.input, info.labels, runtime, name=info.name, see_cars=see_cars)
        self.info: ModelInfo = info
        self.cars = cars

    def close(self) -> None:
        super().close()
        if self.cars is not None:
            self.cars.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        runtime = self._runtime
        how = f"{runtime.name} {runtime.precision} on {runtime.device}" if runtime else "closed"
        second = "" if self.cars is None else f", cars by {self.cars.name!r}"
        return f"Segmenter({self.name!r}, {len(self.labels)} classes, {how}{second})"

    def _car_pixels(self, image: LoadedImage) -> NDArray[np.bool_]:
        """Return what is car in an image, bool (H, W)."""
        return np.isin(self.predict(image).mask, car_labels(self.labels))

    def predict(
        self,
        image: Any,
        *,
        channels: str = "rgb",
        tile: int | None = None,
        sides: str = "consistent",
        edges: str = "network",
        threshold: float | None = None,
        min_area: float | None = None,
        return_probabilities: bool = False,
        source: str = "",
        max_pixels: int | None = None,
    ) -> Result:
        """Segment one image.

        Args:
            image: a path, URL, data URI, bytes, file object, PIL image, numpy array (H, W, 3) uint8 or torch tensor
                (3, H, W), uint8 or float in 0..1; see ``carseg.images.decode``.
            channels: "rgb", or "bgr" for a numpy array as OpenCV makes it; nothing else can be "bgr".
            tile: cut the image into overlapping windows of so many pixels a side and show the network one after
                another, each as it would see a whole image: for small things in large images. Sides are then "raw".
            sides: "consistent": of a left-right pair each piece gets the side that its car's view, its place and the
                network together speak for, see ``carseg.cars.consistent_sides``; "raw": the network's alone, which is
                what all published figures are about.
            edges: "network", or "refined": the outline of a car is redrawn at the image's own size by a second network,
                which also gives ``Result.alpha``; for classes that tell all of a car from its background.
            threshold: 0..1; pixels whose class has a lower probability become background (255 where there is no such
                class).
            min_area: 0..1; pieces smaller than this share of the largest piece of their class become what lies around
                them, see ``carseg.cars.clean``; 0 gives the mask as the network made it, which is what all published
                figures are about; None takes ``labels.min_area``, which is 0 for road scenes and classes of your own.
            return_probabilities: keep ``Result.probabilities``; they take 2 bytes per class and pixel, for 19 classes
                and 12 megapixels 460 MB.
            source: the result's name, after which its files are called; by default the path or address.
            max_pixels: an image whose header states more pixels is refused; by default ``CARSEG_MAX_PIXELS``, else 179
                million.

        Returns:
            The result; its mask has the image's own size, upright.

        Raises:
            ImageError: the image cannot be read, or there is not enough memory for it.
            OptionError: ``tile``, ``threshold`` or ``min_area`` is out of range, ``channels`` is "bgr" and the image no
                array, or no such ``sides`` or, of these classes, ``edges``.
            ClosedError: the network was closed.
            ForkError: this process was forked after the network had been loaded, and torch has more than one thread.
        """
        options = Options(channels, tile, threshold, return_probabilities, max_pixels, min_area, sides, edges)
        check_edges(edges, self.labels)
        loaded = load_image(image, channels=channels, name=source, max_pixels=max_pixels)
        loaded = replace(loaded, source=source or loaded.source)
        with enough_memory(loaded.source or "the given image"):
            if options.tile is not None:
                return segment_tiles(self, loaded, options.tile, options)
            prepared = self.preprocess(loaded)
            [logits] = self.forward(prepared.x[None])
            return finish(self, logits, prepared, options)

    __call__ = predict

    @overload
    def stream(
        self,
        sources: Any,
        *,
        batch_size: int | None = None,
        jobs: int | None = None,
        channels: str = "rgb",
        tile: int | None = None,
        sides: str = "consistent",
        edges: str = "network",
        threshold: float | None = None,
        min_area: float | None = None,
        return_probabilities: bool = False,
        max_pixels: int | None = None,
        latest: bool = False,
        smooth: bool = False,
        track: bool = False,
        on_error: Literal["raise"] = "raise",
    ) -> Iterator[Result]: ...

    @overload
    def stream(
        self,
        sources: Any,
        *,
        batch_size: int | None = None,
        jobs: int | None = None,
        channels: str = "rgb",
        tile: int | None = None,
        sides: str = "consistent",
        edges: str = "network",
        threshold: float | None = None,
        min_area: float | None = None,
        return_probabilities: bool = False,
        max_pixels: int | None = None,
        latest: bool = False,
        smooth: bool = False,
        track: bool = False,
        on_error: str,
    ) -> Iterator[Result | CarsegError]: ...

    def stream(
        self,
        sources: Any,
        *,
        batch_size: int | None = None,
        jobs: int | None = None,
        channels: str = "rgb",
        tile: int | None = None,
        sides: str = "consistent",
        edges: str = "network",
        threshold: float | None = None,
        min_area: float | None = None,
        return_probabilities: bool = False,
        max_pixels: int | None = None,
        latest: bool = False,
        smooth: bool = False,
        track: bool = False,
        on_error: str = "raise",
    ) -> Iterator[Result] | Iterator[Result | CarsegError]:
        """Segment many images lazily, in order; memory does not grow with their number.

        Each result is yielded as soon as it is known, however long the next image is waited for.

        Args:
            sources: a folder (with its sub-folders), a glob pattern, a video (a file, ``rtsp://``, MJPEG at an
                ``http(s)`` address, the number of a camera, a ``carseg.Video``), an iterable of all these and of what
                ``predict`` takes, or a queue of them, which None ends. It is read a few images ahead, an iterable that
                is no list on a thread of its own; that may use an array again for its next image. Images from memory
                are called picture-1, picture-2 and so on, by their place.
            batch_size: images that go through the network together, of those that are there; None takes what suits the
                device.
            jobs: images that are read at once, and others that are finished at once, beside those in the network; None
                takes one per processor, at most 16. Memory grows with it, results are the same.
            channels: as for ``predict``, like all to ``max_pixels``.
            latest: leave out images that came while the network was busy, all but the newest: for a camera that is
                faster than the network.
            smooth: average the probabilities over time along what moves, so that the masks of a video flicker less;
                images of one size that are of no video count as frames that follow one another.
            track: give each of ``Result.cars`` an ``id``, which it keeps from frame to frame; the cars of every image
                are then found at once.
            on_error: "raise", or "yield" to get the exception, whose ``source`` is the image, in the result's place.

        Raises:
            ImageNotFoundError: there is no such folder or file, or the folder or pattern holds no image.
            OptionError: an option is out of range, ``latest`` would leave out images of a folder or a list, both
                ``smooth`` and ``tile``, or ``track`` and the classes tell no cars.
            ClosedError: the network was closed.
        """
        options = Options(channels, tile, threshold, return_probabilities, max_pixels, min_area, sides, edges)
        check_edges(edges, self.labels)
        root = str(sources) if isinstance(sources, (str, os.PathLike)) and os.path.isdir(sources) else ""
        size = self.runtime.batch_size if batch_size is None else batch_size
        streaming = Streaming(size, image_jobs(jobs), root, on_error, latest, smooth, track)
        found = find_images(sources)
        streaming.check(self, found, options)
        return segment_all(self, found, options, streaming)
