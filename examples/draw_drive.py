"""Draws a drive as a video, since no filmed one may be shipped: a road of three lanes, a wood, a car ahead.

    python examples/draw_drive.py [OUT.mp4] [--seconds 4]

Needs numpy, Pillow and PyAV (pip install 'carseg[video]').
"""

from __future__ import annotations

import argparse
import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Color = tuple[int, int, int]
WIDTH, HEIGHT, RATE = 640, 360, 10
HORIZON, EYE, FOCAL, SPEED = 150, 1.4, 420.0, 12.0  # pixels, metres, pixels, metres a second
ZENITH, HAZE = (120, 160, 210), (215, 225, 232)
GRASS, ROAD, PAINT = (88, 112, 62), (92, 92, 96), (222, 222, 214)


def place(across: float, ahead: float) -> tuple[float, float]:
    """Return where a point of the ground is seen: metres to the right of the eye and ahead of it, to pixels."""
    return WIDTH / 2 + FOCAL * across / ahead, HORIZON + FOCAL * EYE / ahead


def strip(draw: ImageDraw.ImageDraw, left: float, right: float, near: float, far: float, color: Color) -> None:
    corners = [(left, near), (right, near), (right, far), (left, far)]
    draw.polygon([place(across, ahead) for across, ahead in corners], color)


def draw_frame(time: float) -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), GRASS)
    draw = ImageDraw.Draw(image)
    draw_land(draw)
    strip(draw, -5.4, 5.4, 1.5, 400, ROAD)
    for side in (-5.2, 5.2):
        strip(draw, side - 0.1, side + 0.1, 1.5, 400, PAINT)
    for start in np.arange(1.5 - (time * SPEED) % 9, 150, 9):  # dashes of three metres and gaps of six
        for side in (-1.75, 1.75):
            strip(draw, side - 0.08, side + 0.08, max(start, 1.5), max(start + 3, 1.51), PAINT)
    draw_car(draw, 0.4 * math.sin(time), 14 + 4 * math.sin(0.7 * time))
    noise = np.random.default_rng(round(time * 1000)).normal(0, 6, (HEIGHT, WIDTH, 1))
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(0.8))).astype(float) + stains() + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def draw_land(draw: ImageDraw.ImageDraw) -> None:
    """Draw a sky that is lighter towards the horizon, and a wood on it."""
    for y in range(HORIZON):
        share = y / HORIZON
        color = tuple(round(a + (b - a) * share) for a, b in zip(ZENITH, HAZE, strict=True))
        draw.line((0, y, WIDTH, y), color)
    random = np.random.default_rng(0)
    for x in range(-20, WIDTH + 20, 9):
        top = HORIZON - 18 - 26 * abs(2 * x / WIDTH - 1) - random.normal(0, 5)
        shade = int(random.integers(-14, 14))
        draw.ellipse((x - 14, top, x + 14, HORIZON + 6), (58 + shade, 78 + shade, 48 + shade))


def stains() -> np.ndarray:
    """Return lighter and darker places of the image, float (HEIGHT, WIDTH, 1)."""
    coarse = np.random.default_rng(5).normal(128, 40, (60, 100)).clip(0, 255).astype(np.uint8)
    fine = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    return 0.12 * (np.asarray(fine, float)[..., None] - 128)


def draw_car(draw: ImageDraw.ImageDraw, across: float, ahead: float) -> None:
    (left, ground), (right, _) = place(across - 0.9, ahead), place(across + 0.9, ahead)
    metre = FOCAL / ahead
    draw.ellipse((left - 0.1 * metre, ground - 0.1 * metre, right + 0.1 * metre, ground + 0.1 * metre), (52, 52, 54))
    for wheel in (left, right - 0.25 * metre):
        draw.rectangle((wheel, ground - 0.4 * metre, wheel + 0.25 * metre, ground), (24, 24, 26))
    draw.rounded_rectangle((left, ground - 0.95 * metre, right, ground - 0.2 * metre), 0.12 * metre, (150, 28, 30))
    roof, shoulder = ground - 1.45 * metre, ground - 0.9 * metre
    for inset, color in ((0.0, (150, 28, 30)), (0.08, (40, 48, 56))):
        edge = [(0.05, shoulder), (0.25, roof + inset * metre)]
        polygon = [(left + (x + inset) * metre, y) for x, y in edge]
        draw.polygon([*polygon, *((left + right - x, y) for x, y in reversed(polygon))], color)
    for lamp in (left + 0.08 * metre, right - 0.33 * metre):
        draw.rectangle((lamp, ground - 0.8 * metre, lamp + 0.25 * metre, ground - 0.62 * metre), (230, 60, 50))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", nargs="?", type=Path, default=Path("drive.mp4"))
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    with av.open(str(arguments.out), "w") as output:
        stream = output.add_stream("mpeg4", rate=RATE, options={"qscale": "3", "flags": "+qscale"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(round(arguments.seconds * RATE)):
            frame = av.VideoFrame.from_image(draw_frame(number / RATE))
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    print(f"{arguments.out}: {arguments.seconds:g} s of {WIDTH} x {HEIGHT} pixels, {RATE} frames a second")


if __name__ == "__main__":
    main()
