"""What is wrong with a photograph of a car, in words for whoever took it.

The limits were chosen on training images: recipes/photos.py measures how many good photographs they warn of, and how
many that were blurred, darkened or lightened they find.
"""

from __future__ import annotations

from collections.abc import Iterator

from carseg.workflows.photo import Photo, PhotoWarning

BLURRED = 0.58  # sharpness
DARK = 110.0  # brightness
OVEREXPOSED = 0.15  # clipped
_FAR = 0.30  # of the image's width and of its height
_FEW_PIXELS = 160  # of the longer side of the car's box


def find_warnings(photo: Photo) -> Iterator[PhotoWarning]:
    """Yield what is wrong with a photograph, whose own ``warnings`` do not count."""
    if photo.bbox is None:
        yield PhotoWarning("no_car", "no car is seen: take it again, from where the whole car is in the image")
    if photo.sharpness < BLURRED and (
        photo.bbox or photo.brightness >= DARK
    ):  # in the dark there is nothing to be sharp
        yield PhotoWarning("blurred", "it is blurred: hold the camera still, tap the car to focus, and take it again")
    if photo.brightness < DARK:
        yield PhotoWarning("dark", "it is too dark: turn on the flash or a lamp, or take it by day")
    if photo.clipped > OVEREXPOSED:
        share = f"{photo.clipped:.0%} of the {'car' if photo.bbox else 'image'}"
        yield PhotoWarning("overexposed", f"it is overexposed, {share} is plain white: take it without glare or flash")
    if photo.bbox:
        yield from _distance(photo, photo.bbox[2], photo.bbox[3])
    if photo.cars > 1:
        yield PhotoWarning("several_cars", f"{photo.cars} cars are seen, and the largest is reported: show one alone")
    elif photo.uncertain:
        yield PhotoWarning("several_cars", "it may show several cars that cannot be told apart: show one alone")


def _distance(photo: Photo, width: int, height: int) -> Iterator[PhotoWarning]:
    share = max(width / photo.width, height / photo.height)
    if share < _FAR:
        yield PhotoWarning("far", f"the car takes up {share:.0%} of the image's longer way only: go nearer")
    if max(width, height) < _FEW_PIXELS:
        size = f"{width} x {height} pixels"
        yield PhotoWarning("low_resolution", f"the car has {size} only: go nearer, or send the image in its full size")
    if photo.cut_off:
        edges = " and ".join(photo.cut_off)
        yield PhotoWarning("cut_off", f"the car reaches beyond the {edges} of the image: step back, or turn the camera")
