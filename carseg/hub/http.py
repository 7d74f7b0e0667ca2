"""Downloads over ``http(s)``, with ranges and retries, and from wherever a hub is."""

from __future__ import annotations

import io
import queue
import re
import threading
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from carseg._env import is_offline
from carseg.errors import HubError, OfflineError, excerpt
from carseg.hub.hugging_face import download, pinned
from carseg.hub.origins import HUGGING_FACE, MissingFileError, UnavailableError, file_address, web_address

if TYPE_CHECKING:
    import requests

DownloadProgress = Callable[[int, int], None]  # (bytes done, bytes in all)

_DELAYS = (0.3, 1.0, 3.0)  # seconds before each retry of a download that makes no progress
_LONGEST_WAIT = 60.0  # seconds that a server may ask to wait before a retry
_TIMEOUT = (10.0, 30.0)  # seconds to connect, and between two pieces of an answer
_ANSWER = 60.0  # seconds until the body of an answer begins, redirections included
_SLOWEST = 1000  # bytes per second; a download that is slower would hardly end
_PATIENCE = 60.0  # seconds that it may be slower
_CHUNK = 1 << 16  # bytes that are read at once, if so many have come
_LARGEST = 1 << 28  # bytes that a file of unknown size may have


class _InterruptedError(Exception):
    """A download broke off; a retry may succeed, after ``wait`` seconds at the earliest."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def read_url(url: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes at an ``http(s)`` address.

    A server may ask to wait up to a minute before a retry. Less than 1 kB a second for a minute is given up.

    Args:
        url: the address.
        headers: sent with the request; an ``Authorization`` is not handed on where it leads to another host.

    Raises:
        OfflineError: sockets are forbidden.
        HubError: the address cannot be fetched, or has more than 256 MB.
    """
    url = web_address(url) or url
    if is_offline():
        raise OfflineError(f"{excerpt(url)} cannot be fetched: CARSEG_OFFLINE or HF_HUB_OFFLINE forbids it")
    try:
        return _read(url, headers or {})
    except UnavailableError as error:
        raise HubError(f"{excerpt(url)} cannot be fetched: {error}") from None


def media_type(url: str) -> str:
    """Return what the server calls the content at an ``http(s)`` address, such as ``image/jpeg``.

    Nothing but the head of its answer is read. It is "" where the server cannot be asked.
    """
    import requests

    if is_offline():
        return ""
    try:
        with _get(web_address(url) or url, {}) as answer:
            return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    except (requests.RequestException, _InterruptedError, ValueError):
        return ""


def read_pieces(url: str) -> Generator[bytes]:
    """Yield what an ``http(s)`` server sends, as it comes, for as long as it sends: a camera has no end.

    Raises:
        OfflineError: sockets are forbidden.
        HubError: the address cannot be fetched, or nothing came for half a minute.
    """
    import requests
    import urllib3

    url = web_address(url) or url
    if is_offline():
        raise OfflineError(f"{excerpt(url)} cannot be opened: CARSEG_OFFLINE or HF_HUB_OFFLINE forbids it")
    try:
        with _get(url, {}) as answer:
            if answer.status_code != 200:
                raise HubError(f"{excerpt(url)} cannot be opened: {answer.status_code} {answer.reason}")
            while piece := answer.raw.read1(_CHUNK, decode_content=True):
                yield piece
    except (_InterruptedError, requests.Timeout, urllib3.exceptions.TimeoutError):
        raise HubError(f"{excerpt(url)} has stopped sending: check that the camera is on") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError):
        raise HubError(f"{excerpt(url)} cannot be opened: the connection failed") from None


def _read(url: str, headers: Mapping[str, str]) -> bytes:
    """Return the content at an ``http(s)`` address, at most 256 MB.

    Raises:
        UnavailableError: it cannot be fetched.
    """
    content = io.BytesIO()
    _Download(url, content, limit=_LARGEST, headers=headers).finish()
    return content.getvalue()


def fetch(
    hub: str,
    file: str,
    part: Path,
    size: int | None = None,
    progress: DownloadProgress | None = None,
    *,
    limit: int = _LARGEST,
) -> None:
    """Complete the file ``part`` with what a hub has as ``file``.

    Args:
        hub: an ``http(s)://`` address or ``hf://ORG/REPO[@REVISION]``.
        file: path of the file in the hub.
        part: where to write. With a ``size`` it is resumed where an earlier try ended, even one at another hub: the
            caller checks the digest. Without, it must not be there.
        size: bytes of the whole file, where that is known.
        progress: called with (bytes done, bytes in all); huggingface_hub draws a bar of its own instead.
        limit: bytes that a file of unknown size may have.

    Raises:
        UnavailableError: the hub does not give the file, not even after retries.
        OSError: ``part`` cannot be written.
    """
    if hub.startswith(HUGGING_FACE):
        try:
            download(pinned(hub), file, part, quiet=progress is None)
        except HubError as error:  # about the commit
            raise UnavailableError(str(error).removeprefix(f"{hub} ")) from None
    else:
        with part.open("ab") as sink:
            _Download(file_address(hub, file), sink, size=size, limit=limit, progress=progress).finish()


class _Download:
    """Download of one address, resumed where it breaks off.

    With a known size the caller checks a digest, so that it does not matter whose bytes are resumed. Without, they are
    resumed only where the server vouches, by the same strong ETag (RFC 9110), that they are those of the same content.

    Args:
        url: the address.
        sink: what it lacks of the content is appended to it.
        size: bytes of the content, where that is known.
        limit: bytes that the content may have where its size is not known.
        progress: called with (bytes done, bytes in all) where the size is known.
        headers: sent with each request.
    """

    def __init__(
        self,
        url: str,
        sink: BinaryIO,
        *,
        limit: int,
        size: int | None = None,
        progress: DownloadProgress | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url, self.sink, self.size, self.limit, self.progress = url, sink, size, size or limit, progress
        self._headers = headers or {}
        self._etag = ""

    def finish(self) -> None:
        """Complete the content, with retries as long as they may help.

        Raises:
            UnavailableError: the address does not give it.
        """
        failures, furthest = 0, self.sink.tell()
        while True:
            began = time.monotonic()
            try:
                return self._go_on()
            except _InterruptedError as error:
                gained = self.sink.tell() - furthest
                if gained > 0:
                    furthest += gained
                    failures = 0 if gained >= _SLOWEST * (time.monotonic() - began) else failures
                if failures == len(_DELAYS):
                    raise UnavailableError(str(error)) from None
                if error.wait > _LONGEST_WAIT:
                    raise UnavailableError(f"{error}, and asks to wait for {error.wait:.0f} s") from None
                time.sleep(max(_DELAYS[failures], error.wait))
                failures += 1

    def _go_on(self) -> None:
        import requests
        import urllib3

        if self.sink.tell() and self.sink.tell() == self.size:
            return
        try:
            with _get(self.url, self._asked()) as answer:
                whole = self._begin(answer)
                pace = _Pace()
                while piece := answer.raw.read1(_CHUNK, decode_content=True):
                    self._take(piece)
                    pace.add(len(piece))
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise _InterruptedError("no answer in time") from None
        except (requests.exceptions.SSLError, urllib3.exceptions.SSLError):
            raise _InterruptedError("no secure connection: its certificate is not accepted") from None
        except (requests.ConnectionError, urllib3.exceptions.ProtocolError):
            raise _InterruptedError("the connection failed") from None
        except requests.TooManyRedirects:
            raise UnavailableError("it redirects without end") from None
        except requests.exceptions.InvalidSchema:
            raise UnavailableError("it redirects to an address that is not http(s)") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            # Its text may have the address, with a password, in any form.
            raise UnavailableError(f"{type(error).__name__}: the address or the answer is not valid") from None
        if whole and self.sink.tell() < whole:
            raise _InterruptedError(f"it broke off after {self.sink.tell()} of {whole} bytes")

    def _asked(self) -> dict[str, str]:
        """Return the headers that ask for what the sink lacks."""
        headers = {**self._headers, "Accept-Encoding": "identity"}
        if not self.size and not self._etag:
            _empty(self.sink)
        if start := self.sink.tell():
            headers["Range"] = f"bytes={start}-"
            if not self.size:
                headers["If-Range"] = self._etag
        return headers

    def _begin(self, answer: requests.Response) -> int | None:
        """Prepare the sink for the body of an answer and return the bytes of the whole content, None if not known."""
        status, start = answer.status_code, self.sink.tell()
        # 200: the answer is the whole file, not the range; 416: the sink is longer than the file.
        if status in (200, 416):
            _empty(self.sink)
        if status in (408, 416, 429) or status >= 500:
            raise _InterruptedError(f"{status} {answer.reason}", _retry_after(answer.headers.get("Retry-After", "")))
        if status not in (200, 206):
            kind = MissingFileError if status in (404, 410) else UnavailableError
            raise kind(f"{status} {answer.reason}")
        etag = answer.headers.get("ETag", "")
        size = self.size
        if status == 206:
            piece = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            changed = start > 0 and not self.size and etag != self._etag
            if piece is None or int(piece[1]) != start or changed:
                _empty(self.sink)
                raise _InterruptedError("it answers with another part of the file, or of another file")
            size = size or (None if piece[2] == "*" else int(piece[2]))
        elif "Content-Encoding" not in answer.headers and answer.headers.get("Content-Length", "").isdecimal():
            size = size or int(answer.headers["Content-Length"])
        # A weak one does not vouch for every byte, and ranges count the encoded ones.
        self._etag = etag if etag.startswith('"') and "Content-Encoding" not in answer.headers else ""
        return size

    def _take(self, piece: bytes) -> None:
        self.sink.write(piece)
        if self.sink.tell() > self.limit:
            _empty(self.sink)
            raise UnavailableError("its file of this name is too large")
        if self.progress and self.size:
            self.progress(self.sink.tell(), self.size)


def _get(url: str, headers: dict[str, str]) -> requests.Response:
    """Return an answer whose body is still to be read.

    No timeout of ``requests`` ends a head that comes byte by byte, so a thread waits for it, and is left behind.
    """
    import requests

    outcome: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            outcome.put(requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = outcome.get(timeout=_ANSWER)
    except queue.Empty:
        raise _InterruptedError("no answer in time") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


class _Pace:
    """Watch over an answer that might become so slow that it never ends."""

    def __init__(self) -> None:
        self._began, self._bytes = time.monotonic(), 0

    def add(self, count: int) -> None:
        """Count bytes that have come; raise UnavailableError where they were too few for too long."""
        self._bytes += count
        spent = time.monotonic() - self._began
        if spent >= _PATIENCE:
            if self._bytes < _SLOWEST * spent:
                raise UnavailableError(f"it is too slow: {self._bytes} bytes came in {spent:.0f} s")
            self._began, self._bytes = time.monotonic(), 0


def _retry_after(header: str) -> float:
    """Return the seconds that a ``Retry-After`` asks to wait, given as such or as a date; 0 for anything else."""
    from email.utils import parsedate_to_datetime  # imports much, and is hardly ever needed

    if header.strip().isdecimal():
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):  # no date, as some versions of Python say it, or one far off
        return 0.0


def _empty(sink: BinaryIO) -> None:
    sink.seek(0)
    sink.truncate()
