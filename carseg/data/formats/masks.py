"""Images beside label images of the same names: index, palette, grey or colour-coded files.

A label's values are its palette indices or grey levels, 255 is ignored; where a colour table lies in the folder
(``_color_tables``) they are its colours. Labels of nothing but 0 and 255 are two classes, unless a class file
states the values. Two folders are paired as

    images/[train|val|test/]  masks/[train|val|test/]      (also imgs, img_dir, ... and labels, annotations, ...)
    train/ val/ test/         train_masks/ | trainannot/ | train_labels/ ...

or are one, NAME.jpg beside NAME_mask.png (_label.png, ...), as Roboflow exports semantic labels, with ``_classes.csv``.
A label may also be called NAME.jpg.png, or mask_0.png where the image is image_0.png.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from carseg.data.dataset import spread
from carseg.data.formats._base import (
    SPLITS,
    Found,
    Item,
    files_below,
    images_below,
    labeled_splits,
    pair,
    roots,
    split_folders,
    subfolder,
)
from carseg.data.formats._color_tables import color_table
from carseg.data.formats._label_names import is_called_label, named_like_images
from carseg.data.formats._values import ColorFile, MaskFile, palette_of, used_colors
from carseg.data.formats._writing import LabeledImage, Writer, write_png
from carseg.errors import DataError
from carseg.images import SUFFIXES, index_image
from carseg.labels import Color

NAME = "masks"
LAYOUT = "images/ and masks/ with label images (PNG) of the same names, or NAME.jpg and NAME_mask.png"

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "img_dir", "pictures", "701_stillsraw_full")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "ann_dir", "gt", "labeledapproved_full")
MASK_SUFFIXES = (".png", ".gif", ".bmp", ".tif", ".tiff")
MASK_ENDINGS = ("", "_mask", "_label", "_labels", "_seg", "_gt", "_L", "_P")
_LOSSY = (".jpg", ".jpeg")
_PIXELS = (*MASK_SUFFIXES, *_LOSSY)
_SIBLINGS = ("_masks", "_mask", "_labels", "_label", "annot", "_annot", "_gt")


def mask_folders(
    folder: Path, images_at: Path | None = None, masks_at: Path | None = None
) -> dict[str, tuple[Path, Path]]:
    """Return the folders of images and of label images by split ("": no splits), {} where there are none.

    Args:
        images_at: where the images lie, if not where their layout has them; ``masks_at`` likewise.
    """
    image_root, mask_root = roots(folder, IMAGE_FOLDERS, MASK_FOLDERS, images_at, masks_at)
    whole: tuple[Path, Path] | None
    if image_root is not None and mask_root is not None:
        images, labels, whole = split_folders(image_root), split_folders(mask_root), (image_root, mask_root)
    else:
        images = split_folders(folder)
        siblings = {split: _sibling(folder, place) for split, place in images.items()}
        labels = {split: place for split, place in siblings.items() if place is not None}
        whole = None if images else (folder, folder)
    pairs = labeled_splits(images, labels, _PIXELS)
    return {"": whole} if not pairs and whole and label_files(*whole) else pairs


def label_files(images: Path, masks: Path) -> dict[str, Path]:
    """Return the label images of two folders by name, their image's where it differs a little (``_label_names``).

    In one folder of both they are those named after an image.
    JPEGs are among them only where there is nothing else: reading one raises what is wrong with it.
    """
    files = files_below(masks, MASK_SUFFIXES) or files_below(masks, _LOSSY)
    names = images_below(images)
    if images != masks:
        return named_like_images(files, names, images, MASK_ENDINGS)
    beside = {
        name: path
        for name, path in files.items()
        if any(name.endswith(ending) and name.removesuffix(ending) in names for ending in MASK_ENDINGS[1:])
    }
    if beside:
        return beside
    called = {name: path for name, path in files.items() if is_called_label(name)}
    others = {name: path for name, path in names.items() if name not in called}
    return {name: path for name, path in named_like_images(called, others, images, ()).items() if name in others}


def _sibling(folder: Path, images: Path) -> Path | None:
    return subfolder(folder, [images.name.lower() + ending for ending in _SIBLINGS])


def refuse_unsplit(folders: Mapping[str, tuple[Path, Path]], suffixes: Sequence[str] = _PIXELS) -> None:
    """Raise DataError where labelled images lie beside the folders of the splits, which alone are read.

    Args:
        folders: the folders of images and of labels by split, "" where there are no splits.
        suffixes: those of labels.
    """
    for root, label_root in dict.fromkeys((i.parent, m.parent) for split, (i, m) in folders.items() if split):
        labels = _outside_splits(label_root, suffixes, _SIBLINGS if root == label_root else ())
        beside, _ = pair(_outside_splits(root, SUFFIXES), labels, MaskFile, MASK_ENDINGS)
        if beside:
            names = " or ".join(images.name for images, _ in folders.values())
            raise DataError(
                f"{beside[0].image} has a label and would not be read, as it lies in no folder of a split, {names}: "
                f"move both there, or out of {root}"
            )


def _outside_splits(root: Path, suffixes: Iterable[str], siblings: Sequence[str] = ()) -> dict[str, Path]:
    """Return the files that lie in no folder of a split, by name; of ``siblings`` only those, called as their images.

    In ``siblings`` are the ends of names of folders of labels.
    """
    outside = {}
    for name, path in files_below(root, suffixes).items():
        first, *rest = name.split("/")
        ending = next((each for each in siblings if first.lower().endswith(each)), "")
        place = first.removesuffix(first[len(first) - len(ending) :])
        if place.lower() not in SPLITS and bool(ending) == bool(siblings):
            outside["/".join((place, *rest))] = path
    return outside


def read(folder: Path, images: Path | None = None, annotations: Path | None = None) -> dict[str, Found] | None:
    """Return every split of images and label images; class names come from a colour table, or are left open."""
    table = color_table(folder)
    found = {}
    colors = tuple(table.values()) if table else ()
    folders = mask_folders(folder, images, annotations)
    refuse_unsplit(folders)
    for split, (image_root, mask_root) in folders.items():
        labels = label_files(image_root, mask_root)
        if not colors:
            _agree_on_colors(list(labels.values()))
        records, problems = pair(
            images_below(image_root),
            labels,
            lambda path: ColorFile(path, colors) if colors else MaskFile(path),
            MASK_ENDINGS,
        )
        values: Mapping[int, str | None] | None = dict(enumerate(table)) if table else None
        found[split] = Found(NAME, records, values, colors=table or {}, problems=problems)
    return found or None


def _agree_on_colors(labels: list[Path]) -> None:
    """Raise DataError unless the palettes agree: each file has its own where images were reduced to few colours.

    Raises:
        DataError: a colour is one value here and another there, where that stands for another colour.
    """
    some = spread(labels, 64)
    if len({palette_of(path) for path in some}) <= 1:
        return
    where: dict[tuple[int, Color], Path] = {}
    for path in some:
        with suppress(DataError):  # verify() and check() name it
            where.update({stands: path for stands in used_colors(path)})
    for value, color in where:
        others = [c for v, c in where if v == value and c != color]
        if others and any(c == color and v != value for v, c in where):
            raise DataError(
                f"the palettes of the labels differ: {value} is one colour in {where[value, color]} and another in "
                f"{where[value, others[0]]}; put class_dict.csv (name,r,g,b) into the data set's folder"
            )


def stored_labels(records: list[Item], limit: int | None = None) -> Iterator[np.ndarray]:
    """Yield the labels of these records as stored, or of ``limit`` evenly spread ones; broken labels are skipped."""
    for record in spread(records, limit) if limit else records:
        with suppress(DataError):  # verify() and check() name it
            yield record.label.read(0, 0)


def scan_values(records: list[Item], limit: int | None = None) -> set[int]:
    """Return the values stored in the labels of these records, or of ``limit`` of them; broken labels are skipped."""
    values: set[int] = set()
    for label in stored_labels(records, limit):
        values.update(np.unique(label).tolist())
    return values


class MasksWriter(Writer):
    """Writes ``masks/NAME.png``: label ids with the colours of the classes as their palette, 255 ignored."""

    def add(self, image: LabeledImage) -> None:
        write_png(self.folder / "masks" / f"{image.name}.png", index_image(image.mask, image.labels))
