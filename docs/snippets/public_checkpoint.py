import torch

import carseg
from carseg.architectures import convert_public_state_dict

network = carseg.create_model("u2netp", num_classes=1)
checkpoint = torch.load("u2netp.pth", weights_only=True, map_location="cpu")
network.load_state_dict(convert_public_state_dict("u2netp", checkpoint))
