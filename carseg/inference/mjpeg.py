"""JPEG images out of the bytes of a camera that sends one after another (MJPEG), whatever stands between them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from carseg.errors import ImageError

_START = b"\xff\xd8\xff"
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # what ends the pixels of a scan; the rest may be among them
_LARGEST = 1 << 26  # bytes of an image
_EOI, _SOS, _TEM = 0xD9, 0xDA, 0x01
_FILL = 0xFF


def split_jpegs(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each image as soon as its last byte has come.

    The next one need not have begun, as where the boundaries of ``multipart/x-mixed-replace`` are waited for.

    Raises:
        ImageError: an image has no end.
    """
    data = bytearray()
    for piece in pieces:
        data += piece
        while (start := data.find(_START)) >= 0:
            del data[:start]
            end = _end(data)
            if end is None:
                break
            yield bytes(data[:end])
            del data[:end]
        if len(data) > _LARGEST:
            raise ImageError(f"what the camera sends has no end within {_LARGEST >> 20} MB: it is no MJPEG")


def _end(data: bytearray) -> int | None:
    """Return where the JPEG ends with which the data begins (ITU T.81, annex B); None where that has not come yet.

    The lengths of its segments are followed: a thumbnail in one of them has an end of its own.
    """
    at = 2
    while len(data) >= at + 2:
        kind = data[at + 1]
        if data[at] != _FILL:
            return at  # no JPEG; reading it says so
        if kind == _EOI:
            return at + 2
        if kind == _FILL:
            at += 1
        elif kind == _TEM or 0xD0 <= kind <= 0xD8:  # markers without a segment
            at += 2
        elif len(data) < at + 4:
            return None
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
            if kind == _SOS:
                found = _MARKER.search(data, at)
                if found is None:
                    return None
                at = found.start()
    return None
