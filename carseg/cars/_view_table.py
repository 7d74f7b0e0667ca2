"""Numbers of the rule in ``view.py``, fitted to a turntable's images by ``recipes/view.py``."""

from __future__ import annotations

# To the logit of: front, front-left or -right, left or right, rear-left or -right, rear.
CONSTANT = (1.74, -1.77, -0.30, 0.96, 0.49)

SHARE = {
    "front_bumper": (0.83, 0.11, -1.28, 0.23, 1.04),
    "front_light": (0.01, 1.66, 3.54, -3.50, -3.42),
    "hood": (0.81, 4.26, -1.51, -2.28, -1.77),
    "front_glass": (5.98, 4.91, -8.21, -0.91, 2.46),
    "back_bumper": (-0.35, -4.93, -2.02, 4.16, 5.92),
    "back_light": (-1.66, -4.09, 1.52, 3.01, 0.79),
    "lid": (-4.00, 1.73, 0.53, -0.52, 0.53),
    "back_glass": (-1.71, -2.48, -3.54, 3.52, 6.71),
    "front_door": (-5.29, 2.38, 2.12, -0.46, -2.81),
    "back_door": (-1.32, 1.12, 1.59, 1.53, -7.16),
    "mirror": (6.68, 0.67, -0.07, -3.80, -0.28),
    "wheel": (-6.76, 1.65, 1.19, 0.31, 0.46),
}

# To the logit of: front-left, left, rear-left; with the other sign to that of the right ones.
PLACE = {
    "front_bumper": (-10.21, -4.29, 3.64),
    "front_light": (1.19, -5.66, 2.04),
    "hood": (-6.38, -0.64, -0.16),
    "front_glass": (4.26, 3.67, 2.06),
    "back_bumper": (-1.32, 0.45, 3.98),
    "back_light": (0.58, 4.85, 0.03),
    "lid": (8.61, 3.60, 5.80),
    "back_glass": (0.29, -2.31, -4.86),
    "front_door": (2.67, -3.42, -10.66),
    "back_door": (7.09, 2.88, -2.53),
    "mirror": (-2.65, -0.47, -1.31),
    "wheel": (2.73, -2.13, -6.95),
}

SIDE = {
    "front_light": (2.48, 1.61, -1.05),
    "back_light": (-0.95, 1.01, 2.22),
    "front_door": (0.74, 0.70, 0.76),
    "back_door": (0.91, 0.99, 1.00),
    "mirror": (1.57, 1.72, 0.69),
}
