"""The videos among the inputs of ``carseg predict``: an overlay of each, files of its frames, and what is printed."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carseg._files import to_json
from carseg.cli.options import Format
from carseg.cli.outputs import Job
from carseg.cli.saving import Document
from carseg.cli.terminal import ProgressBar, echo, err, fail, table
from carseg.errors import CarsegError, OptionError, printable
from carseg.inference import Result, Segmenter, Video
from carseg.workflows import VIDEO_FORMATS, is_overlay_video, overlay_video

_COLUMNS = ("part", "frames", "mean share", "largest share")


def is_video_file(out: Path) -> bool:
    """Return whether ``--out`` names a video and not a folder."""
    return out.suffix.lower() in VIDEO_FORMATS and not out.is_dir()


@dataclass(frozen=True)
class VideoOptions:
    """What is to be made of each video.

    Attributes:
        out: a folder, or the file of the only video's overlay.
        kinds: those of ``--save``; ``overlay`` is a video, the others are files of every frame.
        every: take one of so many frames.
        start: seconds to the first frame.
        end: seconds at which no more are taken.
        smooth: whether the masks are averaged over time.
        ffmpeg: the program that encodes.
        encoder: the name that the program, or PyAV, has for an encoder.
    """

    out: Path
    kinds: list[str]
    every: int = 1
    start: float = 0.0
    end: float | None = None
    smooth: bool = False
    ffmpeg: str | None = None
    encoder: str | None = None

    def video(self, job: Job) -> Video:
        """Return the frames that are taken of a video."""
        source = int(job.source) if job.source.isdecimal() and not os.path.lexists(job.source) else job.source
        return Video(source, every=self.every, start=self.start, end=self.end)

    def overlay(self, job: Job) -> Path | None:
        """Return where the overlay of a video goes."""
        if is_video_file(self.out):
            return self.out
        return self.out / job.folder / f"{job.stem}.overlay.mp4" if "overlay" in self.kinds else None

    def frames(self, job: Job) -> tuple[Path, list[str]]:
        """Return where the files of its frames go, and of which kinds they are."""
        folder = self.out.with_suffix("") if is_video_file(self.out) else self.out / job.folder / job.stem
        return folder, [kind for kind in self.kinds if kind != "overlay"]

    def say_what_is_there(self, jobs: list[Job]) -> None:
        """Say how many overlays of earlier runs will be replaced.

        Raises:
            OptionError: one would replace a file that carseg did not write.
        """
        if importlib.util.find_spec("av") is None:  # none will be written
            return
        there = [path for job in jobs if (path := self.overlay(job)) and os.path.lexists(path)]
        for path in there:
            if not is_overlay_video(path):
                raise OptionError(f"{path} exists and is not an overlay of carseg: choose another --out")
        if there:
            err(f"carseg: results of earlier runs in {self.out} are replaced (files: {len(there)})")


def predict_videos(
    segmenter: Segmenter,
    jobs: list[Job],
    options: VideoOptions,
    format: Format,
    settings: dict[str, Any],
    add: Callable[[Document], None] | None = None,
) -> int:
    """Segment videos, write and print what was found in them; return how many failed, if in part only.

    Args:
        segmenter: the network.
        jobs: the videos.
        options: what is to be made of each.
        format: of what is printed.
        settings: as for ``Segmenter.stream``.
        add: called with what was found in each frame.
    """
    failed = 0
    for job in jobs:
        try:
            failed += not _predict(segmenter, job, options, format, settings, add)
        except OptionError:  # which is the same for all
            raise
        except CarsegError as error:
            fail(error)
            failed += 1
    return failed


def _predict(
    segmenter: Segmenter,
    job: Job,
    options: VideoOptions,
    format: Format,
    settings: dict[str, Any],
    add: Callable[[Document], None] | None,
) -> bool:
    """Return whether a video was done to its end."""
    video, whole, seen = options.video(job), True, _Seen()
    end = options.end or video.duration()
    folder, kinds = options.frames(job)
    documents = add is not None or format is Format.json or "json" in kinds
    how = {**settings, "latest": video.live, "smooth": options.smooth, "track": documents and segmenter.tells_cars}
    results: Iterator[Result | CarsegError] = segmenter.stream([video], on_error="yield", **how)
    try:
        with ExitStack() as stack, ProgressBar(job.stem) as bar:
            if path := options.overlay(job):
                written = overlay_video(results, path, video, ffmpeg=options.ffmpeg, encoder=options.encoder)
                results = stack.enter_context(closing(written))  # else a file that is begun would be left
            for result in results:
                if isinstance(result, CarsegError):
                    fail(result)
                    whole = False
                    continue
                files = result.save(folder, kinds, f"{job.stem}-{result.frame:06}")
                found = result.to_dict() if add or format is Format.json else {}  # takes its time
                if add:
                    add(found)
                if format is Format.json:
                    echo(to_json({**found, "files": {kind: str(path) for kind, path in files.items()}}))
                    if video.live:  # whoever reads a pipe waits for it
                        sys.stdout.flush()
                seen.add(result)
                done = 0.0 if end is None or result.time is None else result.time - options.start
                bar.show(done / (end - options.start) if end else 0.0, f"{seen.frames} frames")
    finally:
        if format is Format.table and seen.frames:
            echo(seen.table(job.source))
    return whole


class _Seen:
    """What was found in the frames of a video."""

    def __init__(self) -> None:
        self.frames = 0
        self._size, self._seconds = "", 0.0
        self._parts: dict[str, tuple[int, float, float]] = {}  # frames with it, sum of its shares, the largest of them

    def add(self, result: Result) -> None:
        """Count a frame."""
        self.frames += 1
        self._size, self._seconds = f"{result.width} x {result.height}", result.time or 0.0
        for part in result.parts:
            frames, total, largest = self._parts.get(part.name, (0, 0.0, 0.0))
            share = part.area_fraction
            self._parts[part.name] = frames + 1, total + share, max(largest, share)

    def table(self, source: str) -> str:
        """Return for each part in how many frames it was, its mean share of all frames and its largest of one."""
        title = f"{printable(source)}  {self._size}  {self.frames} frames, to {self._seconds:.2f} s"
        rows = [
            (name, str(frames), f"{total / self.frames:.1%}", f"{largest:.1%}")
            for name, (frames, total, largest) in sorted(self._parts.items(), key=lambda part: -part[1][1])
        ]
        return f"{title}\n{table(_COLUMNS, rows, '<>>>')}\n" if rows else f"{title}\nnothing found\n"
