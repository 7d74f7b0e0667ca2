"""A real HTTP server on the loopback interface that can be told to misbehave."""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class Server:
    """Serves ``files`` (path to content), with ranges; as a context manager.

    Paths of the form /ORG/REPO/resolve/COMMIT/FILE are answered as the Hugging Face Hub answers them.

    Attributes:
        files: what there is.
        faults: for a path what is to go wrong, one item per GET, then it goes well: a status to answer; "cut": half of
            the content under the header of all of it; "hang": half, then silence; "slow": in small pieces; "drip": byte
            by byte; "crumb": one byte, then it breaks off; "whole": a range is ignored; "changed": as "cut", and from
            then on the content is another of the same size; "stale": a range is answered whatever it is a part of;
            "shifted": a range is answered with another; "dawdle": the head comes byte by byte.
        headers: for a path, headers that its answers have besides.
        moved: for a path, the address that it redirects to.
        log: (method, path, first byte asked for) of each request.
    """

    @property
    def handler(self) -> type[Handler]:
        """What answers; a server with more abilities has another."""
        return Handler

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[int | str]] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.moved: dict[str, str] = {}
        self.log: list[tuple[str, str, int]] = []
        self.closing = threading.Event()
        outer = self

        class Bound(self.handler):  # type: ignore[misc, name-defined]
            server_state = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Its address without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def starts(self, path: str) -> list[int]:
        """Return the first byte asked for in each GET of a path."""
        return [start for method, asked, start in self.log if method == "GET" and asked == path]

    def close(self) -> None:
        """Refuse every connection from now on."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.closing.is_set():
            self.close()


class Handler(BaseHTTPRequestHandler):
    server_state: Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_GET(self) -> None:
        self._answer("GET")

    def _answer(self, method: str) -> None:
        state, path = self.server_state, self.path
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        state.log.append((method, path, start))
        faults = state.faults.get(path, []) if method == "GET" else []
        fault = faults.pop(0) if faults else None
        content = state.files.get(path)
        if fault == "dawdle":
            self._send(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000, "drip")
            return
        if path in state.moved:
            self._head(302, 0, {"Location": state.moved[path]})
            return
        if isinstance(fault, int) or content is None:
            self._head(fault if isinstance(fault, int) else 404, 0, {"X-Error-Code": "EntryNotFound"})
            return
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        etag = state.headers.get(path, {}).get("ETag", etag)
        same = self.headers.get("If-Range", etag) == etag or fault in ("stale", "shifted")
        ranged = start > 0 and fault != "whole" and same
        if fault == "shifted":
            start -= 1
        if ranged and start >= len(content):
            self._head(416, 0, {"Content-Range": f"bytes */{len(content)}"})
            return
        body = content[start:] if ranged else content
        headers = {"ETag": etag, "Accept-Ranges": "bytes"}
        if resolved := re.match(r"/[^/]+/[^/]+/resolve/([0-9a-f]{40})/", path):
            headers["X-Repo-Commit"] = resolved[1]
        if ranged:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._head(206 if ranged else 200, len(body), headers)
        if method == "GET":
            self._send(body, fault)
        if fault == "changed":
            state.files[path] = content[::-1]

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        besides = self.server_state.headers.get(self.path, {})
        for name, value in {**headers, "Content-Length": str(length), **besides}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, body: bytes, fault: int | str | None) -> None:
        try:
            if fault in ("cut", "hang", "changed"):
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                if fault == "hang":
                    self.server_state.closing.wait(20)
                self.close_connection = True
            elif fault == "slow":
                step = len(body) // 10 + 1
                for begin in range(0, len(body), step):
                    self.wfile.write(body[begin : begin + step])
                    self.server_state.closing.wait(0.05)
            elif fault == "crumb":
                self.wfile.write(body[:1])
                self.close_connection = True
            elif fault == "drip":
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    if self.server_state.closing.wait(0.02):
                        break
            else:
                self.wfile.write(body)
        except ConnectionError:  # the client has gone
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing to stderr."""
