"""Many images in order: read ahead, in batches through the network, and finished beside it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from carseg.errors import CarsegError, ImageError, OptionError, excerpt, require_extra
from carseg.images import LoadedImage, enough_memory
from carseg.inference.batches import Answer, Batches, Forwarded, Read
from carseg.inference.cars import CarTracker
from carseg.inference.file_names import numbered
from carseg.inference.options import Options
from carseg.inference.pipeline import Pipeline, finish
from carseg.inference.prefetch import Feed, Prefetch
from carseg.inference.preprocess import Prepared
from carseg.inference.result import Result
from carseg.inference.smoothing import Smoother
from carseg.inference.sources import load_image
from carseg.inference.tiles import segment_tiles
from carseg.inference.video import as_video, is_video

_Item = tuple[int, Any, LoadedImage | CarsegError | None]  # number, source, and what was read of it at once

_UNCHANGING = (str, os.PathLike, bytes)  # sources that are the same when they are read later


@dataclass(frozen=True)
class Streaming:
    """What a stream does beside segmenting each image; the fields are described at ``Segmenter.stream``.

    Raises:
        OptionError: one is out of range.
    """

    batch_size: int
    jobs: int
    root: str  # the folder that was given, if any
    on_error: str = "raise"
    latest: bool = False
    smooth: bool = False
    track: bool = False

    def __post_init__(self) -> None:
        if self.on_error not in ("raise", "yield"):
            raise OptionError(f"on_error must be 'raise' or 'yield', got {self.on_error!r}")
        if self.batch_size < 1:
            raise OptionError(f"batch_size must be at least 1, got {self.batch_size}")

    def check(self, pipeline: Pipeline, sources: Iterable[Any], options: Options) -> None:
        """Raise OptionError where the network, the sources or the other options do not go with it.

        Raises:
            MissingExtraError: OpenCV is not installed, which ``smooth`` needs.
        """
        if self.smooth:
            if options.tile is not None:
                raise OptionError("smooth=True does not work with tiles: leave tile out")
            require_extra("cv2", "video", "averaging the frames of a video (smooth)")
        if self.track and not pipeline.tells_cars:
            name = pipeline.labels.name
            raise OptionError(f"track=True follows cars, which the classes of {name} do not show: leave it out")
        if self.latest and _are_all_there(sources):
            raise OptionError("latest=True is for live sources, and would skip most of these images: leave it out")


def segment_all(
    pipeline: Pipeline, sources: Iterable[Any], options: Options, streaming: Streaming
) -> Iterator[Result | CarsegError]:
    """Yield the result of each source, in order; see ``Segmenter.stream``.

    ``jobs`` threads read and preprocess images, one runs the network, ``jobs`` others make results of its answers; as
    many images as threads are in hand, and a batch for the network.
    """
    size, latest = streaming.batch_size, streaming.latest
    jobs = 1 if latest else streaming.jobs
    depth = 1 if latest else size + jobs  # an image that was read ahead would not be the latest
    smoother, tracker = Smoother() if streaming.smooth else None, CarTracker() if streaming.track else None
    stream = _Stream(pipeline, options, streaming, smoother, tracker)
    if options.edges == "refined":
        pipeline.refiner  # noqa: B018 - several threads would start it at once
    with _arriving(sources, options, depth, latest) as items:
        arrived = items.arrived if isinstance(items, Feed) else None
        with Prefetch(stream.read, items, depth, jobs, arrived) as images:
            batches = Batches(stream.forward, images, size)
            with Prefetch(stream.finish, batches, depth, jobs, batches.arrived) as results, batches:
                for source, read, answer in results:
                    pipeline.runtime  # noqa: B018 - says that the network was closed, however much is ready
                    yield (
                        stream.failed(source, answer)
                        if isinstance(answer, CarsegError)
                        else stream.tracked(answer, read)
                    )


def _are_all_there(sources: Iterable[Any]) -> bool:
    """Return whether none of the sources comes into being only now, so that ``latest`` would have no sense."""
    listed = isinstance(sources, (list, tuple, np.ndarray))
    return listed and not any(is_video(source) and as_video(source).live for source in sources)


@contextmanager
def _arriving(sources: Iterable[Any], options: Options, depth: int, latest: bool) -> Iterator[Iterable[_Item]]:
    """Give the sources of a stream, each with its number, and for those that the next may change what was read of it.

    A source may wait for the world or for the answer to the one before: a thread waits for it.
    """
    numbers = itertools.count(1)
    # What is derived from a list may do anything.
    if type(sources) in (list, tuple, np.ndarray) and not any(map(is_video, sources)):
        yield zip(numbers, sources, itertools.repeat(None))
        return
    feed = Feed(_read_at_once(numbers, sources, options), depth, latest=latest)
    try:
        yield feed
    finally:
        feed.close()


def _read_at_once(numbers: Iterator[int], sources: Iterable[Any], options: Options) -> Generator[_Item]:
    """Yield the sources; a camera may use the array, or the file, of one for the next."""
    try:
        for number, source in zip(numbers, sources, strict=False):
            if is_video(source):
                yield from _frames(source, options)
            else:
                yield number, source, None if isinstance(source, _UNCHANGING) else _load(number, source, options)
    finally:
        if isinstance(sources, Generator):
            sources.close()


def _frames(source: Any, options: Options) -> Iterator[_Item]:
    """Yield the frames of a video, and then why it cannot be read, or not to its end."""
    try:
        with enough_memory(excerpt(str(source))):
            for frame in as_video(source).frames(options.max_pixels):
                yield 0, source, frame
    except CarsegError as error:
        yield 0, source, error


def _load(number: int, source: Any, options: Options) -> LoadedImage | CarsegError:
    """Return an image of a stream, or why it cannot be read."""
    name = numbered(number)
    try:
        with enough_memory(name):
            image = load_image(source, channels=options.channels, name=name, max_pixels=options.max_pixels)
        return replace(image, source=image.source or name)
    except CarsegError as error:
        return error


@dataclass(frozen=True)
class _Stream:
    """What happens to an image of a stream; the fields are arguments of ``segment_all``, and what knows the frames."""

    pipeline: Pipeline
    options: Options
    streaming: Streaming
    smoother: Smoother | None
    tracker: CarTracker | None

    def read(self, item: _Item) -> tuple[Any, Read]:
        """Return a source and what was read of it; tiles are preprocessed each."""
        number, source, image = item
        if image is None:
            image = _load(number, source, self.options)
        if isinstance(image, CarsegError):
            return source, image
        image = replace(image, root=self.streaming.root or image.root)
        try:
            with enough_memory(image.source):
                return source, image if self.options.tile is not None else self.pipeline.preprocess(image)
        except CarsegError as error:
            return source, error

    def forward(self, batch: list[Read]) -> list[Answer]:
        """Return the answers to a batch, whose images go through one by one where all do not fit at once."""
        match batch[0]:
            case CarsegError() as error:
                return [error]
            case LoadedImage() as image:
                return [self._segment_tiles(image)]
        images = cast(list[Prepared], batch)
        try:
            with enough_memory(images[0].image.source):
                logits = self.pipeline.forward(np.stack([prepared.x for prepared in images]))
        except ImageError as error:
            if len(images) == 1:
                return [error]
            return [answer for prepared in images for answer in self.forward([prepared])]
        if self.smoother is None:
            return list(logits)
        return [self.smoother(one, prepared.image) for one, prepared in zip(logits, images, strict=True)]

    def _segment_tiles(self, image: LoadedImage) -> Result | ImageError:
        """Return the result of an image that is seen window by window, or why there is none."""
        assert self.options.tile is not None
        try:
            with enough_memory(image.source):
                return segment_tiles(self.pipeline, image, self.options.tile, self.options)
        except ImageError as error:
            return error

    def finish(self, forwarded: Forwarded) -> tuple[Any, Read, Result | CarsegError]:
        """Return a source, what was read of it, and its result or why it has none."""
        source, read, answers, place = forwarded
        answer = answers.result()[place]
        if isinstance(read, Prepared) and isinstance(answer, np.ndarray):
            try:
                with enough_memory(read.image.source):
                    answer = finish(self.pipeline, answer, read, self.options)
            except ImageError as error:
                answer = error
        return source, read, cast(Result | CarsegError, answer)

    def failed(self, source: Any, error: CarsegError) -> CarsegError:
        """Return the error of a source to be yielded, or raise it."""
        error.source = source
        if self.streaming.on_error != "yield":
            raise error
        # The frames that it came through refer to it, and hold the pixels until the garbage collector comes by.
        error.__traceback__ = error.__context__ = None
        return error

    def tracked(self, result: Result, read: Read) -> Result:
        """Return a result, whose cars have ids if that was asked for."""
        image = read.image if isinstance(read, Prepared) else read
        if self.tracker is not None and isinstance(image, LoadedImage):
            result.cars = self.tracker(result.cars, image)
        return result
