"""What is in an image of a car: every part with its share, its box and how sure the network is, and two images.

    python examples/predict_and_report.py [IMAGE]

Writes report/overlay.png (all parts, with a legend) and report/parts.png (one crop per part).
"""

import sys
from pathlib import Path

import carseg
from carseg.images import draw

image = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("car.jpg")
result = carseg.load("fpn-mobilenetv2-carparts").predict(image)

print(f"{'part':<20} {'share':>6} {'score':>6}  box (x, y, width, height)")
for part in sorted(result.parts, key=lambda part: -part.area_px):
    print(f"{part.name:<20} {part.area_fraction:6.1%} {part.score:6.2f}  {part.bbox}")

names = {part.name for part in result.parts}
left = sum("left" in name for name in names)
right = sum("right" in name for name in names)
print(f"{len(names)} parts; {left} of the vehicle's left side, {right} of its right side")

folder = Path("report")
folder.mkdir(exist_ok=True)
result.overlay().save(folder / "overlay.png")
draw.part_crops(result.image, result.mask, result.labels).save(folder / "parts.png")
