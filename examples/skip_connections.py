"""What skip connections bring: one picture segmented with them, and with them switched off.

    python examples/skip_connections.py [PICTURE]

The compact network adds fine features of its encoder to its decoder at two resolutions. Here the same network runs once
as it is and once with those additions left out: parts lose their outlines, small ones go. A network that was trained
without them would do better than this, since it never learned to rely on them. Writes skips.png.
"""

import sys
from pathlib import Path

import torch

import carseg
from carseg import drawing

picture = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("car.jpg")
model = carseg.load("fpn-mobilenetv2-carparts", device="cpu", runtime="torch")
on = model.predict(picture)

network = model.runtime.network
for name in ("merge8.lateral", "merge4.lateral"):
    network.get_submodule(name).register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
off = model.predict(picture)

drawing.side_by_side(on.picture, {"with skips": on.mask, "without": off.mask}, on.labels).save("skips.png")
print(f"with skips: {len(on.parts)} parts; without: {len(off.parts)}")
print(f"{(on.mask != off.mask).mean():.1%} of the pixels get another label; see skips.png")
