"""Label images called a little differently from their images: ``a.jpg.png``, ``mask_0.png`` of ``image_0.png``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

_IMAGE_WORDS = frozenset(("image", "images", "img", "imgs", "picture", "photo", "frame", "rgb"))
_LABEL_WORDS = frozenset(("mask", "masks", "label", "labels", "seg", "segmentation", "gt", "annotation"))


def named_like_images(
    labels: Mapping[str, Path], images: Mapping[str, Path], root: Path, endings: Iterable[str]
) -> dict[str, Path]:
    """Return label images by the names of the images that they belong to, as far as their own names tell.

    Args:
        labels: the label images by their names.
        images: the images by theirs.
        root: the folder of the images.
        endings: what may follow an image's name in a label's; such labels keep their names.
    """
    there = {name + ending for name in images for ending in endings}
    loose = [name for name in labels if name not in there]
    files = {path.relative_to(root).as_posix(): name for name, path in images.items()}
    found = {name: files[name] for name in loose if name in files}
    rest = [name for name in loose if name not in found and _core(name, _LABEL_WORDS) != _words(name)]
    cores = {name: _core(name, _LABEL_WORDS) for name in rest}
    alone = {name: _core(name, _IMAGE_WORDS) for name in images if name not in labels}
    counts, owners = Counter(cores.values()), Counter(alone.values())
    by_core = {core: name for name, core in alone.items()}
    # Only where nothing else could be meant.
    found |= {name: by_core[core] for name, core in cores.items() if counts[core] == owners[core] == 1}
    taken = Counter(found.values())
    named = {name: image for name, image in found.items() if taken[image] == 1}
    return {named.get(name, name): path for name, path in labels.items()}


def is_called_label(name: str) -> bool:
    """Return whether a word in the name says that the file is a label."""
    return _core(name, _LABEL_WORDS) != _words(name)


def _core(name: str, without: frozenset[str]) -> tuple[str, ...]:
    return tuple(word for word in _words(name) if word not in without)


def _words(name: str) -> tuple[str, ...]:
    """Return the folder of a name and its words: letters, or digits."""
    path = PurePosixPath(name)
    return (path.parent.as_posix(), *re.findall(r"[^\W\d_]+|\d+", path.name.lower()))
