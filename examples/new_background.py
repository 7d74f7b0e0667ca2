"""A car cut out of its image and put on other backgrounds: none (a transparent PNG), a colour, a drawn sky.

    python examples/new_background.py [IMAGE]

Writes cutout/transparent.png, cutout/white.png and cutout/sky.png. It takes a network for whole cars that came with the
package, or else the one for car parts: the car is then what has a part's name, which a roof, for instance, has not.
"""

import sys
from pathlib import Path

import numpy as np

import carseg

image = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("car.jpg")
infos = [info for info in map(carseg.info, carseg.list_models()) if info.embedded]
model = next((info.name for info in infos if info.labels.name == "carvana"), "fpn-mobilenetv2-carparts")
result = carseg.load(model).predict(image)

# An evening sky over a plain: any PIL image or RGB array will do, it is scaled to cover.
height = np.linspace(0, 1, 300)[:, None, None]
sky = (1 - height) * np.array([60, 90, 160]) + height * np.array([250, 190, 130])
sky[200:] = [70, 75, 70]
sky = np.broadcast_to(sky, (300, 400, 3)).astype(np.uint8)

folder = Path("cutout")
folder.mkdir(exist_ok=True)
result.cutout().save(folder / "transparent.png")
result.cutout("white", feather=1).save(folder / "white.png")
result.cutout(sky, feather=1).save(folder / "sky.png")
print(f"{model}: {np.isin(result.mask, result.labels.foreground).mean():.1%} of the image is car; see {folder}/")
