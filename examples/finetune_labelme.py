"""Ten images labelled with labelme, three classes of one's own: check them, fine-tune, look at the result.

    python examples/finetune_labelme.py

So that it runs anywhere, the ten images are drawn: vans in flat colours, labelled "body", "window" and "tyre". With
images of your own the three calls below stay the same. Writes labelme/ (the data) and runs/vans/ (the network, a
report page with curves, and samples).
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import carseg

DATA, RUN = Path("labelme"), Path("runs/vans")


def draw_van(seed: int) -> None:
    """An image and, beside it, the file that labelme would have written for it."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (240, 160), tuple(rng.integers(90, 220, 3).tolist()))
    draw = ImageDraw.Draw(image)
    ranges = (15, 40), (35, 60), (140, 180), (50, 70)
    x, y, length, height = (float(rng.integers(*limits)) for limits in ranges)
    paint = tuple(rng.integers(0, 255, 3).tolist())
    body = [(x, y), (x + 0.8 * length, y), (x + length, y + 0.5 * height), (x + length, y + height), (x, y + height)]
    window = [(x + 0.6 * length, y + 6), (x + 0.78 * length, y + 6), (x + 0.92 * length, y + 0.45 * height)]
    window.append((x + 0.6 * length, y + 0.45 * height))
    shapes: list[tuple[str, str, list[tuple[float, float]], tuple[int, ...]]]
    shapes = [("body", "polygon", body, paint), ("window", "polygon", window, (190, 215, 235))]
    for share in (0.2, 0.8):
        center, radius = (x + share * length, y + height), 0.24 * height
        shapes.append(("tyre", "circle", [center, (center[0] + radius, center[1])], (25, 25, 28)))
    for _, kind, points, color in shapes:
        if kind == "circle":
            (cx, cy), (edge, _) = points
            draw.ellipse((2 * cx - edge, cy - edge + cx, edge, cy + edge - cx), fill=color)
        else:
            draw.polygon(points, fill=color)
    DATA.mkdir(exist_ok=True)
    image.save(DATA / f"van{seed}.png")
    labels = [
        {"label": label, "shape_type": kind, "points": [[float(px), float(py)] for px, py in points]}
        for label, kind, points, _ in shapes
    ]
    document = {"imagePath": f"van{seed}.png", "imageWidth": 240, "imageHeight": 160, "shapes": labels}
    (DATA / f"van{seed}.json").write_text(json.dumps(document))


for seed in range(10):
    draw_van(seed)

findings = carseg.data.check(DATA)
print(f"{DATA}: {findings.format}, classes {', '.join(findings.labels.classes)}, {len(findings.problems)} problems")

config = carseg.TrainingConfig(epochs=15, size=(128, 192), lr=3e-3, val_fraction=0.2)
best = carseg.finetune("fpn-mobilenetv2-carparts", DATA, RUN, config=config)

model = carseg.load(best)
[figures] = model.info.metrics
print(f"{best}: mIoU {figures.miou:.3f} on the {figures.images} images that were held out")
model.predict(DATA / "van0.png").overlay().save(RUN / "van0.png")
