"""Data URIs (RFC 2397): files within a text, as browsers and web services hand them on."""

from __future__ import annotations

import base64
import binascii
from typing import Any, TypeGuard
from urllib.parse import unquote_to_bytes

from carseg.errors import ImageError


def is_data_uri(source: Any) -> TypeGuard[str]:
    """Return whether a source is a text that begins with ``data:``, perhaps behind spaces or line breaks."""
    return isinstance(source, str) and source[:100].lstrip()[:5].lower() == "data:"


def read_data_uri(uri: str) -> bytes:
    """Return the content of ``data:[TYPE][;base64],CONTENT``, whatever its type is called.

    Raises:
        ImageError: it has no comma, or its content is no base64.
    """
    head, comma, content = uri.partition(",")
    if not comma:
        raise ImageError("a data URI has a comma before its content: data:image/png;base64,...")
    if not head.rstrip().lower().endswith(";base64"):
        return unquote_to_bytes(content)
    packed = b"".join(unquote_to_bytes(content).translate(bytes.maketrans(b"-_", b"+/")).split()).rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except binascii.Error as error:
        raise ImageError(f"the content of the data URI is no base64 ({error})") from None
