"""Sources of images: paths, addresses, folders, patterns, arrays."""

from __future__ import annotations

import glob
import os
import queue
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from carseg._files import iter_files
from carseg.errors import ImageNotFoundError, OptionError, excerpt
from carseg.hub import read_url, web_address
from carseg.images import SUFFIXES, LoadedImage, decode, is_data_uri
from carseg.inference.file_names import FILE_SUFFIXES
from carseg.inference.options import check_channels
from carseg.inference.video import OVERLAY_VIDEOS, VIDEO_SUFFIXES, Video, is_video_address

_RESULTS = (*FILE_SUFFIXES.values(), *OVERLAY_VIDEOS)


def load_image(source: Any, *, channels: str = "rgb", name: str = "", max_pixels: int | None = None) -> LoadedImage:
    """Return one image, from an ``http(s)`` address or from whatever ``carseg.images.decode`` takes.

    Args:
        source: the image; one that is loaded already comes back as it is.
        channels: "rgb" or "bgr", the order of a numpy array's channels.
        name: what an image that has no path and no address is called.
        max_pixels: as for ``carseg.images.decode``.

    Raises:
        ImageError: it cannot be read, or has too many pixels.
        HubError: the address cannot be fetched.
        OptionError: no such order of channels, or it is "bgr", and the image is no array.
    """
    check_channels(channels)
    if channels == "bgr":
        source = _from_bgr(source)
    if isinstance(source, LoadedImage):
        return source
    if address := web_address(source):
        return decode(read_url(address), name=address, max_pixels=max_pixels)
    return decode(source, name=name, max_pixels=max_pixels)


def _from_bgr(source: Any) -> Any:
    """Return an array of blue, green and red, and possibly opacity, in RGB order; a grey one as it is."""
    if not isinstance(source, np.ndarray):
        raise OptionError(
            f"channels='bgr' is for numpy arrays, as OpenCV makes them, and this image is of type "
            f"{type(source).__name__}, which is always read as RGB: leave channels out"
        )
    if source.ndim == 3 and source.shape[2] == 4:
        return source[:, :, [2, 1, 0, 3]]
    return source[:, :, ::-1] if source.ndim == 3 else source


def find_images(sources: Any) -> Iterable[Any]:
    """Return the images and videos of a source: below a folder, of a pattern, one alone, or what a queue will hold.

    Those of folders and patterns are sorted, and files named like those of ``Result.save`` left out. An iterable comes
    back as it is.

    Raises:
        ImageNotFoundError: there is no such file or folder, or no image in it.
    """
    if is_data_uri(sources) or isinstance(sources, (int, Video)):  # a number is that of a camera
        return [sources]
    if isinstance(sources, (str, os.PathLike)):
        path, shown = Path(sources), excerpt(str(sources))
        if os.path.isdir(path):  # unlike Path's, it is false for a text that is too long for a name
            found = sorted(_below(path))
            if not found:
                kinds = " ".join(sorted(SUFFIXES | VIDEO_SUFFIXES))
                raise ImageNotFoundError(f"{path}: the folder holds no images ({kinds}), or only results")
            return found
        if is_video_address(sources):
            return [Video(sources)]
        if os.path.exists(path) or "://" in str(sources):
            return [sources]
        if not glob.has_magic(str(sources)):
            raise ImageNotFoundError(f"{shown}: no such file or folder")
        matches = [match for match in glob.glob(str(sources), recursive=True) if not match.endswith(_RESULTS)]
        matches = sorted(match for match in matches if not os.path.isdir(match))
        if not matches:
            raise ImageNotFoundError(f"{shown}: the pattern matches no file, or only results")
        return matches
    content = isinstance(sources, (bytes, bytearray, memoryview, LoadedImage))
    alone = content or hasattr(sources, "read") or hasattr(sources, "getexif")
    if not alone and hasattr(sources, "get") and not isinstance(sources, Iterable):
        return _queued(sources)
    # An array of two or three dimensions is one image; of one or four it holds many.
    return [sources] if alone or getattr(sources, "ndim", 4) in (2, 3) else sources


def _queued(waiting: Any) -> Iterator[Any]:
    """Yield what a queue is given, until that is None or the queue is shut down."""
    try:
        while (image := waiting.get()) is not None:
            yield image
    except getattr(queue, "ShutDown", ()):  # Python 3.13 has it
        return


def _below(folder: Path) -> Iterator[Path]:
    """Yield visible images and videos, then folders that cannot be looked into: reading one as an image raises why."""
    closed: list[OSError] = []
    files = (path for path in iter_files(folder, closed.append) if not path.name.endswith(_RESULTS))
    yield from (path for path in files if path.suffix.lower() in SUFFIXES | VIDEO_SUFFIXES)
    yield from (Path(error.filename) for error in closed)
