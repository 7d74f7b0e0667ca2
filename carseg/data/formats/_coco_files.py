"""Which COCO files of a folder are read, and of which split each of them is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carseg.data.formats._base import SPLIT_ORDER, SPLITS, files_in
from carseg.data.formats._documents import read_json
from carseg.data.formats._listed_images import split_of, words_of
from carseg.errors import DataError, excerpt

Files = Mapping[Path, Mapping[str, Any]]  # the content of COCO files
_ASIDE = frozenset(("keypoints", "captions", "panoptic"))  # words in names of files that hold other annotations


def files_by_split(folder: Path, *, below: bool = False) -> dict[str, Files]:
    """Return the COCO files in a folder by split: "" for a single one, and for all in a folder that is called as one.

    Args:
        folder: where they lie.
        below: those in its folders that are called like splits, too; all in one of them are of that split.

    Raises:
        DataError: their names do not say which of them are read together.
    """
    files, further = _files_in(folder), _files_below(folder) if below else {}
    own, named = SPLITS.get(folder.name.lower()), {split_of(path.stem) for path in files}
    together = len(files) == 1 or (own and files and named <= {"", own})
    return {"": files} if together and not further else _by_split(folder, files, further)


def _files_below(folder: Path) -> dict[str, Files]:
    """Return the COCO files in the folders of splits."""
    places: dict[str, Path] = {}
    for place in sorted(path for path in folder.iterdir() if split_of(path.name) and path.is_dir()):
        other = places.setdefault(split_of(place.name), place)
        if other is not place:
            raise DataError(f"{folder} has two folders of one split, {other.name} and {place.name}: rename one of them")
    found = {split: files for split, place in places.items() if (files := _files_in(place))}
    for split, files in found.items():
        for path in files:
            if split_of(path.stem) not in ("", split):
                raise DataError(f"{path} is called as if it were not of {split}, where it lies: rename or move it")
    return found


def _by_split(folder: Path, files: Files, below: Mapping[str, Files]) -> dict[str, Files]:
    """Return the files of each split: one of a folder's own, or all in a folder of the split."""
    splits = dict(below)
    for path, content in files.items():
        split = split_of(path.stem)
        if not split or split in splits:
            paths = (*files, *(each for inside in below.values() for each in inside))
            listed = ", ".join(str(each.relative_to(folder)) for each in paths)
            raise DataError(
                f"{folder} holds several COCO files ({listed}); open one of them instead of the folder, or put those "
                "that are read together into a folder for their split, annotations/train/ and so on"
            )
        splits[split] = {path: content}
    return {split: splits[split] for split in sorted(splits, key=SPLIT_ORDER.index)}


def _files_in(folder: Path) -> Files:
    """Return the files to read of a folder: COCO's own archives hold other annotations of the same images as well.

    Raises:
        DataError: one that is not read lists images that the others lack.
    """
    parsed = {path: content for path in files_in(folder, ".json") if (content := parse(path)) is not None}
    files = [path for path in parsed if not _ASIDE & {*words_of(path.stem)}] or list(parsed)
    named = [path for path in files if path.name.lower().startswith("instances")]
    known = {"", *(split_of(path.stem) for path in named)}
    chosen = {path: parsed[path] for path in files if not named or path in named or split_of(path.stem) not in known}
    listed = {file for content in chosen.values() for file in _listed(content)}
    for path in files:
        lacking = [file for file in _listed(parsed[path]) if file not in listed]
        if lacking:
            names = " and ".join(each.name for each in chosen)
            raise DataError(
                f"of the COCO files in {folder}, {names} would be read, but {path.name} lists further images, such as "
                f"{excerpt(lacking[0])}: open one of the files instead of the folder, or move what shall not be read"
            )
    return chosen


def _listed(content: Mapping[str, Any]) -> list[str]:
    """Return the names of the images that a file lists, as far as it is in order."""
    images = content["images"] if isinstance(content["images"], list) else []
    return [str(image["file_name"]) for image in images if isinstance(image, dict) and "file_name" in image]


def parse(path: Path) -> Mapping[str, Any] | None:
    """Return the content of a COCO file, None where it is none.

    Raises:
        DataError: it cannot be read, and is called as if it held the labels.
    """
    try:
        data = read_json(path)
    except DataError:
        if not any(word in path.stem.lower() for word in ("annotation", "instances", "coco")):
            return None
        raise
    keys = {"images", "annotations", "categories"}
    return data if isinstance(data, dict) and keys <= data.keys() else None
