"""What does the chunks of a job: processes of this machine, or the workers of a Ray cluster. Both do the very same."""

from __future__ import annotations

import functools
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from carseg.errors import CarsegError, MissingExtraError
from carseg.scale.batch import Batch
from carseg.scale.chunks import Chunk
from carseg.scale.shards import Destination, Shard

ENGINES = ("local", "ray")
_AHEAD = 2  # chunks per worker that are handed out at once, so that none waits for the next
_TRIES = 3  # of a chunk whose worker is killed


def work(pickled: bytes, folder: str, chunk: Chunk) -> tuple[int, Shard]:
    """Do a chunk and return its number and what its file says; in a worker, which keeps the network."""
    return chunk.number, Destination(folder).write(_unpickled(pickled), chunk)


@functools.lru_cache(1)
def _unpickled(pickled: bytes) -> Batch:
    batch: Batch = pickle.loads(pickled)
    return batch


def run_locally(
    batch: Batch, destination: Destination, chunks: Iterable[Chunk], workers: int
) -> Iterator[tuple[int, Shard]]:
    """Do chunks in processes of this machine, and yield number and what was done of each as it is done.

    A chunk whose process is killed is done again by another one.

    Raises:
        CarsegError: a chunk's processes were killed three times; or whatever ended a chunk.
    """
    pickled, left, tries = pickle.dumps(batch), iter(chunks), dict[int, int]()
    waiting: dict[Future[tuple[int, Shard]], Chunk] = {}
    again: list[Chunk] = []
    while True:
        with _processes(workers) as pool:
            try:
                while True:
                    while len(waiting) < _AHEAD * workers and (chunk := again.pop() if again else next(left, None)):
                        waiting[pool.submit(work, pickled, destination.folder, chunk)] = chunk
                    if not waiting:
                        return
                    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                        yield future.result()
                        del waiting[future]
            except BrokenProcessPool:  # all that was handed out is lost with it
                again += waiting.values()
                waiting.clear()
                for chunk in again:
                    tries[chunk.number] = tries.get(chunk.number, 0) + 1
                    if tries[chunk.number] == _TRIES:
                        raise _killed(chunk) from None


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Give processes that end at once where the block ends by an error, or this process ends in whatever way.

    Nothing half-written stays, and none of them goes on beside those of the next run.
    """
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    with reader, writer, ProcessPoolExecutor(count, context, _end_with, (reader,)) as pool:
        try:
            yield pool
        except BaseException:
            writer.close()
            raise


def _end_with(reader: Connection) -> None:
    """Let this process end when nobody holds the other end of a pipe any more, and not by the Ctrl-C that all get."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait_for_end() -> None:
        with suppress(EOFError, OSError):
            reader.recv_bytes()
        os._exit(1)

    threading.Thread(target=wait_for_end, daemon=True).start()


def _killed(chunk: Chunk) -> CarsegError:
    return CarsegError(
        f"a worker was killed {_TRIES} times in chunk {chunk.number}, which begins with {chunk.keys[0]}: if the "
        "memory was full, use fewer --workers"
    )


def run_on_ray(
    batch: Batch, destination: Destination, chunks: Iterable[Chunk], workers: int | None, threads: int
) -> Iterator[tuple[int, Shard]]:
    """Do chunks as tasks of the Ray cluster that this process is connected to, or of one on this machine.

    Ray does a chunk again whose worker or node is lost.

    Args:
        batch: what segments the rows.
        destination: where the results go, which every node has to reach.
        chunks: what is to be done.
        workers: tasks at once; None: as many as the cluster has processors for.
        threads: processors that a task takes.

    Raises:
        MissingExtraError: Ray is not installed.
        CarsegError: as ``run_locally``.
    """
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "--engine ray") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    task = ray.remote(num_cpus=threads, max_retries=_TRIES - 1)(work)
    pickled = ray.put(pickle.dumps(batch))
    left = iter(chunks)
    waiting: dict[Any, Chunk] = {}
    while True:
        most = _AHEAD * (workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // threads))
        while len(waiting) < most and (chunk := next(left, None)):
            waiting[task.remote(pickled, destination.folder, chunk)] = chunk
        if not waiting:
            return
        for reference in ray.wait(list(waiting))[0]:
            try:
                yield ray.get(reference)
            except RayTaskError as error:  # of which the text is a traceback
                raise error.cause if isinstance(error.cause, CarsegError) else error from None
            except RayError:
                raise _killed(waiting[reference]) from None
            del waiting[reference]
