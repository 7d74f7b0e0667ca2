"""Models beside each other on one image: their overlays under one legend, and how often they agree.

    python examples/compare_models.py [IMAGE] [MODEL ...]

MODEL is a name of the zoo or the folder of a fine-tuned network, all with the same classes. Without any, all networks
for car parts whose weights lie on this machine: in a checkout those of the zoo, in an installed package the one inside
it, and those fetched by `carseg download`. Writes compared.png.
"""

import sys
from itertools import combinations
from pathlib import Path

import carseg
from carseg.hub import copies
from carseg.images import draw

image = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("car.jpg")
infos = map(carseg.info, carseg.list_models())
models = sys.argv[2:] or [info.name for info in infos if info.labels.name == "carparts" and copies(info)]

# With one runtime for all, what differs is the networks; and none is converted for another one first.
results = {name: carseg.load(name, runtime="torch").predict(image) for name in models}
for one, other in combinations(models, 2):
    same = (results[one].mask == results[other].mask).mean()
    print(f"{one} and {other} give {same:.1%} of the pixels the same label")

first = results[models[0]]
masks = {name: result.mask for name, result in results.items()}
draw.side_by_side(first.image, masks, first.labels, columns=min(4, len(masks) + 1)).save("compared.png")
print(f"compared.png shows {', '.join(models)}")
