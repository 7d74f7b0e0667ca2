"""Label sets: class names, colours, the background, left/right twins. Standard library only.

Colours are fixed per class, so that two pictures, or two models, can be compared by eye. A part and its twin on the
other side share a hue and differ in lightness (left dark, right light). The colours were chosen so that no two of a set
come near each other for normal sight, nor with protanopia, deuteranopia or tritanopia; a test holds that.
"""

from __future__ import annotations

import colorsys
import itertools
import re
from dataclasses import dataclass

from carseg.errors import OptionError

IGNORE = 255  # the label of pixels that take no part in training or in any figure
Color = tuple[int, int, int]

# Pairs of a dark and a light colour, each pair as far as can be from those before it.
_SPREAD: tuple[tuple[Color, Color], ...] = (
    ((114, 136, 1), (196, 223, 112)),
    ((143, 0, 74), (249, 114, 163)),
    ((63, 90, 150), (152, 184, 252)),
    ((13, 4, 163), (62, 106, 250)),
    ((161, 186, 21), (226, 254, 111)),
    ((79, 0, 115), (155, 91, 198)),
    ((133, 82, 98), (243, 185, 201)),
    ((108, 61, 1), (194, 142, 92)),
    ((98, 20, 28), (186, 101, 101)),
    ((90, 54, 115), (181, 143, 211)),
    ((160, 75, 26), (254, 160, 114)),
    ((86, 168, 150), (172, 255, 235)),
    ((8, 121, 148), (134, 225, 254)),
    ((98, 57, 184), (156, 122, 254)),
)


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
        return tuple(name for name in self.classes if _has_side(name) and name not in paired)

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
    """Distinct colours for any class names: twins share a hue, the background is black.

    28 of them are chosen to be told apart with any colour vision; what comes after goes round the hues.
    """
    twins = (name for name in classes if "left" in _words(name) and _other_side(name) in classes)
    tones = dict(zip(map(_without_side, twins), _SPREAD, strict=False))
    free = list(enumerate(_SPREAD[len(tones) :]))
    single = iter([pair[1 - i % 2] for i, pair in free] + [pair[i % 2] for i, pair in free])
    hues = map(_hue, itertools.count())
    colors: list[Color] = []
    for i, name in enumerate(classes):
        if i == background:
            colors.append((0, 0, 0))
        elif _has_side(name) and (pair := tones.get(_without_side(name))):
            colors.append(pair["right" in _words(name)])
        else:
            colors.append(next(single, None) or next(hues))
    return tuple(colors)


def _hue(number: int) -> Color:
    red, green, blue = colorsys.hls_to_rgb(number * 0.618034 % 1.0, (0.45, 0.60, 0.75)[number % 3], 0.6)
    return round(red * 255), round(green * 255), round(blue * 255)


def _words(name: str) -> list[str]:
    return re.split(r"[\W_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


def _has_side(name: str) -> bool:
    return not {"left", "right"}.isdisjoint(_words(name))


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
    colors=(
        (0, 0, 0),  # background
        (191, 43, 132),  # back_bumper
        (9, 155, 195),  # back_glass
        (8, 105, 96),  # back_left_door
        (137, 1, 39),  # back_left_light
        (114, 195, 184),  # back_right_door
        (232, 103, 115),  # back_right_light
        (131, 78, 187),  # front_bumper
        (114, 255, 255),  # front_glass
        (45, 24, 179),  # front_left_door
        (134, 138, 0),  # front_left_light
        (89, 99, 249),  # front_right_door
        (244, 251, 140),  # front_right_light
        (173, 228, 3),  # hood
        (88, 37, 120),  # left_mirror
        (212, 159, 252),  # right_mirror
        (144, 85, 13),  # tailgate
        (253, 204, 160),  # trunk
        (240, 154, 54),  # wheel
    ),
)

CARVANA = label_set("carvana", ("background", "car"), colors=((0, 0, 0), (230, 159, 0)))

CAR5 = label_set(
    "car5",
    ("background", "body", "wheel", "light", "window"),
    colors=(
        (0, 0, 0),  # background
        (63, 90, 150),  # body
        (240, 154, 54),  # wheel
        (244, 251, 140),  # light
        (114, 255, 255),  # window
    ),
)

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
    colors=(
        (169, 234, 255),  # sky
        (140, 88, 92),  # building
        (171, 177, 197),  # pole
        (98, 1, 99),  # road
        (194, 104, 214),  # pavement
        (53, 82, 11),  # tree
        (243, 251, 49),  # sign_symbol
        (235, 180, 68),  # fence
        (13, 61, 226),  # car
        (255, 75, 23),  # pedestrian
        (27, 164, 121),  # bicyclist
    ),
)

# All 32 original classes, in the published order; readers map "void" to the ignore id unless asked for it.
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

LABEL_SETS = {labels.name: labels for labels in (CARPARTS, CARVANA, CAR5, CAMVID, CAMVID32, BDD)}
