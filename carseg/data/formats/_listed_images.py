"""The images that a document lists by their names, and the split that its own name means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from carseg.data.formats._base import SPLITS, images_below, subfolder
from carseg.data.formats.masks import IMAGE_FOLDERS


def listed_images(path: Path, listed: Iterable[str], given: Path | None) -> dict[str, Path]:
    """Return the image of each file name that a document lists, as far as there is one.

    A file name is a path below the folder of images. Where nothing lies there, it means the only image of the same
    last name, if no other entry has that one: exporters leave folders out, and put others in front.
    """
    place = path.parent.parent if split_of(path.parent.name) else path.parent
    base = place.parent if place.name.lower() == "annotations" else path.parent
    folder = given or subfolder(base, IMAGE_FOLDERS) or base
    base = given or base
    split = split_of(path.stem) or split_of(path.parent.name)
    placed: dict[str, Path] = {}
    named: dict[tuple[str, bool], list[Path]] = {}  # by file name, and whether it is in a folder of this split
    for image in images_below(folder).values():
        placed[image.relative_to(base).as_posix()] = placed[image.relative_to(folder).as_posix()] = image
        own = bool(split) and split in map(split_of, image.relative_to(base).parent.parts)
        named.setdefault((image.name, own), []).append(image)
    found = {file: placed[file] for file in listed if file in placed}
    taken = Counter(found.values())
    loose = {
        file: (named.get((Path(file).name, True)) or named.get((Path(file).name, False), []))
        for file in listed
        if file not in found
    }
    taken.update(same[0] for same in loose.values() if len(same) == 1)
    return found | {file: same[0] for file, same in loose.items() if len(same) == 1 and taken[same[0]] == 1}


def split_of(name: str) -> str:
    """Return the split that a word of a file's or folder's name means, such as train2017, "" where none does."""
    return next((SPLITS[word] for word in words_of(name) if word in SPLITS), "")


def words_of(name: str) -> list[str]:
    """Return the words of a file's or folder's name in lower case, without the digits at their ends."""
    words = name.lower().replace("-", "_").replace(".", "_").split("_")
    return [word.rstrip("0123456789") for word in words]


def image_names(listed: Iterable[str]) -> dict[str, str]:
    """Return the name of each listed image: its path without the extension, which stays where others share the rest."""
    bare = {file: _bare(file) for file in listed}
    shared = Counter(bare.values())
    return {file: name + PurePosixPath(file).suffix * (shared[name] > 1) for file, name in bare.items()}


def _bare(file: str) -> str:
    """Return a path without its extension, and without what leads out of the folder."""
    place = PurePosixPath(file)
    parts = (place.with_suffix("") if place.name else place).parts
    return PurePosixPath(*(part for part in parts if part not in ("/", ".."))).as_posix()
