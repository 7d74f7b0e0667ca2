"""Constant tables behind ``carseg.labels``: classes and colours of the known sets, and colours for other classes."""

from __future__ import annotations

Color = tuple[int, int, int]

# Pairs of a dark and a light colour, each pair as different as possible from those before it.
SPREAD_COLORS: tuple[tuple[Color, Color], ...] = (
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

CARPARTS_COLORS: dict[str, Color] = {
    "background": (0, 0, 0),
    "back_bumper": (191, 43, 132),
    "back_glass": (9, 155, 195),
    "back_left_door": (8, 105, 96),
    "back_left_light": (137, 1, 39),
    "back_right_door": (114, 195, 184),
    "back_right_light": (232, 103, 115),
    "front_bumper": (131, 78, 187),
    "front_glass": (114, 255, 255),
    "front_left_door": (45, 24, 179),
    "front_left_light": (134, 138, 0),
    "front_right_door": (89, 99, 249),
    "front_right_light": (244, 251, 140),
    "hood": (173, 228, 3),
    "left_mirror": (88, 37, 120),
    "right_mirror": (212, 159, 252),
    "tailgate": (144, 85, 13),
    "trunk": (253, 204, 160),
    "wheel": (240, 154, 54),
}

CARVANA_COLORS: dict[str, Color] = {
    "background": (0, 0, 0),
    "car": (230, 159, 0),
}

CAR5_COLORS: dict[str, Color] = {
    "background": (0, 0, 0),
    "body": (63, 90, 150),
    "wheel": (240, 154, 54),
    "light": (244, 251, 140),
    "window": (114, 255, 255),
}

CAMVID_COLORS: dict[str, Color] = {
    "sky": (169, 234, 255),
    "building": (140, 88, 92),
    "pole": (171, 177, 197),
    "road": (98, 1, 99),
    "pavement": (194, 104, 214),
    "tree": (53, 82, 11),
    "sign_symbol": (243, 251, 49),
    "fence": (235, 180, 68),
    "car": (13, 61, 226),
    "pedestrian": (255, 75, 23),
    "bicyclist": (27, 164, 121),
}

BDD_COLORS: dict[str, Color] = {
    "direct_lane": (0, 114, 178),
    "alternative_lane": (230, 159, 0),
    "background": (0, 0, 0),
}

# All 32 original classes, in the published order; readers map "void" to the ignore id unless asked for it.
CAMVID32_CLASSES = (
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
)
