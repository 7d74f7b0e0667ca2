"""The networks of a service, and the threads that work with them: the network's own loop only sends and receives."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from starlette.requests import Request

from carseg._files import to_json
from carseg.errors import OptionError, unknown_name
from carseg.hub import RECOMMENDED
from carseg.inference import Result, Segmenter, best_edges
from carseg.serving.batches import share
from carseg.serving.limits import Limits
from carseg.serving.refusal import GONE, Refusal
from carseg.serving.settings import Settings
from carseg.serving.uploads import Upload
from carseg.workflows import report

Answer = TypeVar("Answer")
_LONGEST_WAIT = 60  # seconds that a client is asked to wait at most


class Engine:
    """What answers requests: decodes, segments and encodes in threads of its own.

    There is one thread more than images in a batch: while some wait for the network, the next image is decoded. Each
    thread has one image at a time, which bounds the memory.

    Args:
        models: the networks; the first is that of requests which name none.
        limits: of requests.
        batch_size: images that go through a network together; None takes what suits the device.

    Attributes:
        models: the networks by name.
        limits: of requests.
    """

    def __init__(self, models: Sequence[Segmenter], limits: Limits, batch_size: int | None = None) -> None:
        if not models:
            raise OptionError("a service needs a model: name one")
        if batch_size is not None and batch_size < 1:
            raise OptionError(f"batch_size must be at least 1, got {batch_size}")
        self.limits = limits
        size = batch_size or max(model.runtime.batch_size for model in models)
        self.models = {model.name: share(model, size) for model in models}
        if len(self.models) < len(models):
            raise OptionError(
                f"two models have the same name ({', '.join(model.name for model in models)}): name each once"
            )
        for model in self.models.values():
            if best_edges(model.info) == "refined":
                model.refiner  # noqa: B018 - loaded now, and not in the first request for a cut-out
        self._threads = size + 1
        self._pool = ThreadPoolExecutor(self._threads, "carseg-serving")
        self._taken = 0  # changed by the event loop's thread alone
        self._seconds = 0.1  # that a request takes a thread, by and large

    def close(self) -> None:
        """Wait for what is being computed, and end the threads."""
        self._pool.shutdown()

    def model(self, name: str | None) -> Segmenter:
        """Return the network of a name, or of a short one; None: the first.

        Raises:
            Refusal: none of that name is served.
        """
        if name is None:
            return next(iter(self.models.values()))
        if name in RECOMMENDED:
            name = RECOMMENDED[name].model
        if name not in self.models:
            raise Refusal(404, str(unknown_name("model", name, self.models)))
        return self.models[name]

    def segment(self, upload: Upload, settings: Settings, model: Segmenter, *, edges: str = "network") -> Result:
        """Return the result of an image; its bytes are decoded, and never taken for a path or an address."""
        return model.predict(
            upload.content,
            source=upload.name,
            max_pixels=self.limits.pixels,
            sides=settings.sides,
            edges=edges,
            threshold=settings.threshold,
            min_area=settings.min_area,
        )

    def report(self, uploads: Sequence[Upload], require: str, model: Segmenter) -> bytes:
        """Return the document of a report on the photographs of a car, whose crops are data URIs."""
        made = report(map(_file, uploads), model=model, require=require, max_pixels=self.limits.pixels)
        document = made.to_dict()
        for entry in (*document["parts"], *document["wheels"]):
            if entry["best"]:
                jpeg = base64.b64encode(made.best[entry["name"]].jpeg).decode()
                entry["best"]["crop"] = f"data:image/jpeg;base64,{jpeg}"
        return to_json(document, ensure_ascii=False).encode("utf-8", "backslashreplace")

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places for as long as the block runs.

        Raises:
            Refusal: all are taken.
        """
        if self._taken >= self.limits.places:
            wait = min(round(self._taken * self._seconds / self._threads) + 1, _LONGEST_WAIT)
            raise Refusal(
                429,
                f"all {self.limits.places} places are taken: send it again in {wait} s",
                {"Retry-After": str(wait)},
            )
        self._taken += 1
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        self._taken -= 1

    async def work(self, request: Request, function: Callable[[], Answer]) -> Answer:
        """Return what a function returns in one of the threads.

        Raises:
            Refusal: it took too long, or the client hung up meanwhile; if it had begun it ends unheard, and has a
                place until then.
        """
        job = self._pool.submit(self._timed, function)
        answer = asyncio.wrap_future(job)
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody else may look
        gone = asyncio.ensure_future(_hung_up(request))
        try:
            await asyncio.wait((answer, gone), timeout=self.limits.seconds, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if gone.done():
                raise Refusal(GONE, "the client hung up")
            wait = str(min(round(self.limits.seconds) + 1, _LONGEST_WAIT))
            seconds = f"{self.limits.seconds:g} s"
            raise Refusal(
                503, f"no answer within {seconds}: send it again later, or a smaller image", {"Retry-After": wait}
            )
        finally:
            gone.cancel()
            if not answer.done():
                self._abandon(job)

    def _abandon(self, job: Future[Any]) -> None:
        if job.cancel():  # it had not begun
            return
        self._taken += 1
        loop = asyncio.get_running_loop()
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))

    def _timed(self, function: Callable[[], Answer]) -> Answer:
        began = time.monotonic()
        try:
            return function()
        finally:
            self._seconds += (time.monotonic() - began - self._seconds) / 8  # threads may lose one another's: no matter


def _file(upload: Upload) -> io.BytesIO:
    """Return an upload as a file with a name, which is decoded, and never taken for a path."""
    file = io.BytesIO(upload.content)
    file.name = upload.name
    return file


async def _hung_up(request: Request) -> None:
    """Return when the client has gone; its body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
