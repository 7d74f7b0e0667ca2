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

    def read(item: tuple[int, Any]) -> tuple[Any, Prepared | LoadedImage | CarsegError | _Stopped]:
        number, source = item
        if isinstance(source, _Stopped):
            return source, source
        try:
            image = load_image(source, channels=options.channels, name=numbered(number), max_pixels=options.max_pixels)
            image = replace(image, source=image.source or numbered(number), root=root or image.root)
            with enough_memory(image.source):  # tiles are preprocessed each
                return source, image if options.tile is not None else pipeline.preprocess(image)
        except CarsegError as error:
            return source, error

    def failed(error: CarsegError, source: Any) -> CarsegError:
        error.source = source
        if on_error != "yield":
            raise error
        return error

    def segmented(batch: list[tuple[Any, Prepared]]) -> Iterator[Result | CarsegError]:
        """Yield the results of a batch; its images go through the network one by one where all do not fit at once."""
        done = 0
        try:
            with enough_memory(batch[0][1].image.source):
                for result in segment_batch(pipeline, [prepared for _, prepared in batch], options):
                    yield result
                    done += 1
        except ImageError as error:
            if len(batch) == 1:
                yield failed(error, batch[0][0])
            else:
                yield from itertools.chain.from_iterable(segmented([one]) for one in batch[done:])

    def tiled(source: Any, image: LoadedImage, side: int) -> Result | CarsegError:
        try:
            with enough_memory(image.source):
                return segment_tiles(pipeline, image, side, options)
        except ImageError as error:
            return failed(error, source)

    batch: list[tuple[Any, Prepared]] = []
    for source, item in prefetch(read, enumerate(_to_the_end(sources), start=1), batch_size + 2):
        joins = isinstance(item, Prepared) and len(batch) < batch_size
        if batch and not (joins and item.x.shape == batch[0][1].x.shape):
            yield from segmented(batch)
            batch = []
        match item:
            case Prepared():
                batch.append((source, item))
            case LoadedImage() if options.tile is not None:
                yield tiled(source, item, options.tile)
            case _Stopped():
                raise item.error
            case CarsegError():
                yield failed(item, source)
    if batch:
        yield from segmented(batch)


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
