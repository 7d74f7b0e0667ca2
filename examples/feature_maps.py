"""What the first layers of a network look for: the feature maps of its first block, edges, colours, bright surfaces.

    python examples/feature_maps.py [IMAGE] [MODEL] [LAYER]

Without MODEL it is the U-Net for whole cars where its weights lie on this machine (`carseg download unet-carvana`
fetches them), else the compact network inside the package. LAYER is the name of a module inside the network. Writes
features.png, one map per channel, dark where the network sees nothing of the kind, light where it does.
"""

import sys
from pathlib import Path

import torch

import carseg
from carseg.hub import copies
from carseg.images import decode, draw
from carseg.inference import Preprocessor

FIRST_BLOCK = {"unet": "inc", "fpn-mobilenetv2": "encoder.blocks.0"}  # by architecture

image, name, layer, *_ = [*sys.argv[1:], "", "", ""]
unet_is_here = "unet-carvana" in carseg.list_models() and copies(carseg.info("unet-carvana"))
name = name or ("unet-carvana" if unet_is_here else "fpn-mobilenetv2-carparts")
info = carseg.info(name)
network = carseg.create_model(info.architecture, weights=name).eval()
layer = layer or FIRST_BLOCK.get(info.architecture, "")
if not layer:
    raise SystemExit(f"say which LAYER of {name}, such as {', '.join(dict(network.named_children()))}")
seen: list[torch.Tensor] = []
network.get_submodule(layer).register_forward_hook(lambda module, inputs, output: seen.append(output))

rgb = decode(image or Path(__file__).with_name("car.jpg")).rgb
x = Preprocessor(info.input)(rgb)  # what the network gets: float32 (3, height, width)
with torch.inference_mode():
    network(torch.from_numpy(x)[None])

features = seen[0][0].numpy()
draw.feature_maps(features).save("features.png")
print(f"{layer} of {name}: {features.shape[0]} maps of {features.shape[2]}x{features.shape[1]}, in features.png")
