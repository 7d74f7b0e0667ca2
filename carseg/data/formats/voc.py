"""Pascal VOC's layout: ``JPEGImages/``, ``SegmentationClass/`` and the lists ``ImageSets/Segmentation/SPLIT.txt``.

Labels are palette PNG, or colour-coded where ``labelmap.txt`` names the colours. The 21 class names are given to
folders called VOC2007, VOC2012, ...; other folders in this layout bring a class file.
"""

from __future__ import annotations

from pathlib import Path

from carseg.data.formats._base import (
    SPLIT_ORDER,
    SPLITS,
    Found,
    files_below,
    files_in,
    filled_lines,
    images_below,
    pair,
    roots,
    subfolder,
)
from carseg.data.formats._class_files import class_file
from carseg.data.formats._color_tables import color_table
from carseg.data.formats._values import ColorFile, MaskFile
from carseg.data.formats._writing import IGNORED, LabeledImage, Writer, colors_by_name, write_png, write_text
from carseg.data.formats.masks import IMAGE_FOLDERS
from carseg.errors import DataError, excerpt
from carseg.images import index_image
from carseg.labels import LabelSet, plain_name

NAME = "voc"
LAYOUT = "JPEGImages/ and SegmentationClass/"

_LIST = Path("ImageSets", "Segmentation", "default.txt")
_IMAGE_FOLDERS = ("jpegimages", *IMAGE_FOLDERS)  # CVAT's archive may come without images

_CLASSES = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "potted_plant",
    "sheep",
    "sofa",
    "train",
    "tv_monitor",
]


def read(folder: Path, images: Path | None = None, annotations: Path | None = None) -> dict[str, Found] | None:
    """Return the images that the lists name, by split; all that have a label where there is no list."""
    image_root, label_root = roots(folder, _IMAGE_FOLDERS, ("segmentationclass",), images, annotations)
    if image_root is None or label_root is None:
        return None
    lists = _lists(folder)
    own = subfolder(folder, ("jpegimages", "segmentationclass"))
    if own is None and not lists:  # nothing is left that tells it from other label images
        return None
    table = color_table(folder)
    colors = tuple(table.values()) if table else ()
    original = folder.name.lower().startswith("voc20") and class_file(folder) is None
    names = table or (_CLASSES if original else ())
    values = {value: None if plain_name(name) == IGNORED else name for value, name in enumerate(names)} or None
    photos, files = images_below(image_root), files_below(label_root, (".png",))
    found = {}
    for split, names in lists.items() or [("", sorted(files))]:
        records, problems = pair(
            {name: photos[name] for name in names if name in photos},
            {name: files[name] for name in names if name in files},
            lambda path: ColorFile(path, colors) if colors else MaskFile(path),
        )
        for name in names:
            if name not in photos and name not in files:
                problems[name] = f"{split}.txt lists {excerpt(name)}, which is not there"
        found[split] = Found(NAME, records, values, colors=table or {}, problems=problems)
    return found


def _lists(folder: Path) -> dict[str, list[str]]:
    lists = {}
    for path in files_in(folder / "ImageSets" / "Segmentation", ".txt"):
        if path.stem.lower() in SPLITS:
            try:
                lists[SPLITS[path.stem.lower()]] = filled_lines(path.read_text("utf-8-sig"))
            except (OSError, UnicodeDecodeError) as error:
                raise DataError(f"{path} is no list of names: {error}") from None
    return {split: lists[split] for split in SPLIT_ORDER if split in lists}


class VocWriter(Writer):
    """Writes palette PNG into ``SegmentationClass/``, the list of names, and ``labelmap.txt`` as CVAT has it."""

    IMAGES = "JPEGImages"

    def __init__(self, folder: Path, labels: LabelSet, split: str = "") -> None:
        super().__init__(folder, labels, split)
        self._names: list[str] = []

    def go_on(self) -> None:
        self._names = filled_lines((self.folder / _LIST).read_text("utf-8", "surrogateescape"))

    def add(self, image: LabeledImage) -> None:
        write_png(self.folder / "SegmentationClass" / f"{image.name}.png", index_image(image.mask, image.labels))
        self._names.append(image.name)

    def close(self) -> None:
        listed = "".join(f"{name}\n" for name in self._names)
        write_text(self.folder / _LIST, listed)
        colors = (f"{name}:{','.join(map(str, color))}::\n" for name, color in colors_by_name(self.labels).items())
        write_text(self.folder / "labelmap.txt", "# label:color_rgb:parts:actions\n" + "".join(colors))
