"""Around every request: the key, the headers that every answer has, one line of the log, the metrics."""

from __future__ import annotations

import base64
import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from carseg.serving.metrics import ROUTES, Metrics
from carseg.serving.refusal import GONE

_log = logging.getLogger("carseg")
_OPEN = {"/", "/page", "/docs", "/openapi.json", "/healthz"}  # what can be had without the key: nothing of anybody's
# Nothing is loaded from elsewhere, nothing is sent elsewhere, and no other page may hold this one in a frame.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Guard:
    """Wraps an application.

    Args:
        app: what answers.
        metrics: what counts the requests.
        key: what a request has to show as ``Authorization: Bearer KEY``, or in the way of the annotation tools: as
            ``Token: KEY``, or as the password of ``Authorization: Basic``; None: nothing.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, key: str | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route = _route(scope["path"].removeprefix(scope.get("root_path", "")))  # where it is mounted in another
        status, began = GONE, time.monotonic()  # without a status nothing was sent

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        self._metrics.began()
        try:
            if route in _OPEN or self._shows_key(scope):
                await self._app(scope, receive, send_guarded)
            else:
                await _unauthorized(scope, receive, send_guarded)
        except Exception:
            status = 500
            raise
        finally:
            seconds = time.monotonic() - began
            self._metrics.ended(route, status, seconds)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"
            _log.info(f"{now} {method} {route} {status} {seconds * 1000:.0f} ms")

    def _shows_key(self, scope: Scope) -> bool:
        if self._key is None:
            return True
        key, shown = self._key.encode(), _shown_keys(Headers(scope=scope))
        return any(secrets.compare_digest(each.encode(), key) for each in shown)


def _shown_keys(headers: Headers) -> Iterator[str]:
    """Yield what a request shows as the key."""
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    if scheme == "Bearer":
        yield shown
    elif scheme == "Basic":
        with suppress(ValueError):
            yield base64.b64decode(shown, validate=True).decode().partition(":")[2]
    if token := headers.get("token"):
        yield token


def _route(path: str) -> str:
    """Return how the log and the metrics call a path: what a client made up, possibly of names, is "other"."""
    if path.startswith("/page/"):
        return "/page"
    return path if path in ROUTES else "other"


async def _unauthorized(scope: Scope, receive: Receive, send: Send) -> None:
    sentence = "this service wants its key: send the header Authorization: Bearer KEY"
    response = JSONResponse({"detail": sentence}, 401, {"WWW-Authenticate": "Bearer"})
    await response(scope, receive, send)
