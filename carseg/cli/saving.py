"""The files of ``carseg predict``: which are there already, how they are written, and whether they still are there."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from carseg._files import discard_partial
from carseg.cli.outputs import Job
from carseg.cli.terminal import ProgressBar
from carseg.errors import CarsegError, ImageError, OutputError, excerpt
from carseg.images import enough_memory
from carseg.inference import Result, is_saved, path_of, prefetch

Document = dict[str, Any]

_AHEAD = 4  # results that wait to be written; more would only take memory
# With these no further file could be written either.
_HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class Saving:
    """What a run writes; the images go in and the results come out in the same order.

    Args:
        out: where results go.
        kinds: the kinds of files that an image gets.
        origin: returns of an image what its files are found again by, see ``carseg.inference.origin_of``.
        file: where the only kind of the only image goes, instead of a name of its own in ``out``.
    """

    def __init__(self, out: Path, kinds: list[str], origin: Callable[[str], str], file: Path | None = None) -> None:
        self.out, self.kinds, self.origin, self.file = out, kinds, origin, file
        self._begun: deque[tuple[Job, str]] = deque()
        self._saved: list[Job] = []

    def without_saved(self, jobs: list[Job]) -> list[Job]:
        """Return the jobs but those of which all files are there, whole, and made of the same image alike."""
        todo: list[Job] = []
        with ProgressBar("looking at results") as bar:
            for number, (job, done) in enumerate(zip(jobs, prefetch(self._is_saved, jobs, _AHEAD), strict=True), 1):
                (self._saved if done else todo).append(job)
                for path in self._paths(job) if done else ():
                    discard_partial(path)
                bar.count(number, len(jobs))
        return todo

    def existing(self, jobs: Iterable[Job]) -> int:
        """Return how many of the files of jobs are there, by name."""
        return sum(os.path.exists(path) for job in jobs for path in self._paths(job))

    def sources(self, jobs: list[Job]) -> Iterator[str]:
        """Yield the images; their content counts as it was before they are read."""
        origins = prefetch(lambda job: self.origin(job.source), jobs, _AHEAD)
        for job, made_from in zip(jobs, origins, strict=True):
            self._begun.append((job, made_from))
            yield job.source

    def write(self, results: Iterator[Result | CarsegError]) -> Iterator[Document | CarsegError]:
        """Save results on threads beside the network; yield what was found in each image, or why nothing was."""
        return prefetch(self._write, ((*self._begun.popleft(), result) for result in results), _AHEAD)

    def deleted(self) -> list[Job]:
        """Return the jobs whose files were there, or were written, and are not there any more."""
        return [job for job in self._saved if not all(map(os.path.exists, self._paths(job)))]

    def _paths(self, job: Job) -> list[Path]:
        return [self.file] if self.file else [path_of(self.out / job.folder, job.stem, kind) for kind in self.kinds]

    def _is_saved(self, job: Job) -> bool:
        there = all(map(os.path.exists, self._paths(job)))  # else the image need not be read
        return there and is_saved(self.out / job.folder, job.stem, self.kinds, self.origin(job.source))

    def _save(self, result: Result, job: Job, made_from: str) -> dict[str, Path]:
        result.root = result.root or str(job.root)  # COCO names the image from there on
        if self.file is None:
            return result.save(self.out / job.folder, self.kinds, job.stem, made_from=made_from)
        result.save_as(self.file, self.kinds[0], made_from=made_from)
        return {self.kinds[0]: self.file}

    def _write(self, one: tuple[Job, str, Result | CarsegError]) -> Document | CarsegError:
        job, made_from, result = one
        if isinstance(result, CarsegError):
            return result
        try:
            with enough_memory(excerpt(job.source)):
                files = self._save(result, job, made_from)
                found = result.to_dict()
        except ImageError as error:
            return error
        except OutputError as error:
            deleted = error.errno == errno.ENOENT  # meanwhile; else one folder below it is closed
            if error.errno in _HOPELESS or not (deleted or os.access(self.out, os.W_OK)):
                raise
            return error
        self._saved.append(job)
        return {**found, "files": {kind: str(path) for kind, path in files.items()}}
