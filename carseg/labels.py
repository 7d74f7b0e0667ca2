"""Label sets: class names, colours, the background, left-right pairs. Standard library only.

Colours are fixed per class, so that two images, or two models, can be compared by eye. A part and its counterpart on
the other side share a hue and differ in lightness (left dark, right light). The colours were chosen so that no two of a
set come near each other for normal sight, nor with protanopia, deuteranopia or tritanopia; a test holds that.
"""

from __future__ import annotations

import colorsys
import itertools
import re
from dataclasses import dataclass

from carseg._label_sets import (
    BDD_COLORS,
    CAMVID32_CLASSES,
    CAMVID_COLORS,
    CAR5_COLORS,
    CARPARTS_COLORS,
    CARVANA_COLORS,
    SPREAD_COLORS,
)
from carseg._label_sets import Color as Color
from carseg.errors import OptionError

IGNORE = 255  # the label of pixels that take no part in training or in any figure


@dataclass(frozen=True)
class LabelSet:
    """The classes of a network, with their colours.

    Attributes:
        name: its name in the manifest and on the command line.
        classes: class names; the position is the label id.
        colors: one RGB colour per class, each component 0..255.
        background: label id of the background; None if every class is of interest.
        foreground: label ids that ``Result.cutout()`` shows.
        min_area: ``predict`` removes pieces smaller than this share of the largest piece of their class, 0..1; 0 if
            small pieces may matter.
    """

    name: str
    classes: tuple[str, ...]
    colors: tuple[Color, ...]
    background: int | None
    foreground: tuple[int, ...]
    min_area: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.classes)
        if not 1 <= count <= IGNORE:
            raise OptionError(f"label set {self.name!r} has {count} classes; 1 to {IGNORE} can be stored in a mask")
        if len(set(self.classes)) != count:
            raise OptionError(f"label set {self.name!r} names a class twice")
        if len(self.colors) != count:
            raise OptionError(f"label set {self.name!r} has {count} classes but {len(self.colors)} colours")
        if not all(0 <= component <= 255 for color in self.colors for component in color):
            raise OptionError(f"label set {self.name!r} has a colour outside 0..255")
        ids = self.foreground if self.background is None else (*self.foreground, self.background)
        if not all(0 <= i < count for i in ids):
            raise OptionError(f"label set {self.name!r} speaks of a label id outside 0..{count - 1}")
        if not 0 <= self.min_area <= 1:
            raise OptionError(f"label set {self.name!r} has a min_area outside 0..1")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Label ids of left-right pairs, found by name, such as ``front_left_door`` and ``front_right_door``.

        Mirroring an image swaps them. "Left" is the vehicle's left.
        """
        ids = {name: i for i, name in enumerate(self.classes)}
        pairs = ((i, ids.get(_other_side(name))) for name, i in ids.items() if "left" in _words(name))
        return tuple((left, right) for left, right in pairs if right is not None)

    @property
    def unpaired(self) -> tuple[str, ...]:
        """Class names with a side but no counterpart, which would be on the wrong side in a mirrored image."""
        paired = {self.classes[i] for pair in self.pairs for i in pair}
        return tuple(name for name in self.classes if has_side(name) and name not in paired)

    @property
    def flipped(self) -> tuple[int, ...]:
        """Label ids in the mirrored image, one per label id."""
        ids = list(range(len(self)))
        for left, right in self.pairs:
            ids[left], ids[right] = right, left
        return tuple(ids)


def label_set(
    name: str,
    classes: tuple[str, ...] | list[str],
    *,
    background: int | None = 0,
    foreground: tuple[int, ...] | None = None,
    colors: tuple[Color, ...] | None = None,
    min_area: float = 0.0,
) -> LabelSet:
    """Return a label set; by default its colours are those of ``spread_colors``, its foreground all but the background.

    Args:
        name: its name in the manifest.
        classes: class names; the position is the label id.
        background: label id of "nothing of interest", or None where every class is of interest.
        foreground: label ids of what ``Result.cutout()`` shows.
        colors: one RGB colour per class, each component 0..255.
        min_area: see ``LabelSet``.

    Raises:
        OptionError: a class is named twice, there are none or more than 255, a label id or colour does not fit them, or
            ``min_area`` is out of range.
    """
    classes = tuple(classes)
    if foreground is None:
        foreground = tuple(i for i in range(len(classes)) if i != background)
    return LabelSet(name, classes, colors or spread_colors(classes, background), background, foreground, min_area)


def plain_name(name: str) -> str:
    """Return a name for comparing: ``background`` for ``_background_``, ``left_front_door`` for ``Left-front door``."""
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())


def spread_colors(classes: tuple[str, ...], background: int | None) -> tuple[Color, ...]:
    """Return distinct colours for any class names: left-right pairs share a hue, the background is black.

    The first 28 were chosen to be distinguished with any colour vision; further ones go round the hues.
    """
    lefts = (name for name in classes if "left" in _words(name) and _other_side(name) in classes)
    tones = dict(zip(map(without_side, lefts), SPREAD_COLORS, strict=False))
    free = list(enumerate(SPREAD_COLORS[len(tones) :]))
    single = iter([pair[1 - i % 2] for i, pair in free] + [pair[i % 2] for i, pair in free])
    hues = map(_hue, itertools.count())
    colors: list[Color] = []
    for i, name in enumerate(classes):
        if i == background:
            colors.append((0, 0, 0))
        elif has_side(name) and (pair := tones.get(without_side(name))):
            colors.append(pair["right" in _words(name)])
        else:
            colors.append(next(single, None) or next(hues))
    return tuple(colors)


def _hue(number: int) -> Color:
    red, green, blue = colorsys.hls_to_rgb(number * 0.618034 % 1.0, (0.45, 0.60, 0.75)[number % 3], 0.6)
    return round(red * 255), round(green * 255), round(blue * 255)


def _words(name: str) -> list[str]:
    return re.split(r"[\W_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


def has_side(name: str) -> bool:
    """Return whether a class's name says left or right."""
    return not {"left", "right"}.isdisjoint(_words(name))


def without_side(name: str) -> str:
    """Return a class's name without its side: ``front_door`` for ``front_left_door``, ``mirror`` for ``LeftMirror``."""
    return "_".join(word for word in _words(name) if word not in ("left", "right"))


def with_side(name: str, side: str) -> str:
    """Return a class's name with a side, as ``carparts`` has it: ``front_left_door`` for ``front_door`` and "left"."""
    *before, last = _words(name)
    return "_".join((*before, side, last))


def _other_side(name: str) -> str:
    return name.replace("left", "right").replace("Left", "Right").replace("LEFT", "RIGHT")


def _known(
    name: str,
    table: dict[str, Color],
    background: int | None,
    foreground: tuple[int, ...] | None = None,
    min_area: float = 0.0,
) -> LabelSet:
    colors = tuple(table.values())
    return label_set(name, tuple(table), background=background, foreground=foreground, colors=colors, min_area=min_area)


# Of the labelled pieces of training images those that are smaller are slips of an annotator, nearly all of them: real
# ones (a far wheel, a second car, a quarter window) are larger.
CARPARTS = _known("carparts", CARPARTS_COLORS, 0, min_area=0.05)
CARVANA = _known("carvana", CARVANA_COLORS, 0, min_area=0.01)
CAR5 = _known("car5", CAR5_COLORS, 0, min_area=0.02)
CAMVID = _known("camvid", CAMVID_COLORS, None, (8,))
CAMVID32 = label_set("camvid32", CAMVID32_CLASSES, background=None, foreground=(5, 22, 27))
BDD = _known("bdd", BDD_COLORS, 2)

LABEL_SETS = {labels.name: labels for labels in (CARPARTS, CARVANA, CAR5, CAMVID, CAMVID32, BDD)}
