"""Many images in order: read and preprocessed ahead, and in batches through the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from carseg.errors import CarsegError
from carseg.images import LoadedImage
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

    def read(item: tuple[int, Any]) -> Prepared | LoadedImage | CarsegError | _Stopped:
        number, source = item
        if isinstance(source, _Stopped):
            return source
        try:
            image = load_image(source, channels=options.channels, name=numbered(number), max_pixels=options.max_pixels)
            image = replace(image, source=image.source or numbered(number), root=root or image.root)
            return image if options.tile is not None else pipeline.preprocess(image)  # tiles are preprocessed each
        except CarsegError as error:
            error.source = source
            return error

    batch: list[Prepared] = []
    for item in prefetch(read, enumerate(_to_the_end(sources), start=1), batch_size + 2):
        if batch and not (isinstance(item, Prepared) and len(batch) < batch_size and item.x.shape == batch[0].x.shape):
            yield from segment_batch(pipeline, batch, options)
            batch = []
        match item:
            case Prepared():
                batch.append(item)
            case LoadedImage() if options.tile is not None:
                yield segment_tiles(pipeline, item, options.tile, options)
            case _Stopped():
                raise item.error
            case CarsegError() if on_error == "yield":
                yield item
            case CarsegError():
                raise item
    if batch:
        yield from segment_batch(pipeline, batch, options)


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
