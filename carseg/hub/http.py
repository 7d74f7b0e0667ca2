"""Downloads: over ``http(s)`` with ranges and retries, from the Hugging Face Hub through its own library."""

from __future__ import annotations

import errno
import io
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from carseg._env import is_offline
from carseg.errors import HubError, OfflineError, excerpt
from carseg.hub.origins import HUGGING_FACE, file_address

DownloadProgress = Callable[[int, int], None]  # (bytes done, bytes in all)

_DELAYS = (0.3, 1.0, 3.0)  # seconds before each retry of a download that makes no progress
_TIMEOUT = (10.0, 30.0)  # seconds to connect, and between two pieces of an answer
_CHUNK = 1 << 13  # bytes; small, because a chunk that breaks off is lost
_LARGEST = 1 << 28  # bytes that a file of unknown size may have
_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


class UnavailableError(Exception):
    """A place does not give a file; the message is the reason."""


class MissingFileError(UnavailableError):
    """A place says that it has no such file."""


class _InterruptedError(Exception):
    """A download broke off; a retry may succeed."""


def read_url(url: str) -> bytes:
    """Return the bytes at an ``http(s)`` address.

    Raises:
        OfflineError: sockets are forbidden.
        HubError: the address cannot be fetched, or has more than 256 MB.
    """
    if is_offline():
        raise OfflineError(f"{excerpt(url)} cannot be fetched: CARSEG_OFFLINE or HF_HUB_OFFLINE forbids it")
    try:
        return _read(url)
    except UnavailableError as error:
        raise HubError(f"{excerpt(url)} cannot be fetched: {error}") from None


def _read(url: str) -> bytes:
    """Return the content at an ``http(s)`` address, at most 256 MB.

    Raises:
        UnavailableError: it cannot be fetched.
    """
    content = io.BytesIO()
    _pull(url, content, None, None)
    return content.getvalue()


def fetch(hub: str, file: str, part: Path, size: int | None = None, progress: DownloadProgress | None = None) -> None:
    """Complete the file ``part`` with what a hub has as ``file``.

    Args:
        hub: an ``http(s)://`` address or ``hf://ORG/REPO@COMMIT``.
        file: path of the file in the hub.
        part: where to write; resumed where an earlier try ended, even one at another hub: the caller checks the digest.
        size: bytes of the whole file, where that is known.
        progress: called with (bytes done, bytes in all); huggingface_hub draws a bar of its own instead.

    Raises:
        UnavailableError: the hub does not give the file, not even after retries.
        OSError: ``part`` cannot be written.
    """
    if hugging_face := HUGGING_FACE.fullmatch(hub):
        _from_hugging_face(hugging_face[1], hugging_face[2], file, part, quiet=progress is None)
    else:
        with part.open("ab") as sink:
            _pull(file_address(hub, file), sink, size, progress)


def _from_hugging_face(repository: str, commit: str, file: str, part: Path, *, quiet: bool) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    silence = quiet and not are_progress_bars_disabled()
    if silence:
        disable_progress_bars()
    try:
        path = hf_hub_download(repository, file, revision=commit, local_dir=part.with_suffix(".hf"))
    except Exception as error:  # also those of its HTTP library, which differs between its versions
        if isinstance(error, OSError) and error.errno in _DISK_TROUBLE:
            raise
        missing = isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError)
        cause = error.__cause__ or error
        reason = f"{type(cause).__name__} {cause}".splitlines()[0]
        raise (MissingFileError if missing else UnavailableError)(reason) from None
    finally:
        if silence:
            enable_progress_bars()
    Path(path).replace(part)
    shutil.rmtree(part.with_suffix(".hf"))


def _pull(url: str, sink: BinaryIO, size: int | None, progress: DownloadProgress | None) -> None:
    """Append what the sink lacks of the content at an address, with retries as long as they may help."""
    failures, furthest = 0, sink.tell()
    while True:
        try:
            return _stream(url, sink, size, progress)
        except _InterruptedError as error:
            if sink.tell() > furthest:
                failures, furthest = 0, sink.tell()
            if failures == len(_DELAYS):
                raise UnavailableError(str(error)) from None
            time.sleep(_DELAYS[failures])
            failures += 1


def _stream(url: str, sink: BinaryIO, size: int | None, progress: DownloadProgress | None) -> None:
    import requests
    import urllib3

    start = sink.tell()
    if start and start == size:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
            # 200: the answer is the whole file, not the range; 416: the sink is longer than the file.
            if answer.status_code in (200, 416):
                _empty(sink)
            if answer.status_code in (408, 416, 429) or answer.status_code >= 500:
                raise _InterruptedError(f"{answer.status_code} {answer.reason}")
            if not answer.ok:
                kind = MissingFileError if answer.status_code in (404, 410) else UnavailableError
                raise kind(f"{answer.status_code} {answer.reason}")
            for chunk in answer.iter_content(_CHUNK):
                sink.write(chunk)
                if sink.tell() > (size or _LARGEST):
                    _empty(sink)
                    raise UnavailableError("what it has under this name is too large")
                if progress and size:
                    progress(sink.tell(), size)
    except requests.Timeout:
        raise _InterruptedError("no answer in time") from None
    except requests.exceptions.SSLError:
        raise _InterruptedError("no secure connection: its certificate is not accepted") from None
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        raise _InterruptedError("the connection failed") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        raise UnavailableError(f"{type(error).__name__} {error}") from None  # the last two: the address is invalid
    if size and sink.tell() < size:
        raise _InterruptedError(f"it broke off after {sink.tell()} of {size} bytes")


def _empty(sink: BinaryIO) -> None:
    sink.seek(0)
    sink.truncate()
