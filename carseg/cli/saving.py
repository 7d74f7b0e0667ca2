"""The files of ``predict`` and ``cutout``: which are there already, how they are written, whether they still are."""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from carseg._files import discard_partial
from carseg.cli.outputs import Job, plan, refuse_overwriting
from carseg.cli.terminal import ProgressBar, err, fail, short
from carseg.errors import CarNotFoundError, CarsegError, ImageError, OutputError, excerpt
from carseg.images import enough_memory
from carseg.inference import Result, is_saved, path_of, prefetch, rows_of, table_file
from carseg.workflows import CutoutFiles

Document = dict[str, Any]

# With these no further file could be written either.
_HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def find_inputs(inputs: list[str], out: Path) -> tuple[list[Job], list[Job], int]:
    """Return the images and the videos with where their files go, and how many are missing, which is said.

    Without any, exit.
    """
    jobs, missing = plan(inputs, out)
    for error in missing:
        fail(error)
    if not jobs:
        raise typer.Exit(2)
    images, videos = [[job for job in jobs if job.is_video is wanted] for wanted in (False, True)]
    return images, videos, len(missing)


def find_jobs(inputs: list[str], out: Path, kinds: list[str]) -> tuple[list[Job], int]:
    """Return the images with where their files go, and how many inputs are none, which is said; without any, exit."""
    images, videos, missing = find_inputs(inputs, out)
    for video in videos:
        fail(f"{excerpt(video.source)}: this command takes no videos, carseg predict does (--save cutout)")
    if not images:
        raise typer.Exit(2)
    refuse_overwriting(images, out, kinds)
    return images, missing + len(videos)


class Saving:
    """What a run writes; the images go in and the results come out in the same order.

    Args:
        out: where results go.
        kinds: the kinds of files that an image gets.
        origin: returns of an image what its files are found again by, see ``carseg.inference.origin_of``.
        file: where the only kind of the only image goes, instead of a name of its own in ``out``.
        cars: whether the cars of an image are told, which takes its time.
        jobs: images that are written at once, as for ``Segmenter.stream``.
    """

    def __init__(
        self,
        out: Path,
        kinds: list[str],
        origin: Callable[[str], str],
        file: Path | None = None,
        *,
        cars: bool = True,
        jobs: int | None = None,
    ) -> None:
        self.out, self.kinds, self.origin, self.file, self.cars, self.jobs = out, kinds, origin, file, cars, jobs
        self._begun: deque[tuple[Job, str]] = deque()
        self._saved: list[Job] = []
        self._began = time.monotonic()

    def begin(self, jobs: list[Job], *, skip_existing: bool) -> list[Job]:
        """Return the jobs that are to be done, and say what is there already; the time counts from then on."""
        todo = self._without_saved(jobs) if skip_existing else jobs
        self._say_what_is_there(jobs, todo)
        self._began = time.monotonic()
        return todo

    def _without_saved(self, jobs: list[Job]) -> list[Job]:
        """Return the jobs but those of which all files are there, whole, and made of the same image alike."""
        todo: list[Job] = []
        with ProgressBar("looking at results") as bar:
            saved = prefetch(self._is_saved, jobs, self.jobs)
            for number, (job, done) in enumerate(zip(jobs, saved, strict=True), 1):
                (self._saved if done else todo).append(job)
                for path in self._paths(job) if done else ():
                    discard_partial(path)
                bar.count(number, len(jobs))
        return todo

    def _say_what_is_there(self, jobs: list[Job], todo: list[Job]) -> None:
        """Say how many of the jobs are left out, and how many files of the others will be replaced."""
        if skipped := len(jobs) - len(todo):
            err(f"carseg: {skipped} images have their files in {self.out} and are left out")
        if replaced := sum(os.path.exists(path) for job in todo for path in self._paths(job)):
            err(f"carseg: results of earlier runs in {self.out} are replaced (files: {replaced})")

    def sources(self, jobs: list[Job]) -> Iterator[str]:
        """Yield the images; their content counts as it was before they are read."""
        origins = prefetch(lambda job: self.origin(job.source), jobs, self.jobs)
        for job, made_from in zip(jobs, origins, strict=True):
            self._begun.append((job, made_from))
            yield job.source

    def write(self, results: Iterator[Result | CarsegError]) -> Iterator[Document | CarsegError]:
        """Save results on threads beside the network; yield what was found in each image, or why nothing was."""
        return prefetch(self._write, ((*self._begun.popleft(), result) for result in results), self.jobs)

    def finish(self, total: int, failed: int, model: str) -> int:
        """Say how many images are done and where their files are; return the exit status."""
        failed += self._say_deleted()
        message = f"carseg: {total - failed} of {total} done in {short(time.monotonic() - self._began)} with {model}"
        err(f"{message}; results are in {self.out}" if self.kinds and failed < total else message)
        return int(failed > 0)

    def _say_deleted(self) -> int:
        """Return how many images had their files, or got them, and have lost them since; say so."""
        gone = [job for job in self._saved if not all(map(os.path.exists, self._paths(job)))]
        if gone:
            fail(
                f"results were deleted from {self.out} while the command ran (images: {len(gone)}; "
                f"{excerpt(gone[0].source)} for one): run it again with --skip-existing"
            )
        return len(gone)

    def _paths(self, job: Job) -> list[Path]:
        if self.file:
            return [self.file]
        return [path_of(self.out / job.folder, job.stem, kind, job.source) for kind in self.kinds]

    def _is_saved(self, job: Job) -> bool:
        there = all(map(os.path.exists, self._paths(job)))  # else the image need not be read
        origin = self.origin(job.source) if there else ""
        return there and is_saved(self.out / job.folder, job.stem, self.kinds, origin, source=job.source)

    def _write(self, one: tuple[Job, str, Result | CarsegError]) -> Document | CarsegError:
        job, made_from, result = one
        if isinstance(result, CarsegError):
            return result
        try:
            with enough_memory(excerpt(job.source)):
                document = self._save(job, result, made_from)
        except (ImageError, CarNotFoundError) as error:
            return error
        except OutputError as error:
            deleted = error.errno == errno.ENOENT  # meanwhile; else one folder below it is closed
            if error.errno in _HOPELESS or not (deleted or os.access(self.out, os.W_OK)):
                raise
            return error
        self._saved.append(job)
        return document

    def _save(self, job: Job, result: Result, made_from: str) -> Document:
        """Write the files of an image and return what was found in it, and where they are."""
        result.root = result.root or str(job.root)  # COCO names the image from there on
        if self.file is None:
            files = result.save(self.out / job.folder, self.kinds, job.stem, made_from=made_from)
        else:
            files = {self.kinds[0]: self.file}
            result.save_as(self.file, self.kinds[0], made_from=made_from)
        return {**result.to_dict(cars=self.cars), "files": {kind: str(path) for kind, path in files.items()}}


class CutoutSaving(Saving):
    """What a run of ``carseg cutout`` writes.

    Args:
        out: where the pictures go.
        files: what they are.
        origin: as for ``Saving``.
        jobs: as for ``Saving``.
    """

    def __init__(self, out: Path, files: CutoutFiles, origin: Callable[[str], str], jobs: int | None = None) -> None:
        super().__init__(out, [files.kind], lambda source: files.made_from(origin(source)), jobs=jobs)
        self.files = files

    def _save(self, job: Job, result: Result, made_from: str) -> Document:
        path = self.files.save(result, self.out / job.folder, job.stem, made_from=made_from)
        return {"source": result.source, "files": {"cutout": str(path)}}


@contextmanager
def tabulated(path: Path | None) -> Iterator[Callable[[Document], None] | None]:
    """Yield what adds the rows of a document to a table, None where no path is given.

    Raises:
        OutputError: the table cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        with table_file(path) as table:
            yield lambda document: table.add(rows_of(document))
    except OSError as error:
        if isinstance(error, CarsegError | BrokenPipeError):  # the latter is that of standard output
            raise
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another --table") from error
