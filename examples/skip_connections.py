"""What skip connections bring: one image segmented by a network with them and by one without.

    python examples/skip_connections.py [IMAGE]

Where the weights of unet-carvana and unet-noskip-carvana lie on this machine (`carseg download` fetches them), it is
these two: the same U-Net with and without copy-crop connections, of which the one without saw fewer and smaller
images. Else it is the compact network inside the package, as it is and with the fine features that its encoder adds
to its decoder left out; it never learned to do without them, so it loses more than a network trained that way. Writes
skips.png.
"""

import sys
from pathlib import Path

import torch

import carseg
from carseg.hub import copies
from carseg.images import draw
from carseg.runtimes import TorchRuntime

TRAINED = ("unet-carvana", "unet-noskip-carvana")

image = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("car.jpg")
if all(name in carseg.list_models() and copies(carseg.info(name)) for name in TRAINED):
    on, off = (carseg.load(name).predict(image) for name in TRAINED)
else:
    model = carseg.load("fpn-mobilenetv2-carparts", device="cpu", runtime="torch")
    on = model.predict(image)
    assert isinstance(model.runtime, TorchRuntime)
    for name in ("merge8.lateral", "merge4.lateral"):
        lateral = model.runtime.network.get_submodule(name)
        lateral.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    off = model.predict(image)

draw.side_by_side(on.image, {"with skips": on.mask, "without": off.mask}, on.labels).save("skips.png")
print(f"with skips {on.model}, without {off.model}")
print(f"{(on.mask != off.mask).mean():.1%} of the pixels get another label; see skips.png")
