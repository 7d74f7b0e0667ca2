"""Run-length encoding of masks as COCO writes it, in plain numpy.

A mask of H rows and W columns is read column by column; ``counts`` are the lengths of the alternating runs of zeros and
ones, zeros first, packed into the string that pycocotools reads and writes: ``{"size": [H, W], "counts": "..."}``.

A run is a half-open interval ``start..end`` of column-major positions ``x * H + y``. ``label_runs`` finds the runs of
*all* classes of a label mask in one pass; areas, boxes and encodings then take time by the number of runs.
"""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from carseg.errors import DataError

Positions = NDArray[np.int64]
Box = tuple[int, int, int, int]  # x, y, width, height in pixels

_LONGEST = 1 << 16  # pixels of a side: the positions of a larger mask could overflow


class Rle(TypedDict):
    """COCO's compressed run-length encoding; ready for JSON."""

    size: list[int]
    counts: str


def label_runs(mask: NDArray[Any]) -> tuple[Positions, Positions, NDArray[Any]]:
    """Return the runs of equal labels of a mask (H, W): starts, ends and labels, by position; they cover the mask.

    Positions where a pixel differs from the one above are found row by row, in the order of memory, and sorted
    afterwards: a mask has few of them, and transposing a large mask would take longer.
    """
    height, width = mask.shape
    if mask.size == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, mask.dtype)
    above = np.flatnonzero(mask[1:] != mask[:-1])
    rows, columns = above // width + 1, above % width
    # A run may continue from the bottom of a column to the top of the next.
    tops = np.flatnonzero(mask[0, 1:] != mask[-1, :-1]) + 1
    starts = np.concatenate([np.zeros(1, np.int64), columns * height + rows, tops * height])
    starts.sort()
    ends = np.append(starts[1:], mask.size)
    return starts, ends, mask[starts % height, starts // height]


def encode(mask: NDArray[Any]) -> Rle:
    """Return the encoding of a mask (H, W), in which every value but zero counts as set."""
    starts, ends, values = label_runs(np.asarray(mask) != 0)
    return encode_runs(starts[values], ends[values], (mask.shape[0], mask.shape[1]))


def encode_runs(starts: Positions, ends: Positions, size: tuple[int, int]) -> Rle:
    """Return the encoding of runs of set pixels, sorted, in a mask of ``size`` (height, width)."""
    return encode_groups(starts, ends, np.zeros(starts.size, np.int64), 1, size)[0]


def encode_groups(
    starts: Positions, ends: Positions, groups: NDArray[np.int64], count: int, size: tuple[int, int]
) -> list[Rle]:
    """Return the encodings of many masks of one size at once.

    Args:
        starts: where each run of set pixels begins, sorted by group, then by position.
        ends: where it ends.
        groups: the mask that it belongs to, 0..count - 1.
        count: number of masks.
        size: height and width of the masks.
    """
    if not count:
        return []
    pixels = size[0] * size[1]
    apart = (starts[1:] != ends[:-1]) | (groups[1:] != groups[:-1])  # adjacent runs are written as one
    first, last = np.append(True, apart)[: starts.size], np.append(apart, True)[: ends.size]
    starts, ends, groups = starts[first], ends[last], groups[first]
    reached = np.full(count, -1)
    reached[groups] = ends  # of each group the last
    unfilled = np.flatnonzero(reached != pixels)
    of = np.concatenate([np.repeat(groups, 2), unfilled])
    order = np.argsort(of, kind="stable")
    edges = np.append(np.stack([starts, ends], axis=1), np.full(unfilled.size, pixels))[order]
    of = of[order]
    begins = np.searchsorted(of, np.arange(count))
    counts = np.diff(edges, prepend=0)
    counts[begins] = edges[begins]
    packed, lengths = _pack(counts, np.arange(of.size) - begins[of])
    cuts = np.cumsum(np.bincount(of, lengths, count)).astype(np.int64).tolist()
    return [{"size": list(size), "counts": packed[i:j]} for i, j in zip([0, *cuts], cuts, strict=False)]


def size(rle: Any) -> tuple[int, int]:
    """Return height and width of an encoding's mask.

    Raises:
        DataError: it has none, or one that no image has.
    """
    try:
        height, width = (int(side) for side in rle["size"] if side == int(side))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"not a run-length encoding: needs 'size' [height, width] and 'counts' ({error})") from error
    if not (0 <= height <= _LONGEST and 0 <= width <= _LONGEST):
        raise DataError("broken run-length encoding: no image has its size")
    return height, width


def runs(rle: Any) -> tuple[Positions, Positions]:
    """Return starts and ends of the runs of set pixels of an encoding.

    ``counts`` may also be bytes or COCO's uncompressed list of numbers.

    Raises:
        DataError: the encoding is broken or does not fill its size.
    """
    height, width = size(rle)
    try:
        counts = rle["counts"]
        counts = _unpack(counts) if isinstance(counts, (str, bytes)) else _whole(counts)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"not a run-length encoding: needs 'size' [height, width] and 'counts' ({error})") from error
    # Each number by itself too: sums of the largest begin again at zero.
    if counts.min(initial=0) < 0 or counts.max(initial=0) > height * width or counts.sum() != height * width:
        raise DataError(f"broken run-length encoding: its runs do not fill {height} x {width} pixels")
    edges = np.cumsum(counts)
    starts, ends = edges[:-1:2], edges[1::2]
    return starts[starts < ends], ends[starts < ends]


def decode(rle: Any, box: Box | None = None) -> NDArray[np.bool_]:
    """Return the mask of an encoding, bool (H, W), or its part within ``box``, of the box's height and width.

    Raises:
        DataError: the encoding is broken.
    """
    starts, ends = runs(rle)
    height, width = size(rle)
    x, y, columns, rows = box or (0, 0, width, height)
    first, last = x * height, (x + columns) * height
    edges = np.stack([starts, ends], axis=1).ravel().clip(first, last)
    lengths = np.diff(edges, prepend=first, append=last)
    values = np.arange(lengths.size) % 2 == 1
    return np.repeat(values, lengths).reshape(columns, height).T[y : y + rows]


def area(rle: Any) -> int:
    """Return the number of set pixels of an encoding."""
    starts, ends = runs(rle)
    return int((ends - starts).sum())


def bbox(rle: Any) -> Box:
    """Return the smallest box around all set pixels of an encoding; all zeros where there are none."""
    starts, ends = runs(rle)
    boxes = boxes_of_runs(starts, ends, np.zeros(starts.size, np.intp), 1, size(rle)[0])
    x, y, width, height = (int(side) for side in boxes[0])
    return x, y, width, height


def boxes_of_runs(
    starts: Positions, ends: Positions, groups: NDArray[Any], count: int, height: int
) -> NDArray[np.int64]:
    """Return boxes, int64 (count, 4), as x, y, width, height, one per group of runs; all zeros for an empty group.

    Args:
        starts: where each run begins.
        ends: where it ends.
        groups: its group, 0..count - 1.
        count: number of groups.
        height: that of the mask.
    """
    left, right = starts // height, (ends - 1) // height
    wraps = left < right  # such a run touches the bottom of one column and the top of the next
    top = np.where(wraps, 0, starts % height)
    bottom = np.where(wraps, height - 1, (ends - 1) % height)
    low = np.full((2, count), np.iinfo(np.int64).max)
    high = np.full((2, count), -1)
    for axis, (least, most) in enumerate(((left, right), (top, bottom))):
        np.minimum.at(low[axis], groups, least)
        np.maximum.at(high[axis], groups, most)
    present = high[0] >= 0
    return np.where(present, np.concatenate([low, high - low + 1]), 0).T


def _pack(counts: Positions, place: Positions) -> tuple[str, NDArray[np.int64]]:
    """Return numbers as COCO's string, five bits per character, and how many characters each takes.

    Each from the fourth of its mask on, where ``place`` is 3, is stored as its difference to the number two before.
    """
    values = counts.copy()
    values[2:] -= np.where(place[2:] > 2, counts[:-2], 0)
    characters: list[NDArray[np.int64]] = []
    written: list[NDArray[np.bool_]] = []
    open_ = np.ones(values.size, bool)
    while open_.any():
        bits = values & 31
        values = values >> 5
        more = np.where(bits & 16, values != -1, values != 0)  # the fifth bit of the last character is the sign
        characters.append(bits + 32 * more + 48)
        written.append(open_)
        open_ = open_ & more
    filled = np.stack(written, axis=1)
    packed = np.stack(characters, axis=1)[filled]
    return packed.astype(np.uint8).tobytes().decode("ascii"), filled.sum(1)


def _whole(counts: Any) -> Positions:
    """Return COCO's uncompressed list of numbers."""
    numbers = np.asarray(counts)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iuf" or not (numbers == np.trunc(numbers)).all():
        raise ValueError("'counts' is no list of whole numbers")
    return numbers.astype(np.float64).clip(-1, 1 << 40).astype(np.int64)  # more than any mask has pixels


def _unpack(text: str | bytes) -> Positions:
    """Return the numbers in COCO's string, the inverse of ``_pack``."""
    raw = text.encode("ascii") if isinstance(text, str) else text
    symbols = np.frombuffer(raw, np.uint8).astype(np.int64) - 48
    if symbols.size == 0 or symbols.min() < 0 or symbols.max() > 63 or symbols[-1] & 32:
        raise ValueError("'counts' is cut off or holds a foreign character")
    last = np.flatnonzero(symbols & 32 == 0)
    first = np.append(0, last[:-1] + 1)
    if (last - first).max() > 11:
        raise ValueError("'counts' holds a number that is too large")
    place = np.arange(symbols.size) - np.repeat(first, last - first + 1)
    values = np.add.reduceat((symbols & 31) << (5 * place), first)
    negative = symbols[last] & 16 != 0
    values[negative] -= np.int64(1) << (5 * (last - first + 1)[negative])
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
