"""Many images in order: read and preprocessed ahead, and in batches through the network."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from carseg.errors import CarsegError, ImageError
from carseg.images import LoadedImage, enough_memory
from carseg.inference.file_names import numbered
from carseg.inference.options import Options
from carseg.inference.pipeline import Pipeline, segment_batch
from carseg.inference.prefetch import prefetch
from carseg.inference.preprocess import Prepared
from carseg.inference.result import Result
from carseg.inference.sources import load_image
from carseg.inference.tiles import segment_tiles


def segment_all(
    pipeline: Pipeline, sources: Iterable[Any], batch_size: int, options: Options, *, on_error: str, root: str
) -> Iterator[Result | CarsegError]:
    """Yield the result of each source, in order, from the folder ``root`` if any; see ``Segmenter.stream``."""
    stream = _Stream(pipeline, options, on_error, root)
    batch: list[tuple[Any, Prepared]] = []
    for source, item in prefetch(stream.read, enumerate(_to_the_end(sources), start=1), batch_size + 2):
        joins = isinstance(item, Prepared) and len(batch) < batch_size
        if batch and not (joins and item.x.shape == batch[0][1].x.shape):
            yield from stream.segment(batch)
            batch = []
        match item:
            case Prepared():
                batch.append((source, item))
            case LoadedImage() if options.tile is not None:
                yield stream.segment_tiles(source, item, options.tile)
            case _Stopped():
                raise item.error
            case CarsegError():
                yield stream.failed(source, item)
    if batch:
        yield from stream.segment(batch)


@dataclass(frozen=True)
class _Stopped:
    """The exception of the caller's iterable, in the place of the images that never came."""

    error: Exception


@dataclass(frozen=True)
class _Stream:
    """What happens to an image of a stream; the fields are arguments of ``segment_all``."""

    pipeline: Pipeline
    options: Options
    on_error: str
    root: str

    def read(self, item: tuple[int, Any]) -> tuple[Any, Prepared | LoadedImage | CarsegError | _Stopped]:
        """Return a source, given with its number, and what was read of it; tiles are preprocessed each."""
        (number, source), options = item, self.options
        if isinstance(source, _Stopped):
            return source, source
        try:
            image = load_image(source, channels=options.channels, name=numbered(number), max_pixels=options.max_pixels)
            image = replace(image, source=image.source or numbered(number), root=self.root or image.root)
            with enough_memory(image.source):
                return source, image if options.tile is not None else self.pipeline.preprocess(image)
        except CarsegError as error:
            return source, error

    def failed(self, source: Any, error: CarsegError) -> CarsegError:
        """Return the error of a source to be yielded, or raise it."""
        error.source = source
        if self.on_error != "yield":
            raise error
        return error

    def segment(self, batch: list[tuple[Any, Prepared]]) -> Iterator[Result | CarsegError]:
        """Yield the results of a batch; its images go through the network one by one where all do not fit at once."""
        done = 0
        try:
            with enough_memory(batch[0][1].image.source):
                for result in segment_batch(self.pipeline, [prepared for _, prepared in batch], self.options):
                    yield result
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
                return segment_tiles(self.pipeline, image, side, self.options)
        except ImageError as error:
            return self.failed(source, error)


def _to_the_end(sources: Iterable[Any]) -> Iterator[Any]:
    """Yield the sources, then what broke them off, so that those before it are not lost to prefetching."""
    try:
        yield from sources
    except Exception as error:
        yield _Stopped(error)
