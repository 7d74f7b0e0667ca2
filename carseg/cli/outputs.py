"""From what is given to ``carseg predict`` to a list of images, each with a place of its own below ``--out``."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from carseg.errors import ImageNotFoundError, OptionError, excerpt
from carseg.hub import web_address
from carseg.images import is_data_uri
from carseg.inference import OUTPUT_SUFFIXES, find_images, is_video, is_video_address, path_of, source_digest

_OWN = {"json": b'{"source": ', "coco": b'{"made_from": '}


@dataclass(frozen=True)
class Job:
    """An image and where its files go.

    Attributes:
        source: a path, an address or a data URI.
        root: the given folder it was found in; of a single file the folder it lies in.
        folder: where its files go, below ``--out``.
        stem: what their names begin with.
        is_video: whether it is a video.
    """

    source: str
    root: Path
    folder: PurePosixPath
    stem: str
    is_video: bool = False


def plan(inputs: Iterable[str], out: Path) -> tuple[list[Job], list[ImageNotFoundError]]:
    """Return what is to be done, in the order given; an image that was given twice is done once.

    Args:
        inputs: files, folders, glob patterns, ``http(s)`` addresses and data URIs.
        out: where results go; what lies there is no input.

    Returns:
        The jobs, no two of which write the same file, and the inputs that hold no image.

    Raises:
        OptionError: ``out`` is one of the given folders, and holds images that are no results.
    """
    jobs: dict[str, Job] = {}
    missing: dict[str, ImageNotFoundError] = {}
    for given in inputs:
        try:
            for job in _expand(given, out):
                jobs.setdefault(os.path.abspath(job.source) if "://" not in job.source else job.source, job)
        except ImageNotFoundError as error:
            missing[given] = error
    if jobs:  # `carseg predict *` a second time is given the results of the first one too
        missing = {given: error for given, error in missing.items() if Path(given).resolve() != out.resolve()}
    return _separate(list(jobs.values())), list(missing.values())


def refuse_overwriting(jobs: list[Job], out: Path, kinds: Iterable[str]) -> None:
    """Refuse to replace what the user gave, or what is called like a result and was not written by carseg.

    Raises:
        OptionError: a result would have the place of an input, or of such a file.
    """
    both = itertools.product(jobs, kinds)
    targets = [(path_of(out / job.folder, job.stem, kind, job.source), kind) for job, kind in both]
    there = [(target, kind) for target, kind in targets if os.path.exists(target)]
    inputs = {os.path.realpath(job.source) for job in jobs} if there else set()
    for target, kind in there:
        if os.path.realpath(target) in inputs:
            raise OptionError(f"{target} is one of the images, and would be overwritten: choose another --out")
        if kind in _OWN and not _is_own(target, _OWN[kind]):
            raise OptionError(f"{target} exists and is not a result of carseg: choose another --out")


def one_file(out: Path, kinds: list[str], jobs: list[Job]) -> Path | None:
    """Return the file that ``--out`` names, of the only kind of the only image; None where it names a folder.

    Raises:
        OptionError: it names a file, and that cannot be one of what was asked for.
    """
    ending = out.suffix.lower()
    if out.is_dir() or ending not in (".png", ".json", ".jpg", ".jpeg"):
        if out.is_file():
            raise OptionError(
                f"--out {out} is a file: choose a folder, for one image a .png, .jpg or .json, for one video an .mp4"
            )
        return None
    if len(kinds) != 1 or len(jobs) != 1 or jobs[0].is_video:
        raise OptionError(f"--out {out} is one file: give one image and one kind of result, such as --save cutout")
    wanted = [f".{OUTPUT_SUFFIXES[kinds[0]].rpartition('.')[2]}", *([".jpg", ".jpeg"] if kinds[0] == "overlay" else [])]
    if ending not in wanted:
        raise OptionError(f"--out {out}: {kinds[0]} is written as {' or '.join(wanted)}; name the file accordingly")
    if os.path.realpath(out) == os.path.realpath(jobs[0].source):
        raise OptionError(f"--out {out} is the image itself, and would be overwritten: choose another")
    return out


def _is_own(document: Path, start: bytes) -> bool:
    """Return whether a file begins like the JSON that ``Result.save`` writes, be it cut off or empty."""
    try:
        with document.open("rb") as file:
            return start.startswith(file.read(len(start)))
    except OSError:  # it cannot be read, and writing says why
        return True


def _expand(given: str, out: Path) -> list[Job]:
    if is_data_uri(given):
        return [Job(given, Path(), PurePosixPath(), "picture")]
    if given.isdecimal() and not os.path.lexists(given):
        return [Job(given, Path(), PurePosixPath(), f"camera-{given}", is_video=True)]
    if address := web_address(given) or (given if "://" in given and is_video(given) else None):
        try:
            parts = urlsplit(address)
        except ValueError:  # its text may have the password
            raise ImageNotFoundError(f"{excerpt(address)}: not an address") from None
        place = PurePosixPath(unquote(parts.path))
        name = re.sub(r"[^\w.-]+", "_", place.name or "picture")
        host = parts.netloc.rpartition("@")[2]
        video = is_video(address) or is_video_address(address)
        return [Job(address, Path(f"{host}{place.parent}"), PurePosixPath(), name, video)]
    if not given:
        raise ImageNotFoundError("an empty text is not an image")
    path = Path(os.path.expanduser(given))  # unlike Path's, it leaves a file alone whose name begins with ~
    if os.path.isdir(path):  # unlike Path's, it is false for a text that is too long for a name
        return _below(path, find_images(path), out)
    if glob.has_magic(given) and not os.path.lexists(path):
        return _below(_fixed_part(path), find_images(str(path)), out)
    if not os.path.lexists(path):
        raise ImageNotFoundError(f"{excerpt(given)}: no such file or folder")
    return [Job(str(path), path.parent, PurePosixPath(), path.name, is_video(path))]


def _below(root: Path, images: Iterable[Path | str], out: Path) -> list[Job]:
    results, real = out.resolve(), root.resolve()
    inside = real in results.parents
    jobs = []
    for image in map(Path, images):
        relative = image.relative_to(root)
        if not (inside and results in (real / relative).parents):
            jobs.append(Job(str(image), root, PurePosixPath(relative.parent.as_posix()), image.name, is_video(image)))
    if jobs and results == real:
        raise OptionError(f"--out {out} is the folder of the images themselves; choose another")
    if not jobs:
        raise ImageNotFoundError(f"{root}: the folder holds only results of earlier runs")
    return jobs


def _fixed_part(pattern: Path) -> Path:
    """Return the folder that a glob pattern starts from."""
    fixed = pattern.parent
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    return fixed


def _separate(jobs: list[Job]) -> list[Job]:
    """Give every job a folder and a stem that no other has. They come with the whole file name as their stem.

    Names that are the same (of addresses, or but for their case) get a digest. Where two given folders collide, all go
    below their own names. A name keeps its extension where it shares its stem, or its stem is another's whole name.
    """
    same = Counter(_place(job, job.stem, root=job.root) for job in jobs)
    jobs = [replace(job, stem=_marked(job)) if same[_place(job, job.stem, root=job.root)] > 1 else job for job in jobs]
    owners: dict[str, Path] = {}
    collide = any(owners.setdefault(_place(job, _bare(job)), job.root) != job.root for job in jobs)
    names = _tell_apart({job.root for job in jobs}) if collide else {}
    jobs = [replace(job, folder=names.get(job.root, PurePosixPath()) / job.folder) for job in jobs]
    shared = Counter(_place(job, _bare(job)) for job in jobs)
    shared.update({_place(job, job.stem) for job in jobs if _bare(job) != job.stem})
    return [job if shared[_place(job, _bare(job))] > 1 else replace(job, stem=_bare(job)) for job in jobs]


def _bare(job: Job) -> str:
    return PurePosixPath(job.stem).stem


def _place(job: Job, stem: str, *, root: Path | None = None) -> str:
    """Return what is the same for what is one file where names differ by more than their case, as on macOS."""
    return f"{root or ''}\0{job.folder / stem}".casefold()


def _marked(job: Job) -> str:
    name = PurePosixPath(job.stem)
    return f"{name.stem}-{source_digest(job.source)}{name.suffix}"


def _tell_apart(roots: Collection[Path]) -> dict[Path, PurePosixPath]:
    """Return the shortest ends of the paths that differ by more than their case; a drive counts as a folder."""
    whole = {root: root.resolve() for root in roots}
    parts = {root: (path.drive.replace(":", ""), *path.parts[1:]) for root, path in whole.items()}

    def different(length: int) -> int:
        return len({"/".join(path[-length:]).casefold() for path in parts.values()})

    length = 1
    while different(length) < different(0):  # of 0, the whole paths
        length += 1
    return {root: PurePosixPath(*parts[root][-length:]) for root in roots}
