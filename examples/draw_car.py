"""Renders the example image, examples/car.jpg: a car in a street, since no photograph may be shipped.

    python examples/draw_car.py [OUT.jpg] [--scale 0.5]

Rays are marched to the car, whose shape is in car_shape.py; where they hit, the point tells the material. Needs numpy
and Pillow; takes about 20 seconds of one core and gives the same image every time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from car_shape import (
    AXLES,
    BUMPER,
    CABIN_SIDE,
    DOORS,
    FRAME,
    GRILLE,
    INTAKE,
    LAMP,
    STRIP,
    TYRE,
    Array,
    cabin_side,
    distance,
    smooth,
    straightened,
    to_axle,
    to_line,
    within,
)

WIDTH, HEIGHT, SAMPLES = 960, 720, 2
EYE, TARGET, FOCAL = np.array([5.5, 4.5, 1.5]), np.array([0.13, 0.0, 0.70]), 4.15
SUN = np.array([0.25, 0.62, 0.74]) / np.linalg.norm([0.25, 0.62, 0.74])
PAINT, BLACK, STEEL = np.array([0.165, 0.185, 0.21]), np.array([0.012, 0.012, 0.013]), np.array([0.26, 0.265, 0.275])


def noise(u: Array, v: Array, seed: int) -> Array:
    """Smooth random numbers 0..1 in the plane."""
    table = np.random.default_rng(seed).random((64, 64))
    i, j = np.floor(u).astype(int), np.floor(v).astype(int)
    a, b = smooth(0, 1, u - i), smooth(0, 1, v - j)
    near, far = (table[(i + m) % 64, j % 64] * (1 - b) + table[(i + m) % 64, (j + 1) % 64] * b for m in (0, 1))
    return near * (1 - a) + far * a


def march(ray: Array) -> Array:
    """How far each ray goes from the eye to the car, infinite where it passes."""
    low, high = (np.array([2.35, 1.15, 0.75]) * sign + [0, 0, 0.75] for sign in (-1, 1))
    ends = np.stack([(low - EYE) / ray, (high - EYE) / ray])
    length, leave, missed = ends.min(0).max(-1), ends.max(0).min(-1), np.ones(len(ray), bool)
    going = np.flatnonzero(length < leave)
    for _ in range(110):
        d = distance(EYE + length[going, None] * ray[going])
        length[going] += 0.85 * d
        missed[going[d < 0.0012]] = False
        going = going[(d >= 0.0012) & (length[going] < leave[going])]
    return np.where(missed, np.inf, length)


def sunlight(p: Array) -> Array:
    """How much of the sun is seen from a point, 0..1."""
    light, t = np.ones(len(p)), np.full(len(p), 0.03)
    for _ in range(22):
        d = distance(p + t[:, None] * SUN)
        light, t = np.minimum(light, 9 * d / t), np.minimum(t + np.clip(d, 0.025, 0.3), 2.2)
    return smooth(0, 1, light)


def openness(p: Array, normal: Array) -> Array:
    """How much of the sky is seen from a point, 0..1: near surfaces, the ground among them, take it away."""
    closed = np.zeros(len(p))
    for step, share in ((0.04, 0.3), (0.1, 0.3), (0.22, 0.3), (0.45, 0.2)):
        q = p + step * normal
        closed += share * (1 - np.minimum(distance(q), q[:, 2]) / step)
    return np.clip(1 - closed, 0.04, 1)


def surroundings(ray: Array) -> Array:
    """Light that comes from a direction: clouds, a skyline, the street, the sun."""
    e, azimuth = ray[:, 2], np.arctan2(ray[:, 1], ray[:, 0])
    flat = ray[:, :2] / (np.abs(e[:, None]) + 0.35) * 1.6
    clouds = smooth(0.3, 0.8, noise(flat[:, 0] + 9, flat[:, 1] + 5, 3))[:, None]
    sky = (
        np.array([0.42, 0.60, 0.95]) + clouds * [1.2, 1.05, 0.75] + (1 - smooth(0, 0.4, e))[:, None] * [0.7, 0.64, 0.52]
    )
    street = 0.55 + 0.9 * (1 - smooth(-0.6, -0.02, e)) + 0.7 * smooth(-0.25, 0, e)
    roofs = 0.05 + 0.17 * noise(azimuth * 5 + 20, azimuth * 0, 4)
    house = 0.17 * (0.7 + 0.7 * noise(azimuth * 9 + 30, e * 25 + 30, 6))[:, None] * [1.0, 0.98, 0.97]
    light = np.where(
        (e < 0)[:, None], 0.113 * street[:, None], house + (sky - house) * smooth(0, 0.03, e - roofs)[:, None]
    )
    return light + (7 * np.exp((ray @ SUN - 1) * 260))[:, None] * [1.0, 0.93, 0.82]


class Surface:
    """At each of some points: its own colour, mirror-likeness, gloss, and the light that comes through it."""

    def __init__(self, count: int) -> None:
        self.color, self.mirror, self.gloss = np.tile(PAINT, (count, 1)), np.full(count, 0.075), np.ones(count)
        self.through = np.zeros((count, 3))

    def put(self, where: Array, what: npt.ArrayLike, mirrors: float, shines: float) -> None:
        where = np.asarray(where, float)
        self.color += (np.asarray(what) - self.color) * where[:, None]
        self.mirror += (mirrors - self.mirror) * where
        self.gloss += (shines - self.gloss) * where

    def seam(self, where: Array, gap: Array, width: float = 0.0055) -> None:
        self.put(np.where(where, 0.93 * np.exp(-((gap / width) ** 2)), 0), BLACK, 0.02, 0.2)


def materials(p: Array, ray: Array, normal: Array, part: Array) -> Surface:
    surface = Surface(len(p))
    finish_body(surface, p, normal, part == 0)
    finish_cabin(surface, p, ray, normal, part == 1)
    surface.put((part == 3) & ((np.abs(p[:, 1]) < 0.85) | (p[:, 2] < 1.02)), BLACK, 0.04, 0.5)
    finish_wheels(surface, p, part == 2)
    return surface


def finish_body(surface: Surface, p: Array, normal: Array, where: Array) -> None:
    """Door gaps, grille, number plate and lamps."""
    x, y, z, r = p[:, 0], np.abs(p[:, 1]), p[:, 2], to_axle(p[:, 0], p[:, 2])
    along, corner = straightened(x, y), np.degrees(np.arctan2(y, x - 1.3)) / 80
    nose, face = where & (x > 1.3), where & (x > 1.3) & (normal[:, 0] > 0.3)
    side, ahead, round_ = np.stack([x, z], -1), np.stack([y, z], -1), np.stack([corner, z], -1)
    surface.seam(where & (np.abs(normal[:, 1]) > 0.5), np.minimum(*(to_line(side, door) for door in DOORS)))
    bonnet = np.abs(y - np.interp(along, [0.9, 1.5, 2.0, 2.2], [0.765, 0.745, 0.66, 0.60]))
    surface.seam(where & (x > 0.9) & (along < 2.105) & (normal[:, 2] > 0.2), bonnet)
    surface.seam(nose & (y < 0.6) & (normal[:, 2] > 0.2), np.abs(along - 2.105))
    surface.seam(nose, to_line(round_, BUMPER), 0.006)
    surface.put(where & ((z < 0.25) | ((r < 0.397) & ((y > 0.49) | nose))), BLACK, 0.01, 0.1)
    slats = (0.5 + 0.5 * np.cos(z * 2 * np.pi / 0.034))[:, None]
    surface.put(face & within(ahead, INTAKE), BLACK * (0.6 + 1.2 * slats), 0.03, 0.3)
    surface.put(nose & (np.hypot(corner - 0.665, (z - 0.36) * 1.6) < 0.045), BLACK, 0.06, 0.9)
    surface.put(face & within(ahead, GRILLE), BLACK * (0.5 + 3.5 * slats), 0.04, 0.5)
    surface.put(face & (to_line(ahead, FRAME) < 0.007), STEEL * 0.5, 0.5, 0.9)
    surface.put(face & (np.abs(np.hypot(y, z - 0.563) - 0.047) < 0.009), STEEL * 0.8, 0.5, 0.9)
    surface.put(face & (y < 0.25) & (np.abs(z - 0.405) < 0.055), number_plate(p), 0.03, 0.3)
    lamp = nose & within(round_, LAMP)
    surface.put(lamp, BLACK, 0.05, 0.9)
    for at, height, size in ((0.47, 0.648, 0.06), (0.63, 0.698, 0.055)):
        reflector = np.hypot(corner - at, (z - height) * 1.45) / size
        surface.put(lamp & (reflector < 1), STEEL * (0.08 + 0.4 * smooth(0.6, 0.95, reflector))[:, None], 0.15, 0.9)
        surface.through += (lamp * (0.02 + 0.3 * smooth(0.55, 0.0, reflector)))[:, None] * (reflector < 0.6)[:, None]
    surface.put(lamp & (to_line(round_, STRIP) < 0.006), np.array([0.4, 0.41, 0.43]), 0.1, 0.8)


def finish_cabin(surface: Surface, p: Array, ray: Array, normal: Array, where: Array) -> None:
    """Glass in its frames, and what is seen through it."""
    x, y, z = p[:, 0], np.abs(p[:, 1]), p[:, 2]
    depth, lateral = -cabin_side(x, y, z), np.abs(normal[:, 1]) > 0.62
    flank = where & lateral & (depth > 0.055) & (z > 0.96)
    pillar = (np.abs(x + 0.245) < 0.045) | (x < -1.42 + (z - 1.0) * 0.8)
    middle = where & ~lateral & (y < np.interp(z, [0.96, 1.41], [0.762, 0.622])) & (z > 0.95) & (z < 1.375)
    screen = middle & (np.abs(normal[:, 0]) > 0.25)
    glass = (flank & ~pillar & (depth > 0.07) & (z > 0.99)) | screen
    surface.put(flank, BLACK, 0.04, 0.7)
    surface.put(where & lateral & (np.abs(z - 0.972) < 0.008) & (x < 0.85), STEEL * 0.6, 0.5, 0.8)
    surface.put(glass, BLACK * 0, 0.045, 0.75)
    surface.put(screen & (z < 0.972), BLACK, 0.03, 0.3)
    surface.through[glass] += cabin_view(p[glass], ray[glass])


def finish_wheels(surface: Surface, p: Array, where: Array) -> None:
    """Tyres, rims of five spokes and what is behind them."""
    x, z, r = p[:, 0], p[:, 2], to_axle(p[:, 0], p[:, 2])
    angle = np.arctan2(z - TYRE, x - np.where(x > 0, *AXLES)) + 0.3
    turn = np.abs((angle * 5 / (2 * np.pi)) % 1 - 0.5) * 2 * np.pi / 5 * r
    off = np.abs(turn - 0.012 - 0.1 * r) / (0.016 + 0.02 * r)  # 0 on the ridge of a spoke, 1 at its edge
    off = np.where((r > 0.203) | (r < 0.062), 0.3, off)
    surface.put(where, [0.017, 0.017, 0.018], 0.025, 0.15)
    surface.put(where & (np.abs(r - 0.30) < 0.002), [0.035, 0.035, 0.036], 0.02, 0.1)
    surface.put(where & (r < 0.226), BLACK * 0.5, 0.0, 0.0)
    surface.put(where & (r < 0.16), [0.05, 0.048, 0.046], 0.1, 0.2)  # the brake's disc
    rim = STEEL * (1.15 - 0.75 * smooth(0.3, 1, off) + 0.3 * np.cos(angle - 1.8))[:, None]
    surface.put(where & (r < 0.226) & (off < 1), rim, 0.22, 0.45)
    surface.put(where & (r < 0.03), BLACK, 0.2, 0.8)


def number_plate(p: Array) -> Array:
    sign = Image.new("L", (260, 60), 215)
    draw = ImageDraw.Draw(sign)
    draw.rectangle((2, 2, 257, 57), outline=20, width=3)
    draw.text((130, 31), "CAR 5EG", fill=10, font=ImageFont.load_default(size=44), anchor="mm")
    u, v = np.clip((p[:, 1] / 0.5 + 0.5) * 260, 0, 259), np.clip((0.46 - p[:, 2]) / 0.11 * 60, 0, 59)
    return ((np.asarray(sign)[v.astype(int), u.astype(int)] / 255) ** 2.2)[:, None] * [0.85, 0.85, 0.82]


def cabin_view(p: Array, ray: Array) -> Array:
    """What is seen through the glass: seats and steering wheel in the dark, daylight behind the other windows."""

    def at(axis: int, value: float) -> Array:
        return p + ((value - p[:, axis]) / ray[:, axis])[:, None] * ray

    light, far, back, hub = np.full((len(p), 3), 0.012), at(1, -0.7), at(0, -1.5), at(0, 0.42)
    day = (CABIN_SIDE(far[:, 0], far[:, 2]) < -0.08) & (far[:, 2] > 0.99) & (np.abs(far[:, 0] + 0.245) > 0.05)
    day = (day & (ray[:, 1] < 0)) | ((np.abs(back[:, 1]) < 0.55) & (np.abs(back[:, 2] - 1.18) < 0.1))
    light[day] = 0.22 * surroundings(ray[day]) + 0.02
    for x, z, size in (
        (-0.22, 0.85, (0.13, 0.25, 0.33)),
        (-0.28, 1.2, (0.07, 0.13, 0.095)),
        (-1.15, 0.82, (0.15, 0.6, 0.3)),
    ):
        for y in (-0.37, 0.37):
            o, d = (p - [x, y, z]) / size, ray / size
            reach = (o * d).sum(1) ** 2 - (d * d).sum(1) * ((o * o).sum(1) - 1)
            light[reach > 0] = 0.028 + 0.03 * smooth(0, 3, reach[reach > 0])[:, None]
    light[np.abs(np.hypot(hub[:, 1] - 0.37, hub[:, 2] - 0.93) - 0.175) < 0.014] = 0.02
    return light


def shade(p: Array, ray: Array) -> Array:
    """Colour of the car where rays meet it."""
    part = np.argmin(distance(p, each=True), axis=0)
    normal = np.zeros_like(p)
    for bump in np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]]):
        normal += bump * distance(p + 0.008 * bump)[:, None]
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    surface = materials(p, ray, normal, part)
    color, mirror, gloss, through = surface.color, surface.mirror, surface.gloss, surface.through
    facing, free = np.clip(-(ray * normal).sum(1), 0, 1), openness(p, normal)[:, None]
    sky = (0.5 + 0.5 * normal[:, 2:]) * [0.345, 0.385, 0.455] + (0.5 - 0.5 * normal[:, 2:]) * [0.13, 0.125, 0.12]
    sun = (np.clip(normal @ SUN, 0, 1) * sunlight(p + 0.01 * normal))[:, None] * [1.25, 1.16, 1.02]
    flakes = np.where(
        np.abs(color - PAINT).max(1) < 1e-6, 0.4 + 0.75 * facing**1.5, 1
    )  # metallic paint: dark at its rim
    reflected = surroundings(ray + 2 * facing[:, None] * normal) * gloss[:, None]
    reflected += (0.55 * sky + 0.25 * sun) * (1 - gloss[:, None])
    fresnel = (mirror + (1 - mirror) * (1 - facing) ** 5 * gloss)[:, None]
    return (
        flakes[:, None] * color * (sky * free + sun)
        + through * (1 - fresnel)
        + fresnel * reflected * smooth(0, 0.55, free)
    )


def street(ray: Array) -> tuple[Array, Array]:
    """The image without the car: asphalt with the car's shadow, pavement, house fronts; and how far each point is."""
    to_wall, to_floor = (-9.0 - EYE[1]) / ray[:, 1], np.where(ray[:, 2] < 0, -EYE[2] / ray[:, 2], np.inf)
    far, floor = np.minimum(to_wall, to_floor), to_floor < to_wall
    p = EYE + far[floor, None] * ray[floor]
    x, y = p[:, 0], p[:, 1]
    grain = 0.55 * noise(x * 90, y * 90, 1) + 0.3 * noise(x * 30, y * 30, 2) + 0.45 * noise(x * 1.3, y * 1.3, 5)
    slabs = 0.7 + 0.3 * smooth(0, 0.03, np.minimum(np.abs(x % 0.9 - 0.45), np.abs(y % 0.9 - 0.45)))
    ground = np.where(y > -5, 0.062 + 0.05 * grain, np.where(y > -5.2, 0.25, (0.20 + 0.06 * grain) * slabs))
    line = smooth(0.075, 0.055, np.abs(y - 2.6)) * smooth(0.15, 0.45, noise(x * 5, y * 5, 13) + 0.3 * grain)
    ground += (0.36 - ground) * line
    near = (np.abs(x) < 4) & (np.abs(y) < 3)
    light, free = np.ones(len(p)), np.ones(len(p))
    light[near] = sunlight(p[near])
    for height, share in ((0.06, 0.35), (0.2, 0.4), (0.5, 0.35), (0.9, 0.25)):
        free[near] *= 1 - share * np.clip(1 - distance(p[near] + [0, 0, height]) / height, 0, 1)
    color = np.zeros((len(ray), 3))
    lit = free[:, None] ** 1.3 * [0.40, 0.45, 0.53] + light[:, None] * [1.0, 0.93, 0.82]
    color[floor] = ground[:, None] * lit
    wall = EYE + far[~floor, None] * ray[~floor]
    color[~floor] = house_fronts(wall[:, 0], wall[:, 2])
    return color, far


def house_fronts(x: Array, z: Array) -> Array:
    """Plastered houses in a row, with windows, hedges and trees."""
    walls = [[0.42, 0.36, 0.29], [0.50, 0.47, 0.42], [0.36, 0.20, 0.15], [0.40, 0.42, 0.44], [0.52, 0.44, 0.30]]
    color = np.random.default_rng(12).permutation(walls * 5)[np.floor(x / 7).astype(int) % 25]
    u, v = np.abs(x % 1.75 - 0.875), (z - 0.4) % 3.0 - 1.5
    pane = np.array([0.07, 0.09, 0.11]) + 0.3 * smooth(-0.8, 0.9, v + 0.6 * u)[:, None] * [0.6, 0.75, 1.0]
    color = np.where(((u < 0.6) & (np.abs(v) < 0.95) & (z > 0.5))[:, None], 0.62, color)
    color = np.where(((u > 0.03) & (u < 0.5) & (np.abs(v) < 0.85) & (z > 0.6))[:, None], pane, color)
    color *= 0.62 * (0.4 + 0.2 * noise(x * 3, z * 3, 7) + 0.5 * smooth(0, 0.35, z))[:, None]
    leaves, tree = noise(x * 0.9 + 3, z * 0.9, 8) + 0.35 * noise(x * 5, z * 5, 9), (x + 4) % 13 - 6.5
    color = np.where(((np.abs(tree) < 0.17) & (z < 5))[:, None], 0.045, color)
    green = (z < 0.9 + 0.5 * noise(x * 1.5, z * 0, 10)) & (np.sin(x * 0.45 + 1) > -0.1)
    green |= tree**2 / 5 + (z - 5.2) ** 2 / 5 < 0.35 + leaves * 0.75
    return np.where(green[:, None], (0.15 + leaves)[:, None] * [0.075, 0.115, 0.035], color)


def blurred(color: Array, radius: float) -> Array:
    levels = [Image.fromarray((np.clip(c, 0, 2) ** 0.5 * 180).astype(np.uint8)) for c in np.moveaxis(color, -1, 0)]
    return np.stack([(np.asarray(level.filter(ImageFilter.GaussianBlur(radius))) / 180) ** 2 for level in levels], -1)


def render(scale: float) -> Image.Image:
    width, height = round(WIDTH * scale), round(HEIGHT * scale)
    forward = (TARGET - EYE) / np.linalg.norm(TARGET - EYE)
    right = np.array([forward[1], -forward[0], 0]) / np.hypot(forward[0], forward[1])

    def rays(times: int) -> Array:
        v, u = (np.mgrid[: height * times, : width * times] + 0.5) / times
        u, v = (2 * u - width) / height, 1 - 2 * v / height
        ray = FOCAL * forward + u[..., None] * right + v[..., None] * np.cross(right, forward)
        return (ray / np.linalg.norm(ray, axis=-1, keepdims=True)).reshape(-1, 3)

    color, far = street(rays(1))
    color, far = color.reshape(height, width, 3), far.reshape(height, width, 1)
    color += (blurred(color, 6 * scale) - color) * smooth(8.5, 13, far)
    ray = rays(SAMPLES)
    length, car = march(ray), np.zeros((len(ray), 4))
    hit = np.flatnonzero(np.isfinite(length))
    for some in np.array_split(hit, len(hit) // 150_000 + 1):
        car[some, :3] = np.minimum(shade(EYE + length[some, None] * ray[some], ray[some]), 3)
        car[some, 3] = 1
    car = car.reshape(height, SAMPLES, width, SAMPLES, 4).mean((1, 3))
    return developed(car[..., :3] + color * (1 - car[..., 3:]), scale)


def developed(color: Array, scale: float) -> Image.Image:
    """What a camera adds: glow, vignette, film curve, grain."""
    v, u = np.mgrid[-1 : 1 : color.shape[0] * 1j, -1 : 1 : color.shape[1] * 1j]
    color = color + 0.06 * np.maximum(blurred(color, 9 * scale) - 0.4, 0)
    color *= 1.25 * (1 - 0.13 * (u * u + v * v))[..., None]
    color = color * (2.51 * color + 0.03) / (color * (2.43 * color + 0.59) + 0.14)
    color = np.clip(color, 0, 1) ** (1 / 2.2) * 255 + np.random.default_rng(0).normal(0, 2, (*u.shape, 1))
    return Image.fromarray(np.clip(color, 0, 255).round().astype(np.uint8))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Renders the example image.")
    parser.add_argument("out", nargs="?", type=Path, default=Path(__file__).with_name("car.jpg"))
    parser.add_argument("--scale", type=float, default=1.0, help="of 960 x 720 pixels")
    arguments = parser.parse_args()
    render(arguments.scale).save(arguments.out, quality=90)
