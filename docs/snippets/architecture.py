"""A small network: two convolutions and a 1x1 classifier, logits at half size."""

import torch
from torch import Tensor, nn

import carseg
from carseg.architectures import Network


class Small(Network):
    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()
        )
        self.classifier = nn.Conv2d(16, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        logits = self.classifier(self.body(x))
        return (logits,) if self.training else logits  # in training a tuple: the main output, then auxiliary ones


@carseg.register("small")
def small(num_classes: int, in_channels: int) -> Network:
    return Small(num_classes, in_channels)


network = carseg.create_model("small", num_classes=19).eval()
print(network(torch.zeros(1, 3, 64, 96)).shape)  # (1, 19, 32, 48)
