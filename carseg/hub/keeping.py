"""What is made from weights once and kept in the cache: converted and compiled networks, ranges of activations.

A kept file is its content behind the sha256 of it: what was cut short or damaged is made anew. A cache that cannot be
written costs time, no more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from carseg.atomic import replacing
from carseg.hub import cache_dir
from carseg.manifest import Entry

_DIGEST = 32  # bytes of a sha256


def keep(entry: Entry, key: tuple[str, ...], make: Callable[[], bytes]) -> bytes:
    """What ``make`` gives, or gave earlier for these weights and this key, in this or another process."""
    content = find(entry, key)
    if content is None:
        content = make()
        with suppress(OSError):
            put(entry, key, content)
    return content


def find(entry: Entry, key: tuple[str, ...]) -> bytes | None:
    """What is kept for these weights and this key."""
    with suppress(OSError):
        stored = _path(entry, key).read_bytes()
        digest, content = stored[:_DIGEST], stored[_DIGEST:]
        if hashlib.sha256(content).digest() == digest:
            return content
    return None


def put(entry: Entry, key: tuple[str, ...], content: bytes) -> None:
    """Keeps what ``keep`` and ``find`` are to give for these weights and this key from now on.

    Raises:
        OSError: the cache cannot be written.
    """
    path = _path(entry, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(hashlib.sha256(content).digest() + content)


def _path(entry: Entry, key: tuple[str, ...]) -> Path:
    text = json.dumps([entry.architecture, *key])
    return cache_dir() / "compiled" / f"{entry.sha256[:24]}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
