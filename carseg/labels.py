"""Label sets: class names, colours, the background, left/right twins. Standard library only.

Colours are fixed per class, so that two pictures, or two models, can be compared by eye. A part and its twin on the other
side share a hue and differ in lightness (left dark, right light), which survives the common colour-vision deficiencies.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

from carseg.errors import OptionError

IGNORE = 255  # the label of pixels that take no part in training or in any figure
Color = tuple[int, int, int]


@dataclass(frozen=True)
class LabelSet:
    """The classes of a network.

    Attributes:
        name: how the manifest and the command line call it.
        classes: class names; the position is the label id.
        colors: one RGB colour a class, each component 0..255.
        background: label id of "nothing of interest", or None where every class is of interest.
        foreground: label ids that ``Result.cutout()`` keeps.
    """

    name: str
    classes: tuple[str, ...]
    colors: tuple[Color, ...]
    background: int | None
    foreground: tuple[int, ...]

    def __post_init__(self) -> None:
        count = len(self.classes)
        if not 1 <= count <= IGNORE:
            raise OptionError(f"label set {self.name!r} has {count} classes; 1 to {IGNORE} can be stored in a mask")
        if len(set(self.classes)) != count:
            raise OptionError(f"label set {self.name!r} names a class twice")
        if len(self.colors) != count:
            raise OptionError(f"label set {self.name!r} has {count} classes but {len(self.colors)} colours")
        ids = self.foreground if self.background is None else (*self.foreground, self.background)
        if not all(0 <= i < count for i in ids):
            raise OptionError(f"label set {self.name!r} speaks of a label id outside 0..{count - 1}")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Label ids of left/right twins, found by name: ``front_left_door`` and ``front_right_door``.

        Mirroring a picture swaps them. "Left" is the vehicle's left.
        """
        ids = {name: i for i, name in enumerate(self.classes)}
        twins = ((i, ids.get(_other_side(name))) for name, i in ids.items() if "left" in _words(name))
        return tuple((left, right) for left, right in twins if right is not None)

    @property
    def unpaired(self) -> tuple[str, ...]:
        """Names that speak of a side but have no twin: mirroring a picture would give them the wrong side."""
        paired = {self.classes[i] for pair in self.pairs for i in pair}
        return tuple(n for n in self.classes if {"left", "right"} & set(_words(n)) and n not in paired)

    @property
    def flipped(self) -> tuple[int, ...]:
        """For each label id the id it has in the mirrored picture."""
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
) -> LabelSet:
    """A label set of one's own; colours are spread over the hues, the foreground is all but the background."""
    classes = tuple(classes)
    if foreground is None:
        foreground = tuple(i for i in range(len(classes)) if i != background)
    return LabelSet(name, classes, colors or spread_colors(classes, background), background, foreground)


def spread_colors(classes: tuple[str, ...], background: int | None) -> tuple[Color, ...]:
    """Distinct colours for any class names: twins share a hue, the background is black."""
    hues: dict[str, float] = {}
    colors: list[Color] = []
    for i, name in enumerate(classes):
        words = _words(name)
        side = "left" if "left" in words else "right" if "right" in words else ""
        hue = hues.setdefault(_without_side(name), (len(hues) * 0.618034) % 1.0)
        lightness = {"left": 0.40, "right": 0.68}.get(side, (0.45, 0.60, 0.52)[len(hues) % 3])
        red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.85)
        colors.append((0, 0, 0) if i == background else (round(red * 255), round(green * 255), round(blue * 255)))
    return tuple(colors)


def _words(name: str) -> list[str]:
    return name.replace("-", "_").replace(" ", "_").lower().split("_")


def _without_side(name: str) -> str:
    return "_".join(word for word in _words(name) if word not in ("left", "right"))


def _other_side(name: str) -> str:
    return name.replace("left", "right").replace("Left", "Right").replace("LEFT", "RIGHT")


CARPARTS = label_set(
    "carparts",
    (
        "background",
        "back_bumper",
        "back_glass",
        "back_left_door",
        "back_left_light",
        "back_right_door",
        "back_right_light",
        "front_bumper",
        "front_glass",
        "front_left_door",
        "front_left_light",
        "front_right_door",
        "front_right_light",
        "hood",
        "left_mirror",
        "right_mirror",
        "tailgate",
        "trunk",
        "wheel",
    ),
)

CARVANA = label_set("carvana", ("background", "car"), colors=((0, 0, 0), (230, 159, 0)))

CAMVID = label_set(
    "camvid",
    (
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "sign_symbol",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    ),
    background=None,
    foreground=(8,),
)

# The 32 classes of the original labels, in the published order; readers map "void" to the ignore id unless asked for it.
CAMVID32 = label_set(
    "camvid32",
    (
        "animal",
        "archway",
        "bicyclist",
        "bridge",
        "building",
        "car",
        "cart_luggage_pram",
        "child",
        "column_pole",
        "fence",
        "lane_markings_driving",
        "lane_markings_non_driving",
        "misc_text",
        "motorcycle_scooter",
        "other_moving",
        "parking_block",
        "pedestrian",
        "road",
        "road_shoulder",
        "sidewalk",
        "sign_symbol",
        "sky",
        "suv_pickup_truck",
        "traffic_cone",
        "traffic_light",
        "train",
        "tree",
        "truck_bus",
        "tunnel",
        "vegetation_misc",
        "void",
        "wall",
    ),
    background=None,
    foreground=(5, 22, 27),
)

BDD = label_set(
    "bdd",
    ("direct_lane", "alternative_lane", "background"),
    background=2,
    colors=((0, 114, 178), (230, 159, 0), (0, 0, 0)),
)

LABEL_SETS = {labels.name: labels for labels in (CARPARTS, CARVANA, CAMVID, CAMVID32, BDD)}
