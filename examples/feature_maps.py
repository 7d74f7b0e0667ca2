"""What the first layers of the network look for: the feature maps of its first block, edges and colours at half size.

    python examples/feature_maps.py [PICTURE] [MODEL] [LAYER]

LAYER is the name of a module inside the network: "encoder.blocks.0" is the first block of the compact network, "inc"
that of a U-Net. Writes features.png, one map a channel, from its least value (dark) to its greatest (light).
"""

import sys
from pathlib import Path

import torch

import carseg
from carseg import drawing, image

arguments = sys.argv[1:]
picture = arguments[0] if arguments else Path(__file__).with_name("car.jpg")
model = carseg.load(arguments[1] if len(arguments) > 1 else "fpn-mobilenetv2-carparts", device="cpu", runtime="torch")
layer = arguments[2] if len(arguments) > 2 else "encoder.blocks.0"

network = model.runtime.network
seen: list[torch.Tensor] = []
network.get_submodule(layer).register_forward_hook(lambda module, inputs, output: seen.append(output))

x = image.to_input(image.decode(picture).rgb, model.entry.input)  # what the network gets: float32 (3, height, width)
with torch.inference_mode():
    network(torch.from_numpy(x)[None])

features = seen[0][0].numpy()
drawing.feature_maps(features).save("features.png")
print(f"{layer} of {model.name}: {features.shape[0]} maps of {features.shape[2]}x{features.shape[1]}, in features.png")
