"""Many images in order: read and preprocessed ahead, and in batches through the network."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from carseg.errors import CarsegError, ImageError, OptionError, excerpt
from carseg.images import LoadedImage, enough_memory
from carseg.inference.cars import CarTracker
from carseg.inference.file_names import numbered
from carseg.inference.options import Options
from carseg.inference.pipeline import Pipeline, segment_batch
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
        """Raise OptionError where the network, the sources or the other options do not go with it."""
        if self.smooth and options.tile is not None:
            raise OptionError("smooth=True is for frames that the network sees whole: leave tile out")
        if self.track and not pipeline.tells_cars:
            name = pipeline.labels.name
            raise OptionError(f"track=True is for cars, and the classes of {name} tell none: leave it out")
        if self.latest and _are_all_there(sources):
            raise OptionError("latest=True is for live sources: of images that are all there it would leave out most")


def segment_all(
    pipeline: Pipeline, sources: Iterable[Any], options: Options, streaming: Streaming
) -> Iterator[Result | CarsegError]:
    """Yield the result of each source, in order; see ``Segmenter.stream``."""
    size, latest = streaming.batch_size, streaming.latest
    smoother, tracker = Smoother() if streaming.smooth else None, CarTracker() if streaming.track else None
    stream = _Stream(pipeline, options, streaming, smoother, tracker)
    depth = 1 if latest else size + 2  # an image that was read ahead would not be the latest
    with _arriving(sources, options, depth, latest) as items, Prefetch(stream.read, items, depth) as images:
        batch: list[tuple[Any, Prepared]] = []
        for source, item in images:
            if batch and not (isinstance(item, Prepared) and item.x.shape == batch[0][1].x.shape):
                yield from stream.segment(batch)
                batch = []
            match item:
                case Prepared():
                    batch.append((source, item))
                case LoadedImage() if options.tile is not None:
                    yield stream.segment_tiles(source, item, options.tile)
                case CarsegError():
                    yield stream.failed(source, item)
            # The network does not wait for images that may come.
            if batch and (not images.ready() or len(batch) == size):
                yield from stream.segment(batch)
                batch = []


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

    def read(self, item: _Item) -> tuple[Any, Prepared | LoadedImage | CarsegError]:
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

    def failed(self, source: Any, error: CarsegError) -> CarsegError:
        """Return the error of a source to be yielded, or raise it."""
        error.source = source
        if self.streaming.on_error != "yield":
            raise error
        # The frames that it came through refer to it, and hold the pixels until the garbage collector comes by.
        error.__traceback__ = error.__context__ = None
        return error

    def segment(self, batch: list[tuple[Any, Prepared]]) -> Iterator[Result | CarsegError]:
        """Yield the results of a batch; its images go through the network one by one where all do not fit at once."""
        done = 0
        try:
            with enough_memory(batch[0][1].image.source):
                images = [prepared for _, prepared in batch]
                for result in segment_batch(self.pipeline, images, self.options, self.smoother):
                    yield self.tracked(result, images[done].image)
                    done += 1
        except ImageError as error:
            if len(batch) == 1:
                yield self.failed(batch[0][0], error)
            else:
                yield from itertools.chain.from_iterable(self.segment([one]) for one in batch[done:])

    def segment_tiles(self, source: Any, image: LoadedImage, side: int) -> Result | CarsegError:
        """Return the result of an image that is seen window by window."""
        try:
            with enough_memory(image.source):
                return self.tracked(segment_tiles(self.pipeline, image, side, self.options), image)
        except ImageError as error:
            return self.failed(source, error)

    def tracked(self, result: Result, image: LoadedImage) -> Result:
        """Return a result, whose cars have ids if that was asked for."""
        if self.tracker is not None:
            result.cars = self.tracker(result.cars, image)
        return result
