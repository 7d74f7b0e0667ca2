"""Pixels into a network and labels back out: how a picture is preprocessed, and the exact inverse.

    decode:    any picture      -> upright RGB uint8 (H, W, 3)
    to_input:  RGB (H, W, 3)    -> float32 (3, h, w) as a weight's input rule says
    to_mask:   logits (C, h, w) -> label ids, uint8 (H, W)

numpy and Pillow only, so that a prediction through ONNX Runtime or OpenVINO never imports torch. What ``to_input`` does
to the values ``carseg.normalising`` does for batches in training.
"""

from __future__ import annotations

import importlib.util
import inspect
import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from carseg import hub
from carseg.errors import MissingExtraError, PictureError, PictureNotFoundError
from carseg.labels import IGNORE
from carseg.manifest import InputSpec

_FORMATS = "jpg jpeg jfif mpo png webp bmp tif tiff gif ppm pgm jp2 avif heic heif"
SUFFIXES = frozenset(f".{name}" for name in _FORMATS.split())
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")  # brands, behind b"ftyp"
_UPRIGHT = {  # EXIF orientation to what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BAND = 64  # picture rows that are interpolated together, about: few calls of numpy, and all fits into a cache
_TILE_OVERLAP = 0.25  # share of a tile's side that it has in common with its neighbour

Array8 = npt.NDArray[np.uint8]
Array32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """An upright picture.

    Attributes:
        rgb: uint8 (H, W, 3).
        source: the path or address it came from, "" where it came from memory.
    """

    rgb: Array8
    source: str


def decode(picture: Any) -> Picture:
    """Reads one picture of any kind.

    Args:
        picture: a path, an ``http(s)`` URL, the bytes of an image file, a binary file object, a PIL image, a numpy
            array (H, W, 3), (H, W, 4) or (H, W) of uint8 in RGB order, or a torch tensor (3, H, W) or (1, H, W), uint8
            or float in 0..1.

    Of an animation that is a file the first frame is used, of a PIL image the one it is at. EXIF orientation is
    applied, transparency is laid over white, 16-bit files are scaled to 8 bits. HEIF needs the extra ``heif``, whose
    pi-heif is then registered with Pillow.

    Raises:
        PictureNotFoundError: there is no such file.
        PictureError: it is empty, truncated, no picture, or so large that Pillow takes it for a decompression bomb.
        HubError: a URL cannot be fetched.
    """
    if isinstance(picture, str) and picture.startswith(("http://", "https://")):
        return Picture(_decode_file(io.BytesIO(hub.read_url(picture)), picture), picture)
    if isinstance(picture, (str, os.PathLike)):
        return Picture(_decode_path(Path(picture)), str(picture))
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return Picture(_decode_file(io.BytesIO(picture), "the given bytes"), "")
    if isinstance(picture, Image.Image):
        return Picture(_guarded(lambda: _to_rgb(picture), "the given image"), "")
    if isinstance(picture, np.ndarray):
        return Picture(_from_array(picture), "")
    if hasattr(picture, "read"):
        if inspect.iscoroutinefunction(picture.read):  # as of FastAPI's UploadFile
            raise PictureError("its read() is asynchronous: give what `await read()` gives, or the file inside")
        name = getattr(picture, "name", "")
        source = name if isinstance(name, str) else ""
        return Picture(_decode_file(picture, source or "the given file"), source)
    if hasattr(picture, "detach"):  # a torch tensor, asked without importing torch
        picture = picture.detach().cpu()
        if picture.is_floating_point():
            picture = picture.float()  # numpy has no bfloat16
        return Picture(_from_chw(picture.numpy()), "")
    raise PictureError(
        f"cannot read a picture from {type(picture).__name__}; see carseg.image.decode for what can be given"
    )


def _decode_path(path: Path) -> Array8:
    try:
        if path.is_dir():
            os.listdir(path)  # fails where it may not be looked into
            raise PictureError(f"{path} is a folder, not a picture; use stream() for folders")
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise PictureError(f"{path}: neither a file nor a folder")
        with path.open("rb") as file:
            return _decode_file(file, str(path))
    except FileNotFoundError:
        raise PictureNotFoundError(f"{path}: no such file") from None
    except PictureError:
        raise
    except (OSError, ValueError) as error:  # no permission, a loop of links, a name that no file can have
        raise PictureError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _decode_file(file: Any, name: str) -> Array8:
    def read() -> Array8:
        with _open(file) as image:
            return _to_rgb(image)

    return _guarded(read, name)


def _open(file: Any) -> Image.Image:
    """An image file through Pillow; HEIF, which iPhones write, through the opener that pi-heif adds to it."""
    if not getattr(file, "seekable", bool)():
        file = io.BytesIO(file.read())
    try:
        return Image.open(file)
    except UnidentifiedImageError:
        file.seek(0)
        if file.read(12)[8:] not in _HEIF:
            raise
        if importlib.util.find_spec("pi_heif") is None:
            raise PictureError(str(MissingExtraError("pi-heif", "heif", "a HEIF picture"))) from None
        import pi_heif

        pi_heif.register_heif_opener()
        return Image.open(file)


def _guarded(read: Callable[[], Array8], name: str) -> Array8:
    """Runs Pillow and turns the many things it raises into one error that names the picture."""
    try:
        return read()
    except UnidentifiedImageError:
        raise PictureError(f"{name}: not an image that Pillow can read, or an empty file") from None
    except Image.DecompressionBombError:
        raise PictureError(
            f"{name}: too many pixels, possibly a decompression bomb; raise PIL.Image.MAX_IMAGE_PIXELS if it is not"
        ) from None
    except PictureError as error:
        raise PictureError(f"{name}: {error}") from None
    except Exception as error:  # of a broken file: OSError, SyntaxError, struct.error, whatever the decoder raises
        raise PictureError(f"{name}: broken or truncated ({error or type(error).__name__})") from None


def _to_rgb(image: Image.Image) -> Array8:
    if 0 in image.size:
        raise PictureError("it has no pixels")
    image.load()
    turn = turned(image)
    if turn is not None:  # by hand: ImageOps.exif_transpose also writes all tags anew, and fails where one is odd
        image = image.transpose(turn)
    if image.mode == "F":
        raise PictureError("floating-point pixels have no known range; save it with 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits a pixel, as I;16 or widened to I
        wide = np.asarray(image).astype(np.int64)
        return _from_array((wide.clip(0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def turned(image: Image.Image) -> Image.Transpose | None:
    """What brings a picture upright that its EXIF orientation says was taken otherwise; None where nothing has to."""
    return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))


def _from_array(array: npt.NDArray[Any]) -> Array8:
    if array.dtype != np.uint8:
        raise PictureError(f"an array must be uint8 in 0..255, got {array.dtype}")
    if array.size and array.ndim == 2:
        return np.repeat(array[:, :, None], 3, axis=2)
    if array.size and array.ndim == 3 and array.shape[2] == 3:
        return array
    if array.size and array.ndim == 3 and array.shape[2] == 4:
        return _to_rgb(Image.fromarray(array))
    raise PictureError(f"an array must be (H, W, 3), (H, W, 4) or (H, W) and not empty, got shape {array.shape}")


def _from_chw(array: npt.NDArray[Any]) -> Array8:
    if array.ndim != 3 or array.shape[0] not in (1, 3) or not array.size:
        raise PictureError(f"a tensor must be (3, H, W) or (1, H, W) and not empty, got shape {array.shape}")
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            raise PictureError("a float tensor must lie in 0..1; give 0..255 as uint8")
        array = np.rint(array * 255).astype(np.uint8)
    return _from_array(np.ascontiguousarray(np.broadcast_to(array, (3, *array.shape[1:])).transpose(1, 2, 0)))


def input_size(size: tuple[int, int], spec: InputSpec) -> tuple[int, int]:
    """The (height, width) at which the network sees a picture of ``size`` (height, width)."""
    if spec.resize == "stretch":
        return spec.size
    scale = max(spec.size) / max(size)
    height, width = (max(round(side * scale / spec.multiple), 1) * spec.multiple for side in size)
    return height, width


def resize(rgb: Array8, size: tuple[int, int]) -> Array8:
    """Antialiased bilinear resize to ``size`` (height, width). A large picture is first shrunk by a whole factor."""
    height, width = size
    if rgb.shape[:2] == size:
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0))


def to_input(rgb: Array8, spec: InputSpec) -> Array32:
    """What the network sees of a picture: resized and normalised, float32 (3, h, w)."""
    return normalize(resize(rgb, input_size(rgb.shape[:2], spec)), spec)


def normalize(rgb: Array8, spec: InputSpec) -> Array32:
    """uint8 (h, w, 3) to float32 (3, h, w): scaled, minus the mean, over the standard deviation, in one pass."""
    scale = float(max(rgb.max(), 1)) if spec.scale == "max" else 255.0
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    x = np.multiply(rgb.transpose(2, 0, 1), (1 / (scale * std))[:, None, None], dtype=np.float32)
    x -= (mean / std)[:, None, None]
    return np.ascontiguousarray(x)


def to_mask(
    logits: Array32, size: tuple[int, int], *, threshold: float | None = None, background: int | None = None
) -> Array8:
    """Label ids at ``size`` (height, width): the argmax of the bilinearly upsampled logits (align_corners False).

    Args:
        logits: float32 (C, h, w).
        threshold: pixels whose class has a lower probability, interpolated between the network's pixels, become
            ``background``, or 255 where there is none.

    Full-size logits are never built. Between four neighbouring logits that agree on the class every interpolated pixel
    has that class too, because bilinear weights are convex; so only pixels between disagreeing neighbours are
    interpolated, first across, once for all picture rows between two rows of network pixels, then down.
    """
    coarse = _strongest(logits)
    y0, y1, fy = _taps(coarse.shape[0], size[0])
    x0, x1, fx = _taps(coarse.shape[1], size[1])
    mask = coarse[:, x0][y0]
    right = np.roll(coarse, -1, 1)
    right[:, -1] = coarse[:, -1]
    mixed = (
        (coarse != right)
        | (coarse != np.vstack([coarse[1:], coarse[-1:]]))
        | (coarse != np.vstack([right[1:], right[-1:]]))
    )
    heights = np.bincount(y0, minlength=len(coarse))  # picture rows below each row of network pixels, down to the next
    used = np.flatnonzero(heights)
    step = max(_BAND * len(coarse) // size[0], 1)
    for band in np.split(used, range(step, len(used), step)):
        rows, columns = np.nonzero(mixed[band][:, x0])
        if not len(rows):
            continue
        rows = band[rows]
        starts = np.searchsorted(y0, rows)
        left, right_, across = x0[columns], x1[columns], fx[columns]
        upper, lower = (logits[:, y, left] * (1 - across) + logits[:, y, right_] * across for y in (rows, y1[starts]))
        # Where a row of network pixels has fewer picture rows than others of the band its last one is done again.
        lines = starts + np.minimum(np.arange(heights[band].max())[:, None], heights[rows] - 1)
        down = fy[lines]
        up = 1 - down
        mask[lines, columns] = _strongest(a * up + b * down for a, b in zip(upper, lower, strict=True))
    if threshold is not None:
        probability = _probabilities(logits)
        for y, label in enumerate(mask):
            upper, lower = (
                probability[label, row, x0] * (1 - fx) + probability[label, row, x1] * fx for row in (y0[y], y1[y])
            )
            label[upper * (1 - fy[y]) + lower * fy[y] < threshold] = IGNORE if background is None else background
    return mask


def _strongest(planes: Iterable[Array32]) -> Array8:
    """The number of the plane with the highest value at each place; numpy's argmax takes three times as long."""
    rest = iter(planes)
    best = next(rest).copy()
    winner = np.zeros(best.shape, np.uint8)
    for number, plane in enumerate(rest, 1):
        winner[plane > best] = number
        np.maximum(best, plane, out=best)
    return winner


def _taps(inputs: int, outputs: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Array32]:
    """For each output position its two neighbours among the inputs, and the weight of the second."""
    position = ((np.arange(outputs) + 0.5) * (inputs / outputs) - 0.5).clip(0, inputs - 1)  # a pixel's centre is at .5
    first = np.floor(position).astype(np.intp)
    return first, np.minimum(first + 1, inputs - 1), (position - first).astype(np.float32)


def _probabilities(logits: Array32) -> Array32:
    exp = np.exp(logits - logits.max(0))
    return exp / exp.sum(0)


def class_scores(logits: Array32, *, threshold: float | None = None) -> tuple[Array32, Array32]:
    """How sure the network is: the sum of each class's probability over the network pixels of that class; their number.

    Pixels that ``threshold`` takes from their class are left out. A class that wins nowhere on the network's own grid
    counts its best pixel with next to no weight.
    """
    probability = _probabilities(logits)
    winner, best = _strongest(logits).ravel(), probability.max(0).ravel()
    if threshold is not None:
        winner, best = winner[best >= threshold], best[best >= threshold]
    count = np.bincount(winner, minlength=len(logits)).astype(np.float32)
    total = np.bincount(winner, best, minlength=len(logits)).astype(np.float32)
    absent = count == 0
    total[absent] = 1e-6 * probability[absent].max((1, 2))
    count[absent] = 1e-6
    return total, count


@dataclass(frozen=True)
class Tile:
    """A window of a picture and the part of it whose labels are kept: (top, left, bottom, right) in picture pixels."""

    window: tuple[int, int, int, int]
    keep: tuple[int, int, int, int]


def tiles(size: tuple[int, int], side: int) -> Iterator[Tile]:
    """Overlapping square windows over a picture of ``size``; a pixel is kept from the one whose middle is nearest."""
    for top, bottom, keep_top, keep_bottom in _spans(size[0], side):
        for left, right, keep_left, keep_right in _spans(size[1], side):
            yield Tile((top, left, bottom, right), (keep_top, keep_left, keep_bottom, keep_right))


def _spans(length: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    side = min(side, length)
    step = max(round(side * (1 - _TILE_OVERLAP)), 1)
    count = -(-(length - side) // step) + 1
    starts = [round(i * (length - side) / max(count - 1, 1)) for i in range(count)]
    cuts = [0, *((a + side + b) // 2 for a, b in pairwise(starts)), length]
    for i, start in enumerate(starts):
        yield start, start + side, cuts[i], cuts[i + 1]
