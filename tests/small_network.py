"""A network that trains in milliseconds, for tests of what a training does, whatever the network.

Importing this module registers the architecture ``two-layers``.
"""

from __future__ import annotations

from torch import Tensor, nn

from carseg.architectures.network import Network
from carseg.architectures.registry import register

SMALL = "two-layers"


class Small(Network):
    """Images (N, in_channels, H, W) to logits (N, num_classes, H / 2, W / 2): an encoder and a head."""

    encoder_prefix = "encoder."

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(in_channels, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
        )
        self.classifier = nn.Conv2d(8, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        logits = self.classifier(self.encoder(x))
        return (logits,) if self.training else logits


register(SMALL)(Small)
