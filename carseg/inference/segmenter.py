"""A network with its weights, ready to predict."""

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
    """Return a trained model, ready to predict. Its weights are downloaded if they are not on this machine.

    Args:
        name: a short name such as "parts", one of ``carseg.list_models()``, a name in the given hub, the folder of a
            fine-tuned network or of its run, its safetensors file, or ``hf://ORG/REPO[@REVISION]``. A name in the
            Hugging Face Hub stays at the commit that it had when this machine first used it.
        weights: a safetensors file, or a folder with one and its ``config.json``, to load instead of the published
            weights. A ``config.json`` beside the file states its network and classes.
        hub: where to look for weights first: a folder, an ``http(s)://`` address or ``hf://ORG/REPO[@REVISION]``. The
            default is the variable ``CARSEG_HUB``.
        cars: a second model, which finds whole cars ("car"). It runs on an image when ``Result.cars`` is first used,
            with the same device, runtime and threads.
        device: auto, cpu, cuda, cuda:N, mps.
        runtime: auto, torch, openvino, onnx.
        precision: auto, float32, bfloat16 (the last convolution, and the first stage of FCN, DeepLabv3 and
            DeepLabv3+, stay in float32), int8.
        calibration: for int8, a file that ``carseg.export(calib=, calibration=)`` wrote for these weights, with the
            ranges of the activations. None uses the ranges published with the weights.
        threads: number of CPU threads. In torch the number holds for the whole process, the caller's code included.

    Raises:
        UnknownNameError: no such model.
        HubError: the weights cannot be found or downloaded.
        WeightsError: the weights are damaged, or made for another network.
        OptionError: the device, runtime or precision does not exist; the calibration belongs to other weights; int8
            needs a calibration; or the model of ``cars`` does not find whole cars.
        ForkError: torch would have to run in a process that was forked after a network had been loaded.
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
    """A model that turns images into results; ``carseg.load`` returns one.

    Calling it is the same as ``predict``. Several threads may use it at once. ``close``, or the end of a ``with``
    block, frees the network.

    ``predict`` and ``stream`` consist of ``preprocess``, ``forward`` and ``postprocess``. Call these yourself to put
    your own step between them, or override one in a subclass; ``MySegmenter(model.info, model.runtime, model.cars)``
    makes an instance with the same networks.

    A pickle or deep copy loads the network again from the same name or path, with the same runtime, precision and
    threads. The file must have the same sha256; any other is a WeightsError.

    Attributes:
        info: everything known about the weights.
        name: the model's name.
        labels: its classes.
        preprocessor: turns an image into the network's input.
        cars: the second model, which finds whole cars for ``Result.cars``; closed together with this one. None if
            there is none.
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
            channels: "rgb", or "bgr" for a numpy array from OpenCV. Other kinds of images cannot be "bgr".
            tile: split the image into overlapping windows of this many pixels per side, and predict each window like a
                whole image. This finds small things in large images. Sides are then "raw".
            sides: "consistent" gives each piece of a left-right pair the side that fits the view of the car, the
                piece's position and the network's answer, see ``carseg.cars.consistent_sides``. "raw" keeps the
                network's answer; all published figures are measured with it.
            edges: "network", or "refined", which redraws the outline of cars at the image's own size with a second
                network and also improves ``Result.alpha``. "refined" needs classes that cover all of a car.
            threshold: 0..1; pixels whose class has a lower probability become background, or 255 if the label set has
                no background.
            min_area: 0..1; pieces smaller than this share of the largest piece of their class are replaced by what
                surrounds them, see ``carseg.cars.clean``. 0 keeps the network's mask; all published figures are
                measured with it. None uses ``labels.min_area``, which is 0 for road scenes and your own classes.
            return_probabilities: keep ``Result.probabilities``. They take 2 bytes per class and pixel: 460 MB for 19
                classes and 12 megapixels.
            source: name of the result, from which its files are named; by default the path or address.
            max_pixels: refuse an image whose header states more pixels; by default ``CARSEG_MAX_PIXELS``, else 179
                million.

        Returns:
            The result. Its mask has the image's own size, upright.

        Raises:
            ImageError: the image cannot be read, or there is not enough memory for it.
            OptionError: ``tile``, ``threshold`` or ``min_area`` is out of range; ``channels`` is "bgr" and the image
                not an array; ``sides`` or ``edges`` has an unknown value; or the classes do not allow ``edges``.
            ClosedError: the network was closed.
            ForkError: this process was forked after the network had been loaded, and torch has several threads.
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
        """Segment many images lazily, in order, in constant memory.

        Each result is yielded as soon as it is ready, even if the next image takes long to arrive.

        Args:
            sources: a folder (with its subfolders), a glob pattern, a video (a file, ``rtsp://``, MJPEG at an
                ``http(s)`` address, the number of a camera, a ``carseg.Video``), an iterable of these and of what
                ``predict`` takes, or a queue of them that ends with None. A few images are read ahead; an iterable
                that is not a list is read on its own thread, and may reuse an array for its next image. Images from
                memory are named picture-1, picture-2 and so on.
            batch_size: how many of the images at hand go through the network together; None chooses by device.
            jobs: number of images that are read at the same time, and of others that are finished, besides those in the
                network; None uses one per processor, at most 16. Memory grows with it; results stay the same.
            channels: as for ``predict``, like all following arguments up to ``max_pixels``.
            latest: skip all but the newest of the images that arrived while the network was busy, for a camera that
                is faster than the network.
            smooth: average the probabilities over time, following motion, so that the masks of a video flicker less.
                Images of the same size that are not from a video count as consecutive frames.
            track: give each of ``Result.cars`` an ``id`` that stays the same from frame to frame. The cars of every
                image are then found immediately.
            on_error: "raise", or "yield" to get the exception instead of the result; its ``source`` is the image.

        Raises:
            ImageNotFoundError: the folder or file does not exist, or the folder or pattern has no images.
            OptionError: an option is out of range, ``latest`` is used with a folder or list, ``smooth`` with ``tile``,
                or ``track`` with classes that do not show cars.
            MissingExtraError: ``smooth`` needs OpenCV, which is not installed.
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
