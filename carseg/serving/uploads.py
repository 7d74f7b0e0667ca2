"""What the body of a request holds: an image, the files of a form (RFC 7578), JSON. Nothing is written to disk.

Bodies are limited, so that they are kept in memory whole; python-multipart, which streams larger ones to files, is not
needed for that.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from starlette.requests import ClientDisconnect, Request

from carseg.errors import excerpt, printable
from carseg.serving.limits import Limits
from carseg.serving.refusal import GONE, Refusal

_FORM = "multipart/form-data"
_PARAMETER = re.compile(r';[ \t]*([a-z]+)=(?:"((?:\\.|[^"\\])*)"|([^\s;"]+))', re.IGNORECASE)
_LONGEST_HEAD = 4096  # bytes of the headers of one file of a form
_LONGEST_NAME = 200  # characters of a file's name


@dataclass(frozen=True)
class Upload:
    """A file of a request.

    Attributes:
        field: the name of its field in the form; "" where the body is the file.
        name: its name without any folder; "" where it has none.
        content: its bytes.
    """

    field: str
    name: str
    content: bytes


async def read_body(request: Request, limits: Limits) -> bytes:
    """Return the body of a request.

    Raises:
        Refusal: it is larger than allowed, or slower, or the client hung up.
    """
    too_large = Refusal(
        413, f"the request has more than {limits.bytes} bytes: send fewer or smaller files, or raise --max-bytes"
    )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limits.bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.bytes:
                    raise too_large
    except TimeoutError:
        raise Refusal(408, f"the request did not arrive within {limits.seconds:g} s: send it again") from None
    except ClientDisconnect:
        raise Refusal(GONE, "the client hung up") from None
    return bytes(body)


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is.

    Raises:
        Refusal: it is none.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, "the body is no JSON object: send what the tool's own interface says")
    return found


def find_uploads(body: bytes, content_type: str, limits: Limits) -> list[Upload]:
    """Return the files of a body by its ``Content-Type``: those of a form, or else the body itself.

    Raises:
        Refusal: a form that is broken or has too many fields, an empty body, or one of a type that no image has.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _FORM:
        boundary = _parameters(content_type).get("boundary")
        if not boundary:
            raise Refusal(400, f"the Content-Type {_FORM} names no boundary: let the client's library write it")
        return list(_parts(body, boundary.encode("latin-1", "replace"), limits.files))
    if kind.startswith(("text/", "multipart/")) or kind in ("application/json", "application/x-www-form-urlencoded"):
        raise Refusal(
            415, f"a body of type {kind} is no image: send the image file as the body, or as a file of a form ({_FORM})"
        )
    if not body:
        raise Refusal(400, "the body is empty: send the image file as the body, or as a file of a form")
    return [Upload("", "", body)]


def _parts(body: bytes, boundary: bytes, most: int) -> Iterator[Upload]:
    """Yield the files of a form."""
    opening, *rest = (b"\r\n" + body).split(b"\r\n--" + boundary, most + 2)
    if len(rest) > most + 1:
        raise Refusal(413, f"the form has more than {most} files: send fewer at once, or raise --max-files")
    if not rest or opening.strip() or not rest[-1].startswith(b"--"):
        raise Refusal(400, "the form is broken or truncated: its boundary does not come where it has to")
    for part in rest[:-1]:
        head, separator, content = part.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not separator or len(head) > _LONGEST_HEAD:
            raise Refusal(400, "the form is broken: a field has no headers, or too long ones")
        lines = head.decode("utf-8", "replace").split("\r\n")
        about = _parameters(next((line for line in lines if line.lower().startswith("content-disposition:")), ""))
        if "filename" not in about:
            field = excerpt(about.get("name", ""))
            raise Refusal(
                400,
                f"the form's field {field!r} is no file: settings belong into the query, images need a file name",
            )
        yield Upload(about.get("name", ""), _plain_name(about["filename"]), content)


def _parameters(header: str) -> dict[str, str]:
    """Return the parameters of a header, plain and quoted; RFC 7578 knows no others in a form."""
    found = _PARAMETER.finditer(header)
    return {each[1].lower(): each[3] if each[2] is None else each[2].replace('\\"', '"') for each in found}


def _plain_name(name: str) -> str:
    """Return the last part of a name, since some clients send whole paths, those of Windows among them."""
    return printable(PurePath(name.replace("\\", "/")).name)[:_LONGEST_NAME]
