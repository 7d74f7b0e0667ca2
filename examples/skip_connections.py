"""What skip connections bring: sharp edges. One image segmented with them and without, close up.

    python examples/skip_connections.py [IMAGE]

A U-Net's decoder gets the encoder's fine features through skip connections. Two U-Nets of the zoo were trained with and
without them, the latter on fewer and smaller images; their measured figures are printed. Those two know photographs
from one studio only, so the picture shows the compact network of the package, as it is and with the fine features left
out. It never learned to do without them and loses more than a network that was trained that way. Writes skips.png, the
place where the two masks differ most.
"""

import sys
from pathlib import Path

import numpy as np
import torch

import carseg
from carseg.figures import FIGURES
from carseg.images import draw
from carseg.runtimes import TorchRuntime

for key in ("miou", "boundary_f1"):
    for name in ("unet-carvana", "unet-noskip-carvana"):
        figure = carseg.info(name).metrics[0].figures[key]
        print(f"{FIGURES[key].title:<16} {name:<20} {figure.percent:>7}  {figure.percent_interval}")

image = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("car.jpg")
model = carseg.load("car", device="cpu", runtime="torch")
on = model.predict(image)
assert isinstance(model.runtime, TorchRuntime)
for name in ("merge8.lateral", "merge4.lateral"):
    lateral = model.runtime.network.get_submodule(name)
    lateral.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
off = model.predict(image)

differs = on.mask != off.mask
height, width = (side // 3 for side in differs.shape)
sums = np.pad(differs.cumsum(0).cumsum(1), ((1, 0), (1, 0)))  # pixels that differ, left of and above each place
inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
top, left = np.unravel_index(inside.argmax(), inside.shape)
there = np.s_[top : top + height, left : left + width]
draw.side_by_side(on.image[there], {"with": on.mask[there], "without": off.mask[there]}, on.labels).save("skips.png")
print(f"{differs.mean():.1%} of the pixels get another label; skips.png shows where most of them are")
