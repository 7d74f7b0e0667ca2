"""Models beside each other on one picture: their overlays under one legend, and how often they agree.

    python examples/compare_models.py [PICTURE] [MODEL ...]

MODEL is a name of the zoo or the folder of a fine-tuned network, all with the same classes; without any, all that the
zoo has for car parts. Writes compared.png.
"""

import sys
from itertools import combinations
from pathlib import Path

import carseg
from carseg import drawing

picture = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("car.jpg")
models = sys.argv[2:] or carseg.list_models("*-carparts")

results = {name: carseg.load(name).predict(picture) for name in models}
for one, other in combinations(models, 2):
    same = (results[one].mask == results[other].mask).mean()
    print(f"{one} and {other} give {same:.1%} of the pixels the same label")

first = results[models[0]]
masks = {name: result.mask for name, result in results.items()}
drawing.side_by_side(first.picture, masks, first.labels).save("compared.png")
print(f"compared.png shows {', '.join(models)}")
