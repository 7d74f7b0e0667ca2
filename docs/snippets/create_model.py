import torch

import carseg

info = carseg.info("fpn-mobilenetv2-carparts")
network = carseg.create_model(info.architecture, weights=info.name)  # trained, for its own classes
logits = network.eval()(torch.zeros(1, 3, *info.input.size))

mine = carseg.create_model(info.architecture, num_classes=7, weights=info.name)  # trained, but for a new head
