"""A job: images of a source through a network into a folder of tables; it goes on where it was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from carseg._env import usable_processors
from carseg._version import __version__
from carseg.errors import OptionError, unknown_name
from carseg.scale.batch import Batch
from carseg.scale.chunks import Chunk, chunks
from carseg.scale.engines import ENGINES, run_locally, run_on_ray
from carseg.scale.shards import SCHEMA, Destination, Shard

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Job:
    """What a job does.

    Attributes:
        source: as ``carseg.scale.chunks.chunks`` takes it.
        folder: where the results go: a folder, or what fsspec opens.
        rows: images per file of results.
        shard: place and number of the processes that share the job, from 1: (3, 16) does every sixteenth chunk.

    Raises:
        OptionError: a number is out of range.
    """

    source: str
    folder: str
    rows: int = 1000
    shard: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        place, of = self.shard
        if self.rows < 1:
            raise OptionError(f"rows must be at least 1, got {self.rows}")
        if not 1 <= place <= of:
            raise OptionError(f"shard must be PLACE/NUMBER, the place from 1 to the number, got {place}/{of}")


@dataclass(frozen=True)
class Summary:
    """What was done.

    Attributes:
        images: in the files of this process's part of the job, from earlier runs too.
        errors: those whose image could not be read.
        new: images that this run did.
        complete: whether the files of all parts are there, and with them ``_manifest.json``.
    """

    images: int
    errors: int
    new: int
    complete: bool


def run_job(
    job: Job,
    batch: Batch,
    *,
    engine: str = "local",
    workers: int | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> Summary:
    """Do a job, or what is left of it, and return what was done.

    Args:
        job: what to do.
        batch: what segments the rows.
        engine: local or ray.
        workers: processes, or tasks of the cluster; None: as many as fit the processors.
        threads: processors that each takes, as the batch was made for.
        progress: called with the images done by this run, and those of them with errors.

    Raises:
        UnknownNameError: no such engine.
        ImageNotFoundError: the source holds no image.
        DataError: the source cannot be read.
        OptionError: the folder holds another job, or the source has changed since it began.
        OutputError: the results cannot be written.
        MissingExtraError: a package is missing.
    """
    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES)
    if workers is not None and workers < 1:
        raise OptionError(f"workers must be at least 1, got {workers}")
    destination = Destination(job.folder)
    facts = _facts(job, batch)
    destination.begin(facts)
    found = _Found(job, destination)
    if engine == "local":
        done = run_locally(batch, destination, found.left(), workers or max(1, usable_processors() // threads))
    else:
        done = run_on_ray(batch, destination, found.left(), workers, threads)
    new = errors = 0
    for number, shard in done:
        found.shards[number] = shard
        new, errors = new + shard.images, errors + shard.errors
        if progress:
            progress(new, errors)
    shards = found.all()
    if shards is not None:
        total = {"images": sum(each.images for each in shards), "errors": sum(each.errors for each in shards)}
        destination.finish({**facts, **total, "files": [vars(each) for each in shards]})
    own = found.shards.values()
    return Summary(sum(s.images for s in own), sum(s.errors for s in own), new, shards is not None)


class _Found:
    """The chunks of a job as they are found, and what their files say."""

    def __init__(self, job: Job, destination: Destination) -> None:
        self.job, self.destination = job, destination
        self.shards: dict[int, Shard] = {}  # of this part
        self.others: list[tuple[int, str]] = []  # number and digest of the chunks of other parts

    def left(self) -> Iterator[Chunk]:
        """Yield the chunks of this part that have no file yet."""
        place, of = self.job.shard
        for chunk in chunks(self.job.source, self.job.rows):
            if chunk.number % of != place - 1:
                self.others.append((chunk.number, chunk.digest))
            elif shard := self.destination.done(chunk.number, chunk.digest):
                self.shards[chunk.number] = shard
            else:
                yield chunk

    def all(self) -> list[Shard] | None:
        """Return what all files of all parts say, None while any is missing."""
        shards = dict(self.shards)
        for number, digest in self.others:
            shard = self.destination.done(number, digest)
            if shard is None:
                return None
            shards[number] = shard
        return [shards[number] for number in sorted(shards)]


def _facts(job: Job, batch: Batch) -> dict[str, Any]:
    """Return what makes two jobs the same."""
    model = batch.segmenter
    return {
        "schema": SCHEMA,
        "carseg": __version__,
        "source": job.source,
        "rows": job.rows,
        "model": model.name,
        "sha256": model.info.sha256,
        "cars": model.cars and model.cars.info.sha256,
        "runtime": model.runtime.name,
        "precision": model.runtime.precision,
        "columns": list(batch.columns),
        "settings": {key: value for key, value in batch.settings.items() if key != "batch_size"},
    }
